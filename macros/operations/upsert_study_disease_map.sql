{#- Maps a study to a disease from now on, or with NONE to no disease, which leaves it out of all analyses of
    pairs. The previous mapping is closed and kept as history.

    dbt run-operation upsert_study_disease_map --args '{study: GSE154918, disease: SEPSIS, actor: anna}'

    The next build moves the study from its old slices to the new ones. An unknown study is 54040, an
    unknown disease 54030; both leave the table as it was. -#}
{% macro upsert_study_disease_map(study=none, disease=none, actor=none) %}
    {% set actor = actor or login_name() %}
    {% for name, word in {'study': study, 'disease': disease, 'actor': actor}.items() if not modules.re.fullmatch('[A-Za-z0-9._@\\\\ -]{1,64}', word or '') %}
        {{ raise_error(54030, 'CONFIG_INVALID', name ~ ' is ' ~ (word or 'missing') ~ '; expected 1 to 64 letters, digits, blanks or . _ @ -') }}
    {% endfor %}
    {% set map = schema_name('dim') ~ '.study_disease_map' %}
    {% set keys = run_query(
        "select (select study_key from " ~ schema_name('dim') ~ ".dim_study where study_accession_code = '" ~ study ~ "') as study_key, "
        ~ "(select disease_key from " ~ schema_name('dim') ~ ".dim_disease where disease_label = '" ~ disease ~ "' and is_active = 1) as disease_key"
    ).rows[0] %}
    {% if keys[0] is none %}
        {{ raise_error(54040, 'STUDY_NOT_FOUND', 'no study ' ~ study ~ ' in dim_study; build it first') }}
    {% elif keys[1] is none and disease != 'NONE' %}
        {{ raise_error(54030, 'CONFIG_INVALID', 'no active disease ' ~ disease ~ ' in dim_disease; define it in pipeline.yaml and ingest, or in seeds/disease.csv; then run dbt build --select +dim_disease') }}
    {% endif %}
    {% do run_query('begin transaction') %}
    {% do run_query(close_disease_mapping(map, keys[0], actor)) %}
    {% if disease != 'NONE' %}
        {% do run_query(open_disease_mapping(map, keys[0], keys[1], actor)) %}
    {% endif %}
    {% do run_query(log_operation('upsert_study_disease_map', {'study_accession': study, 'disease': disease, 'actor': actor})) %}
    {% do run_query('commit') %}
    {% do log(study ~ ' is mapped to ' ~ ('no disease' if disease == 'NONE' else disease), info=true) %}
{% endmacro %}


{% macro close_disease_mapping(map, study_key, actor) %}
update {{ map }}
set
    is_active = 0,
    effective_to = {{ utc_now() }},
    updated_by = '{{ actor }}',
    updated_at = {{ utc_now() }}
where study_key = {{ study_key }} and is_active = 1
{% endmacro %}


{% macro open_disease_mapping(map, study_key, disease_key, actor) %}
insert into {{ map }} (
    study_disease_map_key, study_key, disease_key, is_active, effective_from, created_by, created_at
)
select
    coalesce(max(study_disease_map_key), 0) + 1 as study_disease_map_key,
    {{ study_key }} as study_key,
    {{ disease_key }} as disease_key,
    1 as is_active,
    {{ utc_now() }} as effective_from,
    '{{ actor }}' as created_by,
    {{ utc_now() }} as created_at
from {{ map }}
{% endmacro %}

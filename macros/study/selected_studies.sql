{#- The accessions named by `study:` in this run's --select; an empty list means all studies.

    dbt build --select study:GSE154918 study:GSE9960  ->  ['GSE154918', 'GSE9960']

    dbt_study_selector.py adds the method `study:` to dbt. -#}
{% macro selected_studies() %}
    {% set accessions = [] %}
    {% for argument in (invocation_args_dict.get('select') or []) %}
        {% for criterion in (argument | replace(',', ' ')).split() %}
            {% if 'study:' in criterion %}
                {% do accessions.append(criterion.split('study:')[1].split('+')[0]) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {{ return(accessions | unique | list) }}
{% endmacro %}


{#- A condition that is true for rows of the selected studies, or for all rows if none is selected.

    where {{ is_selected_study('s.study_accession_code') }}
    ->  where s.study_accession_code in ('GSE154918', 'GSE9960')   |   where 1 = 1 -#}
{% macro is_selected_study(accession) %}
    {%- set accessions = selected_studies() -%}
    {%- if accessions -%}
        {{ accession }} in ('{{ accessions | join("', '") }}')
    {%- else -%}
        1 = 1
    {%- endif -%}
{% endmacro %}


{#- Runs at the start of each dbt run: if a selected accession has no staged batch, stops the run before it
    changes anything. -#}
{% macro require_selected_studies() %}
    {% set accessions = selected_studies() %}
    {% if not execute or not accessions %}{{ return('') }}{% endif %}
    {% if invocation_args_dict.get('full_refresh') %}
        {{ raise_error(54041, 'STUDY_SELECTION_INVALID', '--full-refresh would drop the other studies; run it without study:') }}
    {% endif %}
    {% set staged = run_query('select distinct study_accession_code from ' ~ schema_name('staging') ~ '.batch').columns[0].values() | list %}
    {% set unknown = accessions | reject('in', staged) | list %}
    {% if unknown %}
        {{ raise_error(54040, 'STUDY_NOT_FOUND',
            'no staged batch for ' ~ unknown | join(', ') ~ '. Staged: ' ~ (staged | sort | join(', ') or 'none')
            ~ '. Ingest it first: python -m loader ingest PATH --study ' ~ unknown[0]) }}
    {% endif %}
{% endmacro %}

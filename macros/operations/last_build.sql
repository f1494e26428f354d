{#- meta.meta_last_build says what the warehouse was last built from. With it, dbt_current_build.py leaves out
    what a build would only repeat. A row with ended_at is there exactly if the last dbt command that changes
    the warehouse was a complete build without a failure. -#}

{#- On-run-start: the warehouse is no longer as the last build left it. -#}
{% macro begin_build() %}
{%- if not execute or flags.WHICH not in ['build', 'run', 'seed', 'snapshot', 'retry'] -%}{{ return('') }}{%- endif -%}
delete from {{ last_build() }};

insert into {{ last_build() }} (run_id, project_hash, inputs_hash, selected_studies)
select
    '{{ run_id() }}' as run_id,
    '{{ project_hash() }}' as project_hash,
    i.inputs_hash,
    '{{ selected_studies() | sort | join(' ') }}' as selected_studies
from ({{ hash_of_inputs() | indent(4) }}) as i
{% endmacro %}


{#- On-run-end: the build is complete, unless a node failed, nodes were left out, or on a server another
    build began meanwhile. If tests alone found a failure, the next build builds and tests all. -#}
{% macro complete_build(results) %}
{%- if not execute -%}{{ return('') }}{%- endif -%}
{%- for result in results if log_status(result.status) in ['FAILED', 'SKIPPED'] -%}
    {{ return(forget_project_of_build() if flags.WHICH == 'test' else '') }}
{%- endfor -%}
{%- if not project_hash() -%}{{ return('') }}{%- endif -%}
update {{ last_build() }}
set ended_at = {{ utc_now() }}
where run_id = '{{ run_id() }}'
{% endmacro %}


{% macro forget_project_of_build() -%}
update {{ last_build() }}
set project_hash = ''
{%- endmacro %}


{#- What a build of this project with these studies would only repeat: `relations` if the last build was of
    the same project, so that views and seeds are as they would be made again; `all` if nothing that a build
    reads has changed either; else none. With run_id and ended_at of that build, and whether it was of the same
    selection of studies.

    {{ repeated_by_build('9f3c…') }}  ->  {'repeats': 'all', 'run_id': '8c1c…', …} -#}
{% macro repeated_by_build(project_hash) %}
    {% if not relation_of_earlier_build('meta', 'meta_last_build') %}{{ return(none) }}{% endif %}
    {% do require_selected_studies() %}
    {% set builds = run_query(build_of_project(project_hash)).rows %}
    {% if not builds %}{{ return(none) }}{% endif %}
    {% set run_id, selected, ended_at, is_current = builds[0][0], builds[0][1].split(), builds[0][2], builds[0][3] %}
    {% set has_these = not selected or (selected_studies() and not (selected_studies() | reject('in', selected) | list)) %}
    {{ return({
        'repeats': 'all' if is_current and has_these else 'relations',
        'run_id': run_id,
        'has_same_selection': selected == (selected_studies() | sort),
        'ended_at': ended_at
    }) }}
{% endmacro %}


{% macro build_of_project(project_hash) -%}
select
    b.run_id,
    b.selected_studies,
    {{ instant_text('b.ended_at') }} as ended_at,
    case
        when
            b.inputs_hash = ({{ hash_of_inputs() | indent(12) }})
            and not exists (
                select 1
                from {{ source('staging', 'batch') }} as w
                where w.status in ('STAGED', 'VALIDATED')
            )
            then 1
        else 0
    end as is_current
from {{ last_build() }} as b
where b.ended_at is not null and b.project_hash = '{{ project_hash }}'
{%- endmacro %}


{#- A hash of all that a build reads and does not write itself. Rows that a batch, a file or a run brings are
    told apart by its id and the time at which they were staged. -#}
{% macro hash_of_inputs() -%}
select {{ sha256_hex("coalesce(" ~ sorted_list('i.input') ~ ", '')") }} as inputs_hash
from (
    select
        concat(
            'batch ', batch_id, ' ', {{ instant_text('staged_at') }}, ' ', released_by, ' ', {{ sha256_hex('config_snapshot') }}
        ) as input
    from {{ source('staging', 'batch') }}
    union all
    select concat('disease ', disease_label, ' ', {{ sha256_hex('definition_json') }}) as input
    from {{ source('staging', 'disease_definition') }}
    union all
    select concat('annotation ', bulk_file, ' ', file_hash, ' ', parser_hash, ' ', {{ instant_text('loaded_at') }}) as input
    from {{ source('staging', 'annotation_file') }}
    union all
    select distinct concat('pairs ', batch_id, ' ', {{ instant_text('staged_at') }}) as input
    from {{ source('staging', 'pair_metrics') }}
    union all
    select concat('features ', feature_run_id) as input
    from {{ source('meta', 'meta_feature_run') }}
    union all
    select concat('review ', review_id) as input
    from {{ source('analytics', 'llm_reviews') }}
    union all
    select concat('disease map ', run_id) as input
    from {{ source('meta', 'meta_etl_process_log') }}
    where step = 'upsert_study_disease_map'
) as i
{%- endmacro %}


{#- A hash of the project, its variables and the nodes selected, from dbt_current_build.py; empty if this command
    is not a complete build. -#}
{% macro project_hash() %}{{ return(env_var('EXPRESSION_PROJECT_HASH', '') if execute else '') }}{% endmacro %}


{% macro last_build() %}{{ return(schema_name('meta') ~ '.meta_last_build') }}{% endmacro %}

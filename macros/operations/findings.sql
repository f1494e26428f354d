{#- A select that returns the findings of rules in the form of meta_data_validation_log.

    rules   models of models/validation, each a view with the columns
            validation_code  the error's name in seed error_code
            batch_id, study_accession_code
            subject          what the finding is about: a sample, a gene, the study
            finding          a sentence that says what is wrong

    {{ findings(['rule_samples_match', 'rule_unit_known']) }}
    ->  validation_code | error_code | severity | batch_id | study_accession_code | subject | finding | finding_count | finding_number

    severity comes from seed error_code. If someone released the batch, an ERROR that the seed marks as
    releasable becomes a WARNING. finding_number counts from 1 to finding_count within batch and code. -#}
{% macro findings(rules) -%}
with rule_findings as (
    {%- for rule in rules %}
    select
        cast(validation_code as {{ type_code(64) }}) as validation_code,
        batch_id,
        study_accession_code,
        cast(subject as {{ type_text(300) }}) as subject,
        cast(finding as {{ type_text(500) }}) as finding
    from {{ ref(rule) }}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
)

select
    f.validation_code,
    e.error_code,
    case when e.is_releasable = 1 and b.released_by is not null then 'WARNING' else e.severity end as severity,
    f.batch_id,
    f.study_accession_code,
    f.subject,
    f.finding,
    count(*) over (partition by f.batch_id, f.study_accession_code, f.validation_code) as finding_count,
    row_number() over (
        partition by f.batch_id, f.study_accession_code, f.validation_code
        order by f.subject, f.finding
    ) as finding_number
from rule_findings as f
inner join {{ ref('error_code') }} as e on f.validation_code = e.error_name
left join {{ source('staging', 'batch') }} as b on f.batch_id = b.batch_id
{%- endmacro %}


{#- Expression: a count and what is counted, in the plural unless it is one.

    {{ counted('r.row_count', 'row') }}  ->  1 row | 2 rows
    {{ counted('r.study_count', 'study') }}  ->  1 study | 2 studies -#}
{% macro counted(count, noun) -%}
{%- set plural = noun[:-1] ~ 'ies' if noun.endswith('y') else noun ~ 's' -%}
concat({{ count }}, case when {{ count }} = 1 then ' {{ noun }}' else ' {{ plural }}' end)
{%- endmacro %}


{#- Post-hook of a table of findings: writes the first 100 per batch and code to the log. -#}
{% macro log_findings(relation) -%}
insert into {{ source('meta', 'meta_data_validation_log') }}
(run_id, batch_id, study_key, validation_code, severity, details, created_at)
select
    '{{ run_id() }}' as run_id,
    batch_id,
    null as study_key,
    validation_code,
    severity,
    {{
        json_object({
            'study_accession': 'study_accession_code', 'error_code': 'error_code', 'subject': 'subject',
            'finding': 'finding', 'finding_count': 'finding_count', 'found_in': "'" ~ relation.name ~ "'"
        })
    }} as details,
    {{ utc_now() }} as created_at
from {{ relation }}
where finding_number <= 100
{%- endmacro %}


{#- Post-hook of a table of findings: quarantines batches with an ERROR; the first error is the reason. -#}
{% macro quarantine_batches(relation) -%}
update {{ source('staging', 'batch') }}
set
    status = 'QUARANTINED',
    quarantine_reason = (
        select concat(min(f.error_code), ' ', min(f.validation_code), ': ', min(f.subject), ': ', min(f.finding))
        from {{ relation }} as f
        where
            f.batch_id = {{ source('staging', 'batch') }}.batch_id
            and f.severity = 'ERROR'
            and f.finding_number = 1
            and f.error_code = (
                select min(e.error_code)
                from {{ relation }} as e
                where e.batch_id = f.batch_id and e.severity = 'ERROR'
            )
    )
where
    status in ('STAGED', 'VALIDATED')
    and batch_id in (select e.batch_id from {{ relation }} as e where e.severity = 'ERROR')
{%- endmacro %}


{#- Post-hook of a table of findings about the fact: of the other loaded batches, it has each value once. A batch
    that another run loaded meanwhile is left to that run. -#}
{% macro mark_facts_checked(relation) -%}
update {{ source('staging', 'batch') }}
set fact_checked_at = {{ utc_now() }}
where
    status = 'LOADED'
    and (fact_checked_at is null or fact_checked_at < loaded_at)
    and (loaded_run_id = '{{ run_id() }}' or loaded_at < {{ instant_literal(run_started_at) }})
    and {{ is_selected_study('study_accession_code') }}
    and batch_id not in (
        select f.batch_id
        from {{ relation }} as f
        where f.validation_code = 'LOAD_BATCH_DUPLICATE'
    )
{%- endmacro %}


{#- Post-hook of the findings about values, before log_findings, so that these findings are not older: the features of
    the studies of this run are in their tables, and their values are judged. -#}
{% macro mark_values_judged() -%}
update {{ source('staging', 'batch') }}
set
    values_judged_at = {{ utc_now() }},
    values_judged_by = s.judged_by
from {{ ref('int_feature_study') }} as s
where s.batch_id = {{ source('staging', 'batch') }}.batch_id
{%- endmacro %}


{#- Runs after the findings of the source rules: the remaining candidate batches violate no rule, so the
    fact may load them. -#}
{% macro mark_batches_validated() -%}
update {{ source('staging', 'batch') }}
set status = 'VALIDATED'
where status = 'STAGED' and batch_id in (select c.batch_id from {{ ref('int_candidate_batch') }} as c)
{%- endmacro %}

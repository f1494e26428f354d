-- A sample of logarithms has no value above 25. Others of intensities, TPM or counts have values above 1,000, or, of few
-- genes, greatest values whose logarithms are about those of the first.
with samples as (
    select
        c.batch_id,
        c.study_accession_code,
        r.sample_accession_code,
        max(r.expression_value) as value_max
    from {{ ref('int_candidate_batch') }} as c
    inner join {{ ref('stg_batch') }} as b on c.batch_id = b.batch_id
    inner join {{ source('staging', 'expression_rows') }} as r on c.batch_id = r.batch_id
    where b.value_max > 25 and b.is_whole_numbers = 0
    group by c.batch_id, c.study_accession_code, r.sample_accession_code
),

counted as (
    select
        batch_id,
        study_accession_code,
        count(*) as sample_count,
        sum(case when value_max <= 25 then 1 else 0 end) as small_count,
        min(case when value_max <= 25 then sample_accession_code end) as small_example,
        sum(case when value_max > 25 then 1 else 0 end) as large_count,
        min(case when value_max > 25 then sample_accession_code end) as large_example,
        max(case when value_max <= 25 then value_max end) as small_max,
        min(case when value_max > 25 then value_max end) as large_min,
        max(value_max) as value_max,
        avg(case when value_max <= 25 then value_max end) as small_mean,
        avg(case when value_max > 25 then {{ log2('value_max + 1') }} end) as large_log_mean
    from samples
    group by batch_id, study_accession_code
)

select
    'VALIDATION_SCALES_DIFFER' as validation_code,
    batch_id,
    study_accession_code,
    study_accession_code as subject,
    concat(
        small_count, ' of ', sample_count, ' samples have no value above 25, as ', small_example, '; ',
        large_count, ' have, as ', large_example, ', up to ', cast(floor(least(value_max, 9e18)) as bigint)
    ) as finding
from counted
where
    small_count > 0
    and large_count > 0
    and (value_max > 1000 or (large_min >= 4 * small_max and abs(small_mean - large_log_mean) < 2))

{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        pre_hook="{{ remove_stale_comparisons(['batch_id_1', 'batch_id_2']) }}",
        post_hook=["{{ mark_batches_compared() }}", "{{ empty_compared_values() }}"]
    )
}}

-- Coarser units of a gene, in which values that are printed with more digits are compared too.
with units as (
    select distinct
        gene_key,
        unit_exponent
    from {{ ref('int_compared_value') }}
),

rounded as (
    select
        v.study_key,
        v.sample_key,
        v.gene_key,
        v.is_new,
        u.unit_exponent,
        {{ in_units('v.value', 'u.unit_exponent') }} as unit_count
    from {{ ref('int_compared_value') }} as v
    inner join units as u on v.gene_key = u.gene_key and v.unit_exponent < u.unit_exponent
),

-- Equal values of two samples, at least one of which is new.
equal_values as (
    select
        a.study_key,
        a.sample_key,
        b.study_key as other_study_key,
        b.sample_key as other_sample_key
    from {{ ref('int_compared_value') }} as a
    inner join {{ ref('int_compared_value') }} as b
        on a.gene_key = b.gene_key and a.unit_exponent = b.unit_exponent and a.unit_count = b.unit_count
    where a.is_new = 1 and a.sample_key <> b.sample_key and (b.is_new = 0 or a.sample_key < b.sample_key)
    union all
    select
        a.study_key,
        a.sample_key,
        b.study_key as other_study_key,
        b.sample_key as other_sample_key
    from {{ ref('int_compared_value') }} as a
    inner join rounded as b
        on a.gene_key = b.gene_key and a.unit_exponent = b.unit_exponent and a.unit_count = b.unit_count
    where a.sample_key <> b.sample_key and (a.is_new = 1 or b.is_new = 1) and b.unit_count <> 0
),

-- Pairs of samples that are worth a closer look. Rounding separates a few values that are equal.
candidates as (
    select
        sample_key_1,
        study_key_1,
        sample_key_2,
        study_key_2
    from (
        select
            case when sample_key < other_sample_key then sample_key else other_sample_key end as sample_key_1,
            case when sample_key < other_sample_key then study_key else other_study_key end as study_key_1,
            case when sample_key < other_sample_key then other_sample_key else sample_key end as sample_key_2,
            case when sample_key < other_sample_key then other_study_key else study_key end as study_key_2
        from equal_values
    ) as ordered
    group by sample_key_1, study_key_1, sample_key_2, study_key_2
    having count(*) >= 15
),

-- The chance that two samples of a study have the same value of a gene.
value_counts as (
    select
        study_key,
        gene_key,
        cast(count(*) as bigint) as sample_count
    from {{ ref('int_compared_value') }}
    group by study_key, gene_key, unit_exponent, unit_count
),

chances as (
    select
        study_key,
        gene_key,
        (sum(sample_count * (sample_count - 1)) / 2e0 + 1) / (sum(sample_count) * (sum(sample_count) - 1) / 2e0 + 2) as chance
    from value_counts
    group by study_key, gene_key
),

compared as (
    select
        c.sample_key_1,
        c.study_key_1,
        c.sample_key_2,
        c.study_key_2,
        a.value,
        -- Equal to half a unit of the coarser value; the last factor allows for floating point.
        case
            when
                abs(a.value - b.value) <= 0.5000005e0 * power(
                    10e0, case when a.unit_exponent > b.unit_exponent then a.unit_exponent else b.unit_exponent end
                )
                then 1
            else 0
        end as is_equal,
        -{{ log2('case when x.chance > y.chance then x.chance else y.chance end') }} as bits
    from candidates as c
    inner join {{ ref('int_compared_value') }} as a on c.study_key_1 = a.study_key and c.sample_key_1 = a.sample_key
    inner join {{ ref('int_compared_value') }} as b
        on c.study_key_2 = b.study_key and c.sample_key_2 = b.sample_key and a.gene_key = b.gene_key
    inner join chances as x on a.study_key = x.study_key and a.gene_key = x.gene_key
    inner join chances as y on b.study_key = y.study_key and b.gene_key = y.gene_key
),

judged as (
    select
        sample_key_1,
        study_key_1,
        sample_key_2,
        study_key_2,
        count(*) as compared_gene_count,
        sum(is_equal) as equal_gene_count,
        sum(is_equal * bits) as evidence_bits,
        count(distinct case when is_equal = 1 then value end) as value_count
    from compared
    group by sample_key_1, study_key_1, sample_key_2, study_key_2
)

select
    j.sample_key_1,
    j.study_key_1,
    cast(l1.batch_id as {{ type_code(64) }}) as batch_id_1,
    j.sample_key_2,
    j.study_key_2,
    cast(l2.batch_id as {{ type_code(64) }}) as batch_id_2,
    cast(j.compared_gene_count as integer) as compared_gene_count,
    cast(j.equal_gene_count as integer) as equal_gene_count,
    cast(j.evidence_bits as float(53)) as evidence_bits,
    {{ utc_now() }} as etl_created_date
from judged as j
inner join {{ ref('dim_study') }} as s1 on j.study_key_1 = s1.study_key
inner join {{ ref('stg_loaded_batch') }} as l1 on s1.study_accession_code = l1.study_accession_code
inner join {{ ref('dim_study') }} as s2 on j.study_key_2 = s2.study_key
inner join {{ ref('stg_loaded_batch') }} as l2 on s2.study_accession_code = l2.study_accession_code
where
    j.compared_gene_count >= 20
    and j.equal_gene_count >= 0.9e0 * j.compared_gene_count
    and j.evidence_bits >= 60
    and j.value_count > 1
    {%- if is_incremental() %}
    -- Another build may have found the pair at the same time.
    and not exists (
        select 1
        from {{ this }} as e
        where
            e.sample_key_1 = j.sample_key_1
            and e.study_key_1 = j.study_key_1
            and e.sample_key_2 = j.sample_key_2
            and e.study_key_2 = j.study_key_2
    )
    {%- endif %}

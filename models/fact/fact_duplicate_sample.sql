{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        pre_hook="{{ in_later_builds(remove_stale_comparisons(this, ['batch_id_1', 'batch_id_2']), is_alone=true) }}",
        post_hook=["{{ mark_batches_compared() }}", "{{ empty_compared_values() }}"]
    )
}}

{%- set is_compared = '(a.is_chosen = 1 or b.is_chosen = 1)' %}

-- Two studies are compared by the genes that either chose, whichever others are compared in this run. Coarser units of
-- a gene, in which values that are printed with more digits are compared too.
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
        v.is_chosen,
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
    where
        {{ is_compared }}
        and a.is_new = 1
        and a.sample_key <> b.sample_key
        and (b.is_new = 0 or a.sample_key < b.sample_key)
    union all
    select
        a.study_key,
        a.sample_key,
        b.study_key as other_study_key,
        b.sample_key as other_sample_key
    from {{ ref('int_compared_value') }} as a
    inner join rounded as b
        on a.gene_key = b.gene_key and a.unit_exponent = b.unit_exponent and a.unit_count = b.unit_count
    where {{ is_compared }} and a.sample_key <> b.sample_key and (a.is_new = 1 or b.is_new = 1) and b.unit_count <> 0
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

-- How many pairs of samples of two studies have the same value of a gene.
study_pairs as (
    select distinct
        study_key_1,
        study_key_2
    from candidates
),

-- Most studies have no sample worth a look, and need not be counted.
candidate_studies as (
    select study_key_1 as study_key
    from study_pairs
    union
    select study_key_2 as study_key
    from study_pairs
),

value_counts as (
    select
        v.study_key,
        v.gene_key,
        v.unit_exponent,
        v.unit_count,
        v.is_chosen,
        1 as is_printed,
        count(*) as sample_count
    from {{ ref('int_compared_value') }} as v
    inner join candidate_studies as s on v.study_key = s.study_key
    group by v.study_key, v.gene_key, v.unit_exponent, v.unit_count, v.is_chosen
    union all
    select
        v.study_key,
        v.gene_key,
        v.unit_exponent,
        v.unit_count,
        v.is_chosen,
        0 as is_printed,
        count(*) as sample_count
    from rounded as v
    inner join candidate_studies as s on v.study_key = s.study_key
    group by v.study_key, v.gene_key, v.unit_exponent, v.unit_count, v.is_chosen
),

equal_counts as (
    select
        p.study_key_1,
        p.study_key_2,
        a.gene_key,
        sum(1e0 * a.sample_count * b.sample_count) as equal_count
    from study_pairs as p
    inner join value_counts as a on p.study_key_1 = a.study_key
    inner join value_counts as b
        on
            p.study_key_2 = b.study_key
            and a.gene_key = b.gene_key
            and a.unit_exponent = b.unit_exponent
            and a.unit_count = b.unit_count
    where {{ is_compared }} and (a.is_printed = 1 or b.is_printed = 1)
    group by p.study_key_1, p.study_key_2, a.gene_key
),

gene_counts as (
    select
        v.study_key,
        v.gene_key,
        v.is_chosen,
        1e0 * count(*) as sample_count
    from {{ ref('int_compared_value') }} as v
    inner join candidate_studies as s on v.study_key = s.study_key
    group by v.study_key, v.gene_key, v.is_chosen
),

-- Within a study, equal_count pairs each sample with itself too, and has each pair twice.
gene_pairs as (
    select
        p.study_key_1,
        p.study_key_2,
        a.gene_key,
        case
            when p.study_key_1 = p.study_key_2 then (coalesce(e.equal_count, 0e0) - a.sample_count) / 2
            else coalesce(e.equal_count, 0e0)
        end as equal_count,
        case
            when p.study_key_1 = p.study_key_2 then a.sample_count * (a.sample_count - 1) / 2
            else a.sample_count * b.sample_count
        end as pair_count
    from study_pairs as p
    inner join gene_counts as a on p.study_key_1 = a.study_key
    inner join gene_counts as b on p.study_key_2 = b.study_key and a.gene_key = b.gene_key
    left join equal_counts as e
        on p.study_key_1 = e.study_key_1 and p.study_key_2 = e.study_key_2 and a.gene_key = e.gene_key
    where {{ is_compared }}
),

-- Values count as equal if they differ by at most half a unit of the coarser one; 0.5000005 allows for rounding error.
compared as (
    select
        c.sample_key_1,
        c.study_key_1,
        c.sample_key_2,
        c.study_key_2,
        a.gene_key,
        a.value,
        case
            when
                abs(a.value - b.value) <= 0.5000005e0 * power(
                    10e0, case when a.unit_exponent > b.unit_exponent then a.unit_exponent else b.unit_exponent end
                )
                then 1
            else 0
        end as is_equal
    from candidates as c
    inner join {{ ref('int_compared_value') }} as a on c.study_key_1 = a.study_key and c.sample_key_1 = a.sample_key
    inner join {{ ref('int_compared_value') }} as b
        on c.study_key_2 = b.study_key and c.sample_key_2 = b.sample_key and a.gene_key = b.gene_key
    where {{ is_compared }}
),

-- An equal value speaks for one sample by how rare it is in the other pairs of these studies; an unequal one, of
-- which one sample has 1 in 32 at most, speaks against it.
judged as (
    select
        c.sample_key_1,
        c.study_key_1,
        c.sample_key_2,
        c.study_key_2,
        count(*) as compared_gene_count,
        sum(c.is_equal) as equal_gene_count,
        sum(
            case
                when c.is_equal = 1
                    then {{ log2('(g.pair_count + 1) / case when g.equal_count > 1 then g.equal_count else 1 end') }}
                else -5e0
            end
        ) as evidence_bits,
        count(distinct case when c.is_equal = 1 then c.value end) as value_count
    from compared as c
    inner join gene_pairs as g
        on c.study_key_1 = g.study_key_1 and c.study_key_2 = g.study_key_2 and c.gene_key = g.gene_key
    group by c.sample_key_1, c.study_key_1, c.sample_key_2, c.study_key_2
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
    and j.evidence_bits >= 40
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

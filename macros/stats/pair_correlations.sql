{#- Spearman correlations of gene pairs within each study and cohort, over the samples that have both
    values. CTEs of a `with` chain; the last is <name>, one row per pair and study with r_<cohort> and
    n_<cohort> (null if a gene has no variance or no value in the cohort).

    name     prefix of the CTEs and name of the last
    pairs    columns study_key, pair_key, gene_a_key, gene_b_key; gene_a_key is the smaller key
    values   one row per value: study_key, cohort, gene_key, sample_key, value; missing values have no row
    cohorts  list of the cohorts

    values                                          pair_correlations('rho', 'pairs', 'values', ['sepsis'])
    study_key | cohort | gene_key | sample | value  study_key | pair_key | r_sepsis | n_sepsis
    1         | sepsis | 7        | 21     | 4.5    1         | 3        | -0.5     | 3
    …

    Spearman's r is Pearson's r of the average ranks (Spearman 1904; ties: Kendall 1948). A gene without
    missing values in the study is ranked once, and all its pairs use these ranks; a pair with a missing
    value is ranked over the samples it has. Centred ranks are multiples of 1/2, so their sums of
    products are exact in any order, and an r of 0 is exactly 0 on every engine. -#}
{% macro pair_correlations(name, pairs, values, cohorts) -%}
{{ name }}_sizes as (
    select
        study_key,
        cohort,
        count(distinct sample_key) as sample_count
    from {{ values }}
    group by study_key, cohort
),

-- Genes with a missing value in any of the study's cohorts.
{{ name }}_incomplete as (
    select distinct
        g.study_key,
        g.gene_key
    from (
        select distinct
            study_key,
            gene_key
        from {{ values }}
    ) as g
    inner join {{ name }}_sizes as s on g.study_key = s.study_key
    left join (
        select
            study_key,
            cohort,
            gene_key,
            count(*) as value_count
        from {{ values }}
        group by study_key, cohort, gene_key
    ) as c on g.study_key = c.study_key and g.gene_key = c.gene_key and s.cohort = c.cohort
    where coalesce(c.value_count, 0) < s.sample_count
),

{{ name }}_pairs as (
    select
        p.study_key,
        p.pair_key,
        p.gene_a_key,
        p.gene_b_key,
        case when a.gene_key is null and b.gene_key is null then 1 else 0 end as is_complete
    from {{ pairs }} as p
    left join {{ name }}_incomplete as a on p.study_key = a.study_key and p.gene_a_key = a.gene_key
    left join {{ name }}_incomplete as b on p.study_key = b.study_key and p.gene_b_key = b.gene_key
),

{{ name }}_ranks as (
    select
        v.study_key,
        v.cohort,
        v.gene_key,
        v.sample_key,
        {{ average_rank('v.value', ['v.study_key', 'v.cohort', 'v.gene_key']) }} as value_rank,
        count(*) over (partition by v.study_key, v.cohort, v.gene_key) as n
    from {{ values }} as v
    where not exists (
        select 1
        from {{ name }}_incomplete as i
        where i.study_key = v.study_key and i.gene_key = v.gene_key
    )
),

-- Centred ranks and their sum of squares; genes without variance are dropped.
{{ name }}_centred as (
    select
        r.study_key,
        r.cohort,
        r.gene_key,
        r.sample_key,
        r.n,
        r.u,
        r.uu
    from (
        select
            study_key,
            cohort,
            gene_key,
            sample_key,
            n,
            value_rank - (n + 1e0) / 2e0 as u,
            sum((value_rank - (n + 1e0) / 2e0) * (value_rank - (n + 1e0) / 2e0)) over (
                partition by study_key, cohort, gene_key
            ) as uu
        from {{ name }}_ranks
    ) as r
    where r.uu > 0e0
),

{{ correlate_complete_pairs(name, cohorts) }},

-- A CTE ahead of the join below: given all three relations at once, an engine might first join all
-- values with one another, without the pairs.
{{ name }}_first_values as {{ materialized() }}(
    select
        p.study_key,
        p.pair_key,
        p.gene_b_key,
        a.cohort,
        a.sample_key,
        a.value
    from {{ name }}_pairs as p
    inner join {{ values }} as a on p.study_key = a.study_key and p.gene_a_key = a.gene_key
    where p.is_complete = 0
),

{{ name }}_pair_ranks as (
    select
        a.study_key,
        a.pair_key,
        a.cohort,
        {{ average_rank('a.value', ['a.study_key', 'a.pair_key', 'a.cohort']) }} as rank_a,
        {{ average_rank('b.value', ['a.study_key', 'a.pair_key', 'a.cohort']) }} as rank_b,
        count(*) over (partition by a.study_key, a.pair_key, a.cohort) as n
    from {{ name }}_first_values as a
    inner join {{ values }} as b
        on
            a.study_key = b.study_key and a.gene_b_key = b.gene_key
            and a.cohort = b.cohort and a.sample_key = b.sample_key
),

{{ name }}_pair_cohorts as (
    select
        study_key,
        pair_key,
        cohort,
        max(n) as n,
        sum((rank_a - (n + 1e0) / 2e0) * (rank_b - (n + 1e0) / 2e0)) / nullif(
            sqrt(
                sum((rank_a - (n + 1e0) / 2e0) * (rank_a - (n + 1e0) / 2e0))
                * sum((rank_b - (n + 1e0) / 2e0) * (rank_b - (n + 1e0) / 2e0))
            ), 0e0
        ) as r
    from {{ name }}_pair_ranks
    group by study_key, pair_key, cohort
),

{{ name }} as (
    select *
    from {{ name }}_complete
    union all
    select
        study_key,
        pair_key
        {%- for cohort in cohorts %},
        max(case when cohort = '{{ cohort }}' then r end) as r_{{ cohort }},
        max(case when cohort = '{{ cohort }}' and r is not null then n end) as n_{{ cohort }}
        {%- endfor %}
    from {{ name }}_pair_cohorts
    group by study_key, pair_key
)
{%- endmacro %}


{#- Average rank of a value within its partition: the mean of the first and the last rank of its ties.
    A single window yields both, twice as fast as two windows. -#}
{% macro average_rank(value, partition_by) -%}
{%- set partition = partition_by | join(', ') -%}
(rank() over (partition by {{ partition }} order by {{ value }}) + count(*) over (
            partition by {{ partition }} order by {{ value }} range between unbounded preceding and current row
        )) / 2e0
{%- endmacro %}

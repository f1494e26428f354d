{#- Spearman correlations of gene pairs within each study and cohort, on the samples that have both
    values. CTEs of a `with` chain; the last is <name>, one row per pair, study and cohort with r and
    n. There is no row if a gene has no value or no variance in the cohort.

    name     prefix of the CTEs and name of the last
    pairs    columns <study>, pair_key, gene_a_key, gene_b_key; gene_a_key is the smaller key
    values   one row per value: <study>, illness_key, gene_key, sample_key, value; a missing value has
             no row
    study    list of the columns that identify a study

    values                                               {{ pair_correlations('rho', 'pairs', 'values', ['study_key']) }}
    study_key | illness_key | gene_key | sample_key | value  study_key | pair_key | illness_key | r    | n
    1         | 3           | 7        | 21         | 4.5    1         | 3        | 3           | -0.5 | 3
    …

    Spearman's r is Pearson's of the average ranks (Spearman 1904; ties: Kendall 1948). A gene without a
    missing value in the cohort is ranked once and its ranks serve all its pairs; a pair with a missing
    value is ranked on its own samples. Centred ranks are multiples of 1/2, so their sums of products
    are exact in any order: what is 0 is 0 on every engine. -#}
{% macro pair_correlations(name, pairs, values, study) -%}
{%- set cohort = study + ['illness_key'] -%}
{{ name }}_sizes as (
    select
        {{ group_columns(cohort, 'v') }},
        count(distinct v.sample_key) as sample_count
    from {{ values }} as v
    group by {{ group_columns(cohort, 'v') }}
),

-- gene_no replaces the columns of a cohort and its gene where all values are sorted.
{{ name }}_genes as {{ materialized() }}(
    select
        {{ group_columns(cohort, 'v') }},
        v.gene_key,
        row_number() over (order by {{ group_columns(cohort, 'v') }}, v.gene_key) as gene_no,
        max(s.sample_count) as n,
        case when count(*) = max(s.sample_count) then 1 else 0 end as is_complete
    from {{ values }} as v
    inner join {{ name }}_sizes as s on {{ same_group(cohort, 'v', 's') }}
    group by {{ group_columns(cohort, 'v') }}, v.gene_key
),

{{ name }}_centred as (
    select
        {{ group_columns(cohort, 'v') }},
        v.gene_key,
        v.sample_key,
        g.gene_no,
        g.n,
        {{ average_rank('v.value', 'g.gene_no', 'g.n') }} - (g.n + 1e0) / 2e0 as u
    from {{ values }} as v
    inner join {{ name }}_genes as g on {{ same_group(cohort + ['gene_key'], 'v', 'g') }} and g.is_complete = 1
),

{{ correlate_complete_pairs(name, pairs, study) }},

-- Only here: within the joins of the pairs, an engine would choose another order for them.
{{ name }}_complete as (
    select *
    from {{ name }}_products
    where r is not null
),

-- Computed before the join below: of all orders of three joins, an engine could choose one that joins
-- all values with one another.
{{ name }}_first_values as {{ materialized() }}(
    select
        {{ group_columns(study, 'p') }},
        p.pair_key,
        p.gene_b_key,
        v.illness_key,
        v.sample_key,
        v.value
    from {{ pairs }} as p
    inner join {{ name }}_genes as a on {{ same_group(study, 'p', 'a') }} and p.gene_a_key = a.gene_key
    inner join {{ name }}_genes as b on {{ same_group(cohort, 'a', 'b') }} and p.gene_b_key = b.gene_key
    inner join {{ values }} as v on {{ same_group(cohort + ['gene_key'], 'a', 'v') }}
    where a.is_complete = 0 or b.is_complete = 0
),

{{ name }}_pair_values as (
    select
        {{ group_columns(cohort, 'a') }},
        a.pair_key,
        a.value as value_a,
        b.value as value_b
    from {{ name }}_first_values as a
    inner join {{ values }} as b
        on {{ same_group(cohort, 'a', 'b') }} and a.gene_b_key = b.gene_key and a.sample_key = b.sample_key
),

{{ correlate_pair_values(name ~ '_incomplete', name ~ '_pair_values', cohort + ['pair_key']) }},

{{ name }} as (
    select
        {{ group_columns(cohort, 'c') }},
        c.pair_key,
        c.n,
        c.r
    from {{ name }}_complete as c
    union all
    select
        {{ group_columns(cohort, 'i') }},
        i.pair_key,
        i.n,
        i.r
    from {{ name }}_incomplete as i
)
{%- endmacro %}


{#- Spearman correlations from rows that have both values of a pair. CTEs of a `with` chain; the last is
    <name>, one row per group with r and n; none if a gene has no variance in it.

    name      prefix of the CTEs and name of the last
    values    one row per sample: <group_by>, value_a, value_b
    group_by  list of the columns that identify a cohort, and a pair if there are several

    values                         {{ correlate_pair_values('rho', 'values', ['cohort_no']) }}
    cohort_no | value_a | value_b  cohort_no | n | r
    1         | 4.5     | 3.1      1         | 3 | -0.5
    … -#}
{% macro correlate_pair_values(name, values, group_by) -%}
{{ name }}_sized as (
    select
        {{ group_columns(group_by, 'v') }},
        v.value_a,
        v.value_b,
        count(*) over (partition by {{ group_columns(group_by, 'v') }}) as n
    from {{ values }} as v
),

{{ name }}_ranks as (
    select
        {{ group_columns(group_by, 'v') }},
        {{ average_rank('v.value_a', group_columns(group_by, 'v'), 'v.n') }} as rank_a,
        {{ average_rank('v.value_b', group_columns(group_by, 'v'), 'v.n') }} as rank_b,
        v.n
    from {{ name }}_sized as v
),

{{ name }} as (
    select s.*
    from (
        select
            {{ group_columns(group_by, 'p') }},
            max(p.n) as n,
            sum((p.rank_a - (p.n + 1e0) / 2e0) * (p.rank_b - (p.n + 1e0) / 2e0)) / nullif(
                sqrt(
                    sum((p.rank_a - (p.n + 1e0) / 2e0) * (p.rank_a - (p.n + 1e0) / 2e0))
                    * sum((p.rank_b - (p.n + 1e0) / 2e0) * (p.rank_b - (p.n + 1e0) / 2e0))
                ), 0e0
            ) as r
        from {{ name }}_ranks as p
        group by {{ group_columns(group_by, 'p') }}
    ) as s
    where s.r is not null
)
{%- endmacro %}


{#- Average rank of a value within its partition of n rows: the mean of the first and the last rank that
    its ties share. cume_dist is the last divided by n; a running count takes a fifth longer. -#}
{% macro average_rank(value, partition, n) -%}
(
            rank() over (partition by {{ partition }} order by {{ value }})
            + round(cume_dist() over (partition by {{ partition }} order by {{ value }}) * {{ n }}, 0)
        ) / 2e0
{%- endmacro %}

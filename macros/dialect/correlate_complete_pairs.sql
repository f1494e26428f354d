{#- The most expensive step of pair_correlations: for each complete pair, study and cohort, the inner
    product of the two genes' centred ranks. A CTE <name>_complete, made from <name>_pairs and
    <name>_centred.

    T-SQL joins on the sample and sums. DuckDB keeps each gene's ranks as a list, which is five times
    faster. -#}
{% macro correlate_complete_pairs(name, cohorts) %}{{ return(adapter.dispatch('correlate_complete_pairs', 'expression_warehouse')(name, cohorts)) }}{% endmacro %}

{% macro default__correlate_complete_pairs(name, cohorts) -%}
{{ name }}_complete as (
    select
        p.study_key,
        p.pair_key
        {%- for cohort in cohorts %},
        sum(case when a.cohort = '{{ cohort }}' then a.u * b.u end) / sqrt(max(case when a.cohort = '{{ cohort }}' then a.uu * b.uu end)) as r_{{ cohort }},
        max(case when a.cohort = '{{ cohort }}' then a.n end) as n_{{ cohort }}
        {%- endfor %}
    from {{ name }}_pairs as p
    inner join {{ name }}_centred as a on p.study_key = a.study_key and p.gene_a_key = a.gene_key
    inner join {{ name }}_centred as b
        on
            p.study_key = b.study_key and p.gene_b_key = b.gene_key
            and a.cohort = b.cohort and a.sample_key = b.sample_key
    where p.is_complete = 1
    group by p.study_key, p.pair_key
)
{%- endmacro %}

{% macro duckdb__correlate_complete_pairs(name, cohorts) -%}
{{ name }}_vectors as materialized (
    select
        study_key,
        gene_key
        {%- for cohort in cohorts %},
        list(u order by sample_key) filter (where cohort = '{{ cohort }}') as u_{{ cohort }},
        max(uu) filter (where cohort = '{{ cohort }}') as uu_{{ cohort }},
        max(n) filter (where cohort = '{{ cohort }}') as n_{{ cohort }}
        {%- endfor %}
    from {{ name }}_centred
    group by study_key, gene_key
),

-- If a quarter or more of a study's possible pairs are requested, compute all of them and then
-- select: rows with lists stream through one join of small tables. If the pairs were part of that
-- join, the engine might build a hash table of all pairs' lists. If only a small share is requested,
-- as after a screen, join the lists to the requested pairs: all pairs would be hundreds of times as many.
{{ name }}_dense as materialized (
    select p.study_key
    from {{ name }}_pairs as p
    inner join (
        select
            study_key,
            count(*) as gene_count
        from {{ name }}_vectors
        group by study_key
    ) as g on p.study_key = g.study_key
    group by p.study_key, g.gene_count
    having 8 * count(*) >= g.gene_count * (g.gene_count - 1)
),

{{ name }}_dense_vectors as materialized (
    select v.*
    from {{ name }}_vectors as v
    where v.study_key in (select d.study_key from {{ name }}_dense as d)
),

{{ name }}_products as materialized (
    select
        a.study_key,
        a.gene_key as gene_a_key,
        b.gene_key as gene_b_key
        {{- duckdb__products_of_ranks(cohorts) }}
    from {{ name }}_dense_vectors as a
    inner join {{ name }}_dense_vectors as b on a.study_key = b.study_key and a.gene_key < b.gene_key
),

{{ name }}_complete as (
    select
        p.study_key,
        p.pair_key
        {%- for cohort in cohorts %},
        c.r_{{ cohort }},
        c.n_{{ cohort }}
        {%- endfor %}
    from {{ name }}_pairs as p
    inner join {{ name }}_products as c
        on p.study_key = c.study_key and p.gene_a_key = c.gene_a_key and p.gene_b_key = c.gene_b_key
    where p.is_complete = 1
    union all
    select
        p.study_key,
        p.pair_key
        {{- duckdb__products_of_ranks(cohorts) }}
    from {{ name }}_pairs as p
    inner join {{ name }}_vectors as a on p.study_key = a.study_key and p.gene_a_key = a.gene_key
    inner join {{ name }}_vectors as b on p.study_key = b.study_key and p.gene_b_key = b.gene_key
    where p.is_complete = 1 and p.study_key not in (select d.study_key from {{ name }}_dense as d)
)
{%- endmacro %}

{#- Columns r and n of genes a and b, computed from their lists of ranks. -#}
{% macro duckdb__products_of_ranks(cohorts) -%}
{%- for cohort in cohorts %},
list_inner_product(a.u_{{ cohort }}, b.u_{{ cohort }}) / sqrt(a.uu_{{ cohort }} * b.uu_{{ cohort }}) as r_{{ cohort }},
case when a.n_{{ cohort }} = b.n_{{ cohort }} then a.n_{{ cohort }} end as n_{{ cohort }}
{%- endfor %}
{%- endmacro %}

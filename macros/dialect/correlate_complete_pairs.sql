{#- The step of pair_correlations that does nearly all of the work: the inner product of centred ranks of
    each pair of complete genes, per study and cohort. A CTE <name>_products from <name>_centred,
    <name>_genes and the pairs, with n, and r, which is null if a gene has no variance in the cohort.

    T-SQL: a join on the sample and a sum. DuckDB: the ranks of a gene in a cohort as a list, found by
    the number of both, which is six times faster. -#}
{% macro correlate_complete_pairs(name, pairs, study) %}{{ return(adapter.dispatch('correlate_complete_pairs', 'expression_warehouse')(name, pairs, study)) }}{% endmacro %}

{% macro default__correlate_complete_pairs(name, pairs, study) -%}
{%- set cohort = study + ['illness_key'] -%}
{{ name }}_products as (
    select
        {{ group_columns(cohort, 'a') }},
        p.pair_key,
        max(a.n) as n,
        sum(a.u * b.u) / nullif(sqrt(sum(a.u * a.u) * sum(b.u * b.u)), 0e0) as r
    from {{ pairs }} as p
    inner join {{ name }}_centred as a on {{ same_group(study, 'p', 'a') }} and p.gene_a_key = a.gene_key
    inner join {{ name }}_centred as b
        on {{ same_group(cohort, 'a', 'b') }} and p.gene_b_key = b.gene_key and a.sample_key = b.sample_key
    group by {{ group_columns(cohort, 'a') }}, p.pair_key
)
{%- endmacro %}

{% macro duckdb__correlate_complete_pairs(name, pairs, study) -%}
{%- set cohort = study + ['illness_key'] -%}
-- Without variance there is no r. The condition is needed even so: with it the engine expects few
-- lists, and so keeps these in memory and not one per pair. min_by gives all n ranks in the order of
-- the samples, in two thirds of the time of an ordered list.
{{ name }}_vectors as materialized (
    select
        c.gene_no,
        min_by(c.u, c.sample_key, c.n) as u,
        sum(c.u * c.u) as uu
    from {{ name }}_centred as c
    group by c.gene_no
    having sum(c.u * c.u) > 0e0
),

{{ name }}_numbered_pairs as materialized (
    select
        {{ group_columns(cohort, 'a') }},
        p.pair_key,
        a.n,
        a.gene_no as gene_a_no,
        b.gene_no as gene_b_no
    from {{ pairs }} as p
    inner join {{ name }}_genes as a on {{ same_group(study, 'p', 'a') }} and p.gene_a_key = a.gene_key
    inner join {{ name }}_genes as b on {{ same_group(cohort, 'a', 'b') }} and p.gene_b_key = b.gene_key
),

-- Outer joins keep the order of the joins: the pairs stream past two small tables. The engine would
-- otherwise join the lists with one another first, and build a hash table of all pairs' lists.
{{ name }}_products as materialized (
    select
        {{ group_columns(cohort, 'p') }},
        p.pair_key,
        p.n,
        list_inner_product(a.u, b.u) / sqrt(a.uu * b.uu) as r
    from {{ name }}_numbered_pairs as p
    left join {{ name }}_vectors as a on p.gene_a_no = a.gene_no
    left join {{ name }}_vectors as b on p.gene_b_no = b.gene_no
)
{%- endmacro %}

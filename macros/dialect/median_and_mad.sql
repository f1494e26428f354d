{#- Median per study and gene, and the median of the absolute deviations from it (MAD, not scaled). A
    select; returns study_key, gene_key, middle, mad. Values must not be null.

    relation   columns study_key, gene_key, expression_value

    values                           {{ median_and_mad('values') }}
    study_key | gene_key | value     study_key | gene_key | middle | mad
    1         | 7        | 1         1         | 7        | 2.5    | 1
    1         | 7        | 2
    1         | 7        | 3
    1         | 7        | 4

    T-SQL numbers the rows, twice. DuckDB has aggregates. -#}
{% macro median_and_mad(relation) %}{{ return(adapter.dispatch('median_and_mad', 'expression_warehouse')(relation)) }}{% endmacro %}

{% macro default__median_and_mad(relation) -%}
select
    study_key,
    gene_key,
    max(middle) as middle,
    {{ quantile_of_places('deviation', 0.5) }} as mad
from (
    select
        d.study_key,
        d.gene_key,
        d.middle,
        d.deviation,
        row_number() over (partition by d.study_key, d.gene_key order by d.deviation) as row_no,
        count(*) over (partition by d.study_key, d.gene_key) as value_count
    from (
        select
            v.study_key,
            v.gene_key,
            m.middle,
            abs(v.expression_value - m.middle) as deviation
        from {{ relation }} as v
        inner join (
            select
                study_key,
                gene_key,
                {{ quantile_of_places('expression_value', 0.5) }} as middle
            from (
                {{ places(relation, 'expression_value') }}
            ) as placed
            group by study_key, gene_key
        ) as m on v.study_key = m.study_key and v.gene_key = m.gene_key
    ) as d
) as placed_deviations
group by study_key, gene_key
{%- endmacro %}

{% macro duckdb__median_and_mad(relation) -%}
select
    study_key,
    gene_key,
    median(expression_value) as middle,
    mad(expression_value) as mad
from {{ relation }}
group by study_key, gene_key
{%- endmacro %}

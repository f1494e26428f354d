{#- Median of expression_value per group. A select; returns the group's columns and middle. Values must
    not be null.

    relation  columns of the group, expression_value
    group_by  their names

    values                    {{ median('values', ['sample_key']) }}
    sample_key | value        sample_key | middle
    7          | 1            7          | 2.5
    7          | 2
    7          | 3
    7          | 4

    T-SQL numbers the rows; the median is the mean of the one row (n odd) or two rows (n even) whose
    `row_no` has n <= 2 * row_no <= n + 2. DuckDB has an aggregate. -#}
{% macro median(relation, group_by) %}{{ return(adapter.dispatch('median', 'expression_warehouse')(relation, group_by)) }}{% endmacro %}

{% macro default__median(relation, group_by) -%}
select
    {{ group_columns(group_by, 'p') }},
    avg(case when 2 * p.row_no between p.value_count and p.value_count + 2 then p.expression_value end) as middle
from (
    select
        {{ group_columns(group_by, 'v') }},
        v.expression_value,
        row_number() over (partition by {{ group_columns(group_by, 'v') }} order by v.expression_value) as row_no,
        count(*) over (partition by {{ group_columns(group_by, 'v') }}) as value_count
    from {{ relation }} as v
) as p
group by {{ group_columns(group_by, 'p') }}
{%- endmacro %}

{% macro duckdb__median(relation, group_by) -%}
select
    {{ group_columns(group_by, 'v') }},
    median(v.expression_value) as middle
from {{ relation }} as v
group by {{ group_columns(group_by, 'v') }}
{%- endmacro %}

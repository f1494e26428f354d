{#- Median of expression_value in each group. A select; the group's columns, middle. Values are not
    null.

    relation  columns of the group, expression_value
    group_by  their names

    values                    {{ median('values', ['sample_key']) }}
    sample_key | value        sample_key | middle
    7          | 1            7          | 2.5
    7          | 2
    7          | 3
    7          | 4

    T-SQL: numbered rows; the median is the mean of the one (n odd) or two (n even) whose place,
    counted from 1, has n <= 2 * place <= n + 2. DuckDB: its aggregate. -#}
{% macro median(relation, group_by) %}{{ return(adapter.dispatch('median', 'expression_warehouse')(relation, group_by)) }}{% endmacro %}

{% macro default__median(relation, group_by) -%}
select
    {{ group_columns(group_by, 'p') }},
    avg(case when 2 * p.place between p.value_count and p.value_count + 2 then p.expression_value end) as middle
from (
    select
        {{ group_columns(group_by, 'v') }},
        v.expression_value,
        row_number() over (partition by {{ group_columns(group_by, 'v') }} order by v.expression_value) as place,
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

{#- Aggregate: the quantile at probability p of values that are numbered in ascending order, by linear interpolation
    (type 7 of Hyndman & Fan 1996). Its position is h = 1 + (n - 1) p; if h lies between two rows, each row's value is
    weighted by its closeness to h.

    columns  the value; row_no, from 1; value_count, the number of rows n

    value | row_no | value_count      {{ quantile_of_places('value', 0.75) }}
    1     | 1      | 3                2.5
    2     | 2      | 3
    3     | 3      | 3 -#}
{% macro quantile_of_places(value, p) -%}
sum({{ value }} * case
    when abs(1e0 + (value_count - 1e0) * {{ p }} - row_no) < 1e0
        then 1e0 - abs(1e0 + (value_count - 1e0) * {{ p }} - row_no)
    else 0e0
end)
{%- endmacro %}


{#- A select of the values of each study and gene with their row_no and value_count. -#}
{% macro places(relation, value) -%}
select
    study_key,
    gene_key,
    {{ value }},
    row_number() over (partition by study_key, gene_key order by {{ value }}) as row_no,
    count(*) over (partition by study_key, gene_key) as value_count
from {{ relation }}
{%- endmacro %}

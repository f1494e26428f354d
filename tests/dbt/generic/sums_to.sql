{#- Checks that a numeric column has the given sum; returns the actual sum if it differs.

    - sums_to:
        arguments: {total: 100} -#}
{% test sums_to(model, column_name, total) %}
select sum({{ column_name }}) as total
from {{ model }}
having abs(sum({{ column_name }}) - {{ total }}) > 0.000001
{% endtest %}

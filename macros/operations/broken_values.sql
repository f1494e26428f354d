{#- The values of a column that break one rule, each once. The generic test `columns_are_valid` counts them.

    {{ duplicated_values(ref('dim_gene'), 'gene_id') }}
    ->  select gene_id from dim.dim_gene where gene_id is not null group by gene_id having count(*) > 1 -#}
{% macro duplicated_values(relation, column) -%}
select {{ column }} from {{ relation }} where {{ column }} is not null group by {{ column }} having count(*) > 1
{%- endmacro %}


{% macro values_not_accepted(relation, column, values) -%}
{%- set literals = [] -%}
{%- for value in values -%}
{%- do literals.append(value if value is number else "'" ~ value ~ "'") -%}
{%- endfor -%}
select distinct {{ column }} from {{ relation }} where {{ column }} not in ({{ literals | join(', ') }})
{%- endmacro %}


{% macro values_without_parent(relation, column, parent, field) -%}
select distinct c.{{ column }}
from {{ relation }} as c
left join {{ parent }} as p on c.{{ column }} = p.{{ field }}
where c.{{ column }} is not null and p.{{ field }} is null
{%- endmacro %}

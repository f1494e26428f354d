{#- Rules on single columns of a relation, in one test. Returns one row per column and rule that is
    broken: `example_value` is the least value that breaks it, `broken_count` the number of rows (not_null)
    or of different values (the other rules). The end of a run prints these rows and writes them to
    meta_data_validation_log (macros/operations/log_run.sql).

    not_null         columns in which each row has a value
    unique           columns whose values are different from each other
    accepted_values  column: the values that it can have; numbers are compared as numbers
    relationships    column: {to, field}, the relation and column that has each of its values

    - columns_are_valid:
        name: dim_sample_columns_are_valid
        arguments:
          not_null: [sample_key, study_key]
          unique: [sample_key]
          accepted_values:
            illness_source: [title, none]
          relationships:
            study_key: {to: ref('dim_study'), field: study_key}
    ->  column_name | rule_name     | example_value | broken_count
        study_key   | relationships | 17            | 2

    All rules but not_null take no notice of nulls. -#}
{% test columns_are_valid(model, not_null=[], unique=[], accepted_values={}, relationships={}) %}
{%- set found = [] %}
{%- for column in unique %}
{%- do found.append((column, 'unique', duplicated_values(model, column))) %}
{%- endfor %}
{%- for column, values in accepted_values.items() %}
{%- do found.append((column, 'accepted_values', values_not_accepted(model, column, values))) %}
{%- endfor %}
{%- for column, parent in relationships.items() %}
{%- do found.append((column, 'relationships', values_without_parent(model, column, parent.to, parent.field))) %}
{%- endfor %}
{%- for column, rule, values in found %}
select
    '{{ column }}' as column_name,
    '{{ rule }}' as rule_name,
    min(cast({{ column }} as {{ type_text(300) }})) as example_value,
    count(*) as broken_count
from (
    {{ values | indent(4) }}
) as broken
having count(*) > 0
{{- '\nunion all' if not_null or not loop.last }}
{%- endfor %}
{%- if not_null %}
select
    u.column_name,
    'not_null' as rule_name,
    cast(null as {{ type_text(300) }}) as example_value,
    u.broken_count
from (
    select
        {%- for column in not_null %}
        sum(case when {{ column }} is null then 1 else 0 end) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
) as counted
unpivot (broken_count for column_name in ({{ not_null | join(', ') }})) as u
where u.broken_count > 0
{%- endif %}
{% endtest %}

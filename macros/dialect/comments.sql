{#- DuckDB only: the descriptions of a model and its columns as comments, in one statement per relation. The
    adapter's own asks for the columns twice and renders a template per column, which takes a tenth of a
    small build. Only a table of an earlier build can lack a column that its yml describes. -#}
{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) %}
    {%- set statements = [] -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do statements.append('comment on ' ~ relation.type ~ ' ' ~ relation ~ ' is ' ~ text_literal(model.description)) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() -%}
        {%- set existing = model.columns -%}
        {%- if config.get('materialized') == 'incremental' -%}
            {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
        {%- endif -%}
        {%- for column in model.columns.values() if column.description and column.name in existing -%}
            {%- do statements.append('comment on column ' ~ relation ~ '.' ~ column.name ~ ' is ' ~ text_literal(column.description)) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if statements -%}
        {%- call statement('comments') -%}{{ statements | join(';\n') }}{%- endcall -%}
    {%- endif -%}
{% endmacro %}

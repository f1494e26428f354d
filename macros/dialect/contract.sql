{#- Contracts: the columns of a public model, their types and the constraints on them, as the `.yml`
    beside it declares them in T-SQL's words (`contract: {enforced: true}` in dbt_project.yml). dbt holds
    the model's SQL against them before it builds, and makes the table from them.

    SQL Server enforces all constraints. DuckDB enforces all but foreign keys: there they would
    stop every update of the row that is referred to
    (duckdb.org/docs/stable/sql/constraints#foreign-keys), so the `relationships` tests stand
    alone. DuckDB does not keep names of constraints. Fabric Warehouse has no contract: its types
    are others, and it enforces no constraint but NOT NULL.

    A table gets its constraints when it is made, and these tables are never rebuilt. Of what a `.yml`
    says later, a build brings a new column, without NOT NULL, and on SQL Server a named constraint, after
    its rows are committed; all else takes an `alter table`. -#}

{#- DuckDB's name of a T-SQL type that it has under another one, or takes for something else.

    bit | datetime2(6) | nvarchar(max)  ->  boolean | timestamp | varchar -#}
{% macro duckdb_type(tsql_type) %}
    {%- set names = {'bit': 'boolean', 'datetime2': 'timestamp', 'nvarchar': 'varchar'} -%}
    {%- set name = tsql_type.split('(')[0] -%}
    {{ return(names.get(name, tsql_type)) }}
{% endmacro %}


{#- Columns of a model as dbt has them, with DuckDB's types.

    {'is_active': {'name': 'is_active', 'data_type': 'bit', …}}
    ->  {'is_active': {'name': 'is_active', 'data_type': 'boolean', …}} -#}
{% macro columns_in_duckdb(columns) %}
    {%- set found = {} -%}
    {%- for name, column in columns.items() -%}
        {%- do found.update({name: dict(column, data_type=duckdb_type(column.data_type))}) -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}


{#- A select without rows whose columns have the types declared: dbt compares the model's with them.

    the columns of dim_disease  ->  select cast(null as int) as disease_key, … cast(null as boolean) as is_active, … -#}
{% macro duckdb__get_empty_schema_sql(columns) %}
    {{- return(default__get_empty_schema_sql(columns_in_duckdb(columns))) -}}
{% endmacro %}


{#- What stands between the parentheses of `create table`, and they.

    model dim_disease  ->  (disease_key int not null, …, constraint pk_dim_disease primary key (disease_key), …) -#}
{% macro duckdb__get_table_columns_and_constraints() %}
    {%- set columns = adapter.render_raw_columns_constraints(raw_columns=columns_in_duckdb(model['columns'])) -%}
    {%- set declared = [] -%}
    {%- for constraint in model['constraints'] if constraint.type != 'foreign_key' -%}
        {#- A key's expression says how SQL Server keeps its index. -#}
        {%- do declared.append(dict(constraint, expression=none) if constraint.columns else constraint) -%}
    {%- endfor -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=declared) -%}
    ({{ (columns + constraints) | join(', ') }})
{% endmacro %}


{#- Nothing, where the adapter would add them to a table without NOT NULL. -#}
{% macro fabric__build_model_constraints(relation) %}{% endmacro %}

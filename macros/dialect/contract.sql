{#- Contracts (`contract: {enforced: true}` in dbt_project.yml): a public model's `.yml` declares its
    columns, their T-SQL types and its constraints. dbt checks the model's SQL against this declaration
    before it builds, and creates the table from it.

    SQL Server enforces all constraints. DuckDB enforces all but two kinds, and keeps no constraint names:
    - Foreign keys would block every update of the referenced row
      (duckdb.org/docs/stable/sql/constraints#foreign-keys). The `relationships` tests check them.
    - Primary keys of the tables of pairs (config `meta.key_is_tested`): filling their indexes took a third of the
      insert time, and no query uses them. The tests assert_*_are_unique check them.
    Fabric Warehouse has no contracts here: its types differ, and it enforces no constraint but NOT NULL.

    Constraints are added when a table is created, and these tables are never rebuilt. If the `.yml`
    changes later, a build adds new columns (without NOT NULL) and, on SQL Server, new named constraints
    (after it has committed the rows). Any other change needs a manual `alter table`. -#}

{#- DuckDB's name for a T-SQL type that DuckDB does not know or reads as another type.

    bit | datetime2(6) | nvarchar(max)  ->  boolean | timestamp | varchar -#}
{% macro duckdb_type(tsql_type) %}
    {%- set names = {'bit': 'boolean', 'datetime2': 'timestamp', 'nvarchar': 'varchar'} -%}
    {%- set name = tsql_type.split('(')[0] -%}
    {{ return(names.get(name, tsql_type)) }}
{% endmacro %}


{#- A model's columns as dbt holds them, with DuckDB's types.

    {'is_active': {'name': 'is_active', 'data_type': 'bit', …}}
    ->  {'is_active': {'name': 'is_active', 'data_type': 'boolean', …}} -#}
{% macro columns_in_duckdb(columns) %}
    {%- set converted = {} -%}
    {%- for name, column in columns.items() -%}
        {%- do converted.update({name: dict(column, data_type=duckdb_type(column.data_type))}) -%}
    {%- endfor -%}
    {{ return(converted) }}
{% endmacro %}


{#- An empty select whose columns have the declared types. dbt compares the model's columns with it.

    the columns of dim_disease  ->  select cast(null as int) as disease_key, … cast(null as boolean) as is_active, … -#}
{% macro duckdb__get_empty_schema_sql(columns) %}
    {{- return(default__get_empty_schema_sql(columns_in_duckdb(columns))) -}}
{% endmacro %}


{#- The parenthesised column and constraint list of `create table`.

    model dim_disease  ->  (disease_key int not null, …, constraint pk_dim_disease primary key (disease_key), …) -#}
{% macro duckdb__get_table_columns_and_constraints() %}
    {%- set columns = adapter.render_raw_columns_constraints(raw_columns=columns_in_duckdb(model['columns'])) -%}
    {%- set declared = [] -%}
    {%- set left_out = ['foreign_key', 'primary_key'] if config.get('meta', {}).get('key_is_tested') else ['foreign_key'] -%}
    {%- for constraint in model['constraints'] if constraint.type not in left_out -%}
        {#- A key's expression (clustered, nonclustered) is for SQL Server only. -#}
        {%- do declared.append(dict(constraint, expression=none) if constraint.columns else constraint) -%}
    {%- endfor -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=declared) -%}
    ({{ (columns + constraints) | join(', ') }})
{% endmacro %}


{#- Empty: the adapter's own macro would add the constraints to a table without NOT NULL columns. -#}
{% macro fabric__build_model_constraints(relation) %}{% endmacro %}

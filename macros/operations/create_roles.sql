{#- Creates the warehouse's roles on SQL Server, and the schemas they are granted; existing ones stay. A
    database owner runs it once:

    dbt run-operation create_roles --target sqlserver
    ->  roles etl_reader, etl_loader and etl_admin exist; add users with: alter role etl_reader add member anna

    etl_reader  reads dim, fact, analytics and meta
    etl_loader  has what `python -m loader` and `dbt build` need: it creates and changes tables and views
                in the warehouse's schemas, but cannot create a schema
    etl_admin   controls the schemas, and adds members to the two other roles

    DuckDB has no roles (54050): whoever can read the file can read the warehouse. -#}
{% macro create_roles() %}
    {% for schema in warehouse_schemas() %}
        {% do run_query(create_schema_if_absent(schema_name(schema))) %}
    {% endfor %}
    {% do run_query(roles()) %}
    {% do log('roles etl_reader, etl_loader and etl_admin are there; add users with: alter role etl_reader add member anna', info=true) %}
{% endmacro %}


{% macro warehouse_schemas() %}{{ return(['staging', 'seeds', 'dim', 'fact', 'analytics', 'meta', 'validation']) }}{% endmacro %}

{#- Creates the warehouse's roles on SQL Server, and the schemas and tables that they are granted; existing ones
    stay. A database owner runs it once, and again after an upgrade:

    dbt run-operation create_roles --target sqlserver
    ->  roles etl_reader, etl_loader, etl_builder and etl_admin are there; add users with: alter role etl_reader add member anna

    etl_reader   reads dim, fact, analytics and meta, except the text of pipeline.yaml
    etl_loader   has what commands need that do not call dbt: it changes rows of staging, and adds to the logs
    etl_builder  has what `dbt build` and `loader run` need: it owns the schemas, but cannot create one
    etl_admin    controls the schemas, and adds members to the other roles

    DuckDB has no roles (54050): whoever can read the file can read the warehouse. -#}
{% macro create_roles() %}
    {% set statements = roles() %}
    {% for schema in warehouse_schemas() + ['loading'] %}
        {% do run_query(create_schema_if_absent(schema_name(schema))) %}
    {% endfor %}
    {% do run_query(create_staging()) %}
    {% do run_query(create_meta()) %}
    {% do run_query(statements) %}
    {% do run_query(process_log_guard()) %}
    {% do log('roles etl_reader, etl_loader, etl_builder and etl_admin are there; add users with: alter role etl_reader add member anna', info=true) %}
{% endmacro %}


{% macro warehouse_schemas() %}{{ return(['staging', 'seeds', 'dim', 'fact', 'analytics', 'meta', 'validation']) }}{% endmacro %}

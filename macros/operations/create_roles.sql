{#- Makes the roles of the warehouse on SQL Server, and the schemas that their grants are on; what is
    there stays. Once, by an owner of the database:

    dbt run-operation create_roles --target sqlserver
    ->  roles etl_reader, etl_loader and etl_admin are there; add users with: alter role etl_reader add member anna

    etl_reader  reads dim, fact, analytics and meta
    etl_loader  what `python -m loader` and `dbt build` need: it makes and changes tables and views in
                the warehouse's schemas, and makes no schema
    etl_admin   controls the schemas, and says who is in the two other roles

    DuckDB has no roles (54050): who can read the file reads the warehouse. -#}
{% macro create_roles() %}
    {% for schema in warehouse_schemas() %}
        {% do run_query(create_schema_if_absent(schema_name(schema))) %}
    {% endfor %}
    {% do run_query(roles()) %}
    {% do log('roles etl_reader, etl_loader and etl_admin are there; add users with: alter role etl_reader add member anna', info=true) %}
{% endmacro %}


{% macro warehouse_schemas() %}{{ return(['staging', 'seeds', 'dim', 'fact', 'analytics', 'meta', 'validation']) }}{% endmacro %}

{#- Statements that create the roles of operation create_roles and grant them their rights. Repeating
    a grant changes nothing.

    {{ roles() }}  ->  if not exists (…) create role etl_reader; … grant select on schema::dim to etl_reader; … -#}
{% macro roles() %}{{ return(adapter.dispatch('roles', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__roles() -%}
{%- for role in ['etl_reader', 'etl_loader', 'etl_admin'] %}
if not exists (select 1 from sys.database_principals where name = '{{ role }}') create role {{ role }};
{%- endfor %}
{%- for schema in ['dim', 'fact', 'analytics', 'meta'] %}
grant select on schema::{{ schema_name(schema) }} to etl_reader;
{%- endfor %}
{#- Creating a table needs two rights: one on the database and one on the schema. #}
grant create table to etl_loader;
grant create view to etl_loader;
{%- for schema in warehouse_schemas() %}
grant alter, select, insert, update, delete on schema::{{ schema_name(schema) }} to etl_loader;
{%- endfor %}
grant create schema to etl_admin;
grant create table to etl_admin;
grant create view to etl_admin;
{%- for schema in warehouse_schemas() %}
grant control on schema::{{ schema_name(schema) }} to etl_admin;
{%- endfor %}
{%- for role in ['etl_reader', 'etl_loader'] %}
grant alter on role::{{ role }} to etl_admin;
{%- endfor %}
{%- endmacro %}

{% macro duckdb__roles() %}
    {{ raise_error(54050, 'ROLES_UNSUPPORTED', 'DuckDB has no roles; protect the warehouse file with file-system permissions') }}
{% endmacro %}

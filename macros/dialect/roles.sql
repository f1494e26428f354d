{#- Statements that create the roles of operation create_roles and give them their rights. Repeating
    a grant changes nothing.

    The builders' role owns the schemas: a view of one schema can then read tables of another for a reader who
    may not. The loaders' heaps have a schema of another owner: a trigger that a loader puts on one of them
    has only the loader's rights.

    {{ roles() }}  ->  if not exists (…) create role etl_reader; … grant select on schema::dim to etl_reader; … -#}
{% macro roles() %}{{ return(adapter.dispatch('roles', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__roles() -%}
{%- set meta, analytics = schema_name('meta'), schema_name('analytics') -%}
{%- for role in ['etl_reader', 'etl_loader', 'etl_builder', 'etl_admin'] %}
if not exists (select 1 from sys.database_principals where name = '{{ role }}' and type = 'R') create role {{ role }};
{%- endfor %}
{#- A change of the owner takes back what was granted before. #}
{%- for schema in warehouse_schemas() %}
{{ own_schema(schema_name(schema), 'etl_builder') }}
{%- endfor %}
{{ own_schema(schema_name('loading'), 'etl_loader') }}
{%- for schema in ['dim', 'fact', 'analytics', 'meta'] %}
grant select on schema::{{ schema_name(schema) }} to etl_reader;
{%- endfor %}
{#- It has the text of pipeline.yaml. #}
deny select (context_json) on object::{{ meta }}.meta_etl_process_log to etl_reader;
{#- Creating a table needs two rights: one on the database and one on the schema. #}
grant create table to etl_loader;
{%- for schema in warehouse_schemas() %}
grant select on schema::{{ schema_name(schema) }} to etl_loader;
{%- endfor %}
grant insert, update, delete on schema::{{ schema_name('staging') }} to etl_loader;
{#- Only of steps that have not ended: process_log_guard. #}
grant insert, update, delete on object::{{ meta }}.meta_etl_process_log to etl_loader;
grant insert on object::{{ meta }}.meta_data_validation_log to etl_loader;
grant insert, update on object::{{ meta }}.meta_feature_run to etl_loader;
grant insert on object::{{ analytics }}.llm_reviews to etl_loader;
grant create table to etl_builder;
grant create view to etl_builder;
grant control on schema::{{ schema_name('loading') }} to etl_builder;
grant create schema to etl_admin;
grant create table to etl_admin;
grant create view to etl_admin;
{%- for schema in warehouse_schemas() + ['loading'] %}
grant control on schema::{{ schema_name(schema) }} to etl_admin;
{%- endfor %}
{%- for role in ['etl_reader', 'etl_loader', 'etl_builder'] %}
grant alter on role::{{ role }} to etl_admin;
{%- endfor %}
{%- endmacro %}

{% macro duckdb__roles() %}
    {{ raise_error(54050, 'ROLES_UNSUPPORTED', 'DuckDB has no roles; protect the warehouse file with file-system permissions') }}
{% endmacro %}


{#- Statement of roles(), SQL Server: makes a role the owner of a schema. -#}
{% macro own_schema(schema, role) -%}
if not exists (select 1 from sys.schemas where schema_id = schema_id('{{ schema }}') and principal_id = database_principal_id('{{ role }}')) alter authorization on schema::{{ schema }} to {{ role }};
{%- endmacro %}


{#- Statement, SQL Server, alone in its batch: lets nobody but builders and administrators change a step of the
    process log that has ended. A loader's step is written as RUNNING and replaced when it ends.

    {{ process_log_guard() }}  ->  create or alter trigger meta.keep_ended_steps on meta.meta_etl_process_log … -#}
{% macro process_log_guard() -%}
{%- set meta = schema_name('meta') -%}
create or alter trigger {{ meta }}.keep_ended_steps
on {{ meta }}.meta_etl_process_log
after update, delete
as
begin
    {#- The drivers would take its counts for those of the statement. #}
    set nocount on;
    if
        is_rolemember('etl_builder') = 0
        and is_rolemember('etl_admin') = 0
        and is_rolemember('db_owner') = 0
        and exists (select 1 from deleted as d where d.status <> 'RUNNING')
        throw 51223, 'A step of the process log that has ended cannot be changed', 1;
end
{%- endmacro %}

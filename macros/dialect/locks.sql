{#- Locks by name, for what is to be done by one at a time. DuckDB has one process at a time, and its
    dbt builds one model at a time on a connection: nothing to lock.

    Resources have the prefix of the schemas: a sandbox waits for nobody.

    {{ lock_until_commit('tables') }}
    ->  declare @granted int;
        exec @granted = sp_getapplock @Resource = 'expression_warehouse tables', @LockMode = 'Exclusive', …;
        if @granted < 0 throw 51222, 'Lock request time out: expression_warehouse tables', 1;
      | (nothing) -#}
{% macro lock_until_commit(name) %}{{ return(adapter.dispatch('lock_until_commit', 'expression_warehouse')(name)) }}{% endmacro %}

{#- Ten minutes are longer than any dimension takes. -#}
{% macro default__lock_until_commit(name) -%}
declare @granted int;
exec @granted = sp_getapplock
    @Resource = '{{ lock_resource(name) }}', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 600000;
if @granted < 0 throw 51222, 'Lock request time out: {{ lock_resource(name) }}', 1;
{%- endmacro %}

{% macro duckdb__lock_until_commit(name) %}{% endmacro %}


{#- The same without waiting: a row with 0 where it is got, else a number below 0. SQL Server only. -#}
{% macro try_lock_until_commit(name) %}{{ return(adapter.dispatch('try_lock_until_commit', 'expression_warehouse')(name)) }}{% endmacro %}

{% macro default__try_lock_until_commit(name) -%}
declare @granted int;
exec @granted = sp_getapplock
    @Resource = '{{ lock_resource(name) }}', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 0;
select @granted as granted;
{%- endmacro %}


{% macro lock_resource(name) %}{{ return('expression_warehouse ' ~ env_var('EXPRESSION_SCHEMA_PREFIX', '') ~ name) }}{% endmacro %}

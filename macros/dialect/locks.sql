{#- Locks by name, for what is to be done by one at a time. DuckDB has one process at a time: nothing
    to lock.

    Resources have the prefix of the schemas: a sandbox waits for nobody.

    {{ lock_until_commit('tables') }}
    ->  declare @granted int;
        select @granted = count(*) from sys.schemas …;
        exec @granted = sp_getapplock @Resource = 'expression_warehouse tables', @LockMode = 'Exclusive', …;
        if @granted < 0 throw 51222, 'Lock not granted: expression_warehouse tables', 1;
      | (nothing) -#}
{% macro lock_until_commit(name) %}{{ return(adapter.dispatch('lock_until_commit', 'expression_warehouse')(name)) }}{% endmacro %}

{#- Without a time-out: what is held by a process that dies is free at once. -#}
{% macro default__lock_until_commit(name) -%}
{{ lock_in_transaction(name, -1) }}
if @granted < 0 throw 51222, 'Lock not granted: {{ lock_resource(name) }}', 1;
{%- endmacro %}

{% macro duckdb__lock_until_commit(name) %}{% endmacro %}

{% macro fabric__lock_until_commit(name) %}{% endmacro %}


{#- The same without waiting: a row with 0 where it is got, else a number below 0. SQL Server only. -#}
{% macro try_lock_until_commit(name) %}{{ return(adapter.dispatch('try_lock_until_commit', 'expression_warehouse')(name)) }}{% endmacro %}

{% macro default__try_lock_until_commit(name) -%}
{{ lock_in_transaction(name, 0) }}
select @granted as granted;
{%- endmacro %}


{#- A connection that does not commit of itself begins its transaction with the first statement that looks
    at a table. To call a procedure is none, and without a transaction the lock has no owner: "You attempted
    to acquire a transactional application lock without an active transaction". -#}
{% macro lock_in_transaction(name, timeout) -%}
declare @granted int;
select @granted = count(*) from sys.schemas where schema_id < 0;
exec @granted = sp_getapplock
    @Resource = '{{ lock_resource(name) }}', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = {{ timeout }};
{%- endmacro %}


{% macro lock_resource(name) %}{{ return('expression_warehouse ' ~ env_var('EXPRESSION_SCHEMA_PREFIX', '') ~ name) }}{% endmacro %}


{#- Hooks of the dimensions, outside of their transaction: from the reading of the highest key to the
    commit of those that follow it, no other build gives keys of the same dimension. What is held by a
    build that breaks off ends with its connection. -#}
{% macro lock_keys(dimension) %}{{ return(adapter.dispatch('lock_keys', 'expression_warehouse')(dimension)) }}{% endmacro %}

{% macro default__lock_keys(dimension) -%}
declare @granted int;
exec @granted = sp_getapplock
    @Resource = '{{ lock_resource('keys of ' ~ dimension) }}', @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = -1;
if @granted < 0 throw 51222, 'Lock not granted: {{ lock_resource('keys of ' ~ dimension) }}', 1;
{%- endmacro %}

{% macro duckdb__lock_keys(dimension) %}{% endmacro %}

{#- Fabric Warehouse has no application locks: one build at a time. -#}
{% macro fabric__lock_keys(dimension) %}{% endmacro %}


{% macro unlock_keys(dimension) %}{{ return(adapter.dispatch('unlock_keys', 'expression_warehouse')(dimension)) }}{% endmacro %}

{% macro default__unlock_keys(dimension) -%}
exec sp_releaseapplock @Resource = '{{ lock_resource('keys of ' ~ dimension) }}', @LockOwner = 'Session';
{%- endmacro %}

{% macro duckdb__unlock_keys(dimension) %}{% endmacro %}

{% macro fabric__unlock_keys(dimension) %}{% endmacro %}

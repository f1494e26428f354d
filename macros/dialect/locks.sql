{#- Named locks for work that only one connection may do at a time. DuckDB allows one process at a time,
    so it needs none.

    Resource names carry the schema prefix, so that a sandbox never waits for the real warehouse.

    {{ lock_until_commit('tables') }}
    ->  declare @granted int;
        select @granted = count(*) from sys.schemas …;
        exec @granted = sp_getapplock @Resource = 'expression_warehouse tables', @LockMode = 'Exclusive', …;
        if @granted < 0 throw 51222, 'Lock not granted: expression_warehouse tables', 1;
      | (no SQL) -#}
{% macro lock_until_commit(name) %}{{ return(adapter.dispatch('lock_until_commit', 'expression_warehouse')(name)) }}{% endmacro %}

{#- Without a time-out: the server releases a dead process's locks at once. -#}
{% macro default__lock_until_commit(name) -%}
{{ lock_in_transaction(name, -1) }}
if @granted < 0 throw 51222, 'Lock not granted: {{ lock_resource(name) }}', 1;
{%- endmacro %}

{% macro duckdb__lock_until_commit(name) %}{% endmacro %}

{% macro fabric__lock_until_commit(name) %}{% endmacro %}


{#- The same without waiting: returns one row, 0 if the lock was granted, else a number below 0. SQL
    Server only. -#}
{% macro try_lock_until_commit(name) %}{{ return(adapter.dispatch('try_lock_until_commit', 'expression_warehouse')(name)) }}{% endmacro %}

{% macro default__try_lock_until_commit(name) -%}
{{ lock_in_transaction(name, 0) }}
select @granted as granted;
{%- endmacro %}


{#- A connection without autocommit begins its transaction with the first statement that reads a table.
    EXEC does not start one, and a lock needs a transaction as its owner: "You attempted to acquire a
    transactional application lock without an active transaction". -#}
{% macro lock_in_transaction(name, timeout) -%}
declare @granted int;
select @granted = count(*) from sys.schemas where schema_id < 0;
exec @granted = sp_getapplock
    @Resource = '{{ lock_resource(name) }}', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = {{ timeout }};
{%- endmacro %}


{% macro lock_resource(name) %}{{ return('expression_warehouse ' ~ env_var('EXPRESSION_SCHEMA_PREFIX', '') ~ name) }}{% endmacro %}


{#- Hooks of the dimensions, outside their transaction. From reading the highest key to committing the new
    keys, no other build can assign keys of the same dimension. If a build breaks off, its locks end with
    its connection. -#}
{% macro lock_keys(dimension) %}{{ return(adapter.dispatch('lock_keys', 'expression_warehouse')(dimension)) }}{% endmacro %}

{% macro default__lock_keys(dimension) -%}
declare @granted int;
exec @granted = sp_getapplock
    @Resource = '{{ lock_resource('keys of ' ~ dimension) }}', @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = -1;
if @granted < 0 throw 51222, 'Lock not granted: {{ lock_resource('keys of ' ~ dimension) }}', 1;
{%- endmacro %}

{% macro duckdb__lock_keys(dimension) %}{% endmacro %}

{#- Fabric Warehouse has no application locks: run one build at a time. -#}
{% macro fabric__lock_keys(dimension) %}{% endmacro %}


{% macro unlock_keys(dimension) %}{{ return(adapter.dispatch('unlock_keys', 'expression_warehouse')(dimension)) }}{% endmacro %}

{% macro default__unlock_keys(dimension) -%}
exec sp_releaseapplock @Resource = '{{ lock_resource('keys of ' ~ dimension) }}', @LockOwner = 'Session';
{%- endmacro %}

{% macro duckdb__unlock_keys(dimension) %}{% endmacro %}

{% macro fabric__unlock_keys(dimension) %}{% endmacro %}

{#- Partitions by study, with var `partition_by_study`: one study can then be reloaded, dropped or read
    without touching the others. SQL Server only; the other engines prune by the bounds of their row groups.

    Study k has the partition [k, k + 1). The last partition stays empty, since a columnstore partition
    can only be split while it is empty: new studies always get greater keys. SQL Server allows up to
    15,000 partitions
    (learn.microsoft.com/sql/relational-databases/partitions/partitioned-tables-and-indexes). -#}

{#- Hook of the fact: adds partitions for studies that have none yet. It runs outside the fact's
    transaction: a split blocks readers until it is committed, and waits for writers.

    {{ add_study_partitions() }}
    ->  … exec('create partition scheme partitions_by_study …'); … alter partition function … split range (8);
      | (no SQL) -#}
{% macro add_study_partitions() %}
    {{- return(add_study_partitions_of(ref('dim_study')) if var('partition_by_study') else '') -}}
{% endmacro %}

{% macro add_study_partitions_of(studies) %}{{ return(adapter.dispatch('add_study_partitions_of', 'expression_warehouse')(studies)) }}{% endmacro %}

{% macro default__add_study_partitions_of(studies) -%}
{%- set function, scheme = study_partition_names() -%}
begin transaction;
{{ lock_until_commit('partitions') }}
if not exists (select 1 from sys.partition_functions where name = '{{ function }}')
exec('create partition function {{ function }} (int) as range right for values (1)');
if not exists (select 1 from sys.partition_schemes where name = '{{ scheme }}')
exec('create partition scheme {{ scheme }} as partition {{ function }} all to ([primary])');
declare @statements nvarchar(max) = (
    select
        string_agg(
            cast(
                'alter partition scheme {{ scheme }} next used [primary]; alter partition function {{ function }}() split range ('
                + cast(s.study_key + 1 as nvarchar(11)) + ');' as nvarchar(max)
            ),
            ' '
        ) within group (order by s.study_key)
    from {{ studies }} as s
    where not exists (
        select 1
        from sys.partition_range_values as v
        inner join sys.partition_functions as f on v.function_id = f.function_id
        where f.name = '{{ function }}' and try_cast(v.value as int) = s.study_key + 1
    )
);
exec(@statements);
commit transaction;
{%- endmacro %}

{% macro duckdb__add_study_partitions_of(studies) %}{% endmacro %}

{% macro fabric__add_study_partitions_of(studies) %}{% endmacro %}


{#- Names of the partition function and scheme. They belong to the database, not to a schema, so a
    sandbox's names carry its prefix. -#}
{% macro study_partition_names() %}
    {%- set prefix = env_var('EXPRESSION_SCHEMA_PREFIX', '') -%}
    {{ return([prefix ~ 'study_key_ranges', prefix ~ 'partitions_by_study']) }}
{% endmacro %}


{#- The `on` clause of `create table`, with a leading blank; it follows the last text that the adapter
    writes. A columnstore needs a table on the same partitions (message 35316). It is then placed on them
    without an `on` clause, like every other index of the table.

    {{ study_partitions('study_key') }}  ->  on partitions_by_study (study_key), with var `partition_by_study` -#}
{% macro study_partitions(column) -%}
{%- if column and var('partition_by_study') %} on {{ study_partition_names()[1] }} ({{ column }}){% endif -%}
{%- endmacro %}

{#- Adds the clause for a model that names its partition column in config `meta.partition_column`. -#}
{% macro sqlserver__build_columns_constraints(relation, only_not_null=False) -%}
{{ dbt.sqlserver__build_columns_constraints(relation, only_not_null) }}
{{- study_partitions(config.get('meta', {}).get('partition_column')) if not only_not_null }}
{%- endmacro %}

{#- Partitions by study, with var `partition_by_study`: a study is then loaded again, dropped or read on its
    own. SQL Server only; the other engines prune by the bounds of their row groups.

    Study k has the partition [k, k + 1). The last one stays empty, since a partition of a columnstore
    is only split while it is: studies come with ever greater keys. An engine has up to 15,000
    (learn.microsoft.com/sql/relational-databases/partitions/partitioned-tables-and-indexes). -#}

{#- Hook of the fact: partitions for the studies that have none yet. Outside of its transaction, since who
    reads the table waits for a split to be committed, as a split waits for who writes it.

    {{ add_study_partitions() }}
    ->  … exec('create partition scheme partitions_by_study …'); … alter partition function … split range (8);
      | (nothing) -#}
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
        where f.name = '{{ function }}' and cast(v.value as int) = s.study_key + 1
    )
);
exec(@statements);
commit transaction;
{%- endmacro %}

{% macro duckdb__add_study_partitions_of(studies) %}{% endmacro %}

{% macro fabric__add_study_partitions_of(studies) %}{% endmacro %}


{#- Names of the partition function and scheme. They belong to the database, not to a schema: those of a
    sandbox have its prefix. -#}
{% macro study_partition_names() %}
    {%- set prefix = env_var('EXPRESSION_SCHEMA_PREFIX', '') -%}
    {{ return([prefix ~ 'study_key_ranges', prefix ~ 'partitions_by_study']) }}
{% endmacro %}


{#- Where a new table lies, with a blank before it; what the adapter writes ends with it. A columnstore on
    partitions needs a table on the same ones (message 35316), and like every other index of such a table
    lies on them without a word.

    {{ study_partitions('study_key') }}  ->  on partitions_by_study (study_key), with var `partition_by_study` -#}
{% macro study_partitions(column) -%}
{%- if column and var('partition_by_study') %} on {{ study_partition_names()[1] }} ({{ column }}){% endif -%}
{%- endmacro %}

{#- Of a model that names its column in config `meta.partition_column`. -#}
{% macro sqlserver__build_columns_constraints(relation, only_not_null=False) -%}
{{ dbt.sqlserver__build_columns_constraints(relation, only_not_null) }}
{{- study_partitions(config.get('meta', {}).get('partition_column')) if not only_not_null }}
{%- endmacro %}

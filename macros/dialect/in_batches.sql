{#- Tables whose rows are computed a batch at a time, so that memory depends on the batch and not on the
    table. T-SQL computes all rows in one statement: its engine spills.

    A model has the materialization that table_in_batches() names, names in config `batches` a macro that
    returns the conditions of its batches, and has one condition with {{ batch() }}:

    {{ config(materialized=table_in_batches(), batches='study_batches') }}
    select … from studies as s where s.study_no {{ batch() }}

    ->  one insert for each of: s.study_no = 1, s.study_no = 2, …  |  where s.study_no is not null -#}
{% macro table_in_batches() %}{{ return(adapter.dispatch('table_in_batches', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__table_in_batches() %}{{ return('table') }}{% endmacro %}

{% macro duckdb__table_in_batches() %}{{ return('in_batches') }}{% endmacro %}


{#- The materialization of a model that only such a model reads: on DuckDB it takes less to compute its rows
    for each batch than to write them and read them (125,250 pairs × 10 studies: 1.4 CPU s, 2.1 before). -#}
{% macro table_read_in_batches() %}{{ return(adapter.dispatch('table_read_in_batches', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__table_read_in_batches() %}{{ return('table') }}{% endmacro %}

{% macro duckdb__table_read_in_batches() %}{{ return('view') }}{% endmacro %}


{% macro batch() %}{{ return(adapter.dispatch('batch', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__batch() %}{{ return('is not null') }}{% endmacro %}

{#- The text stands for `is null`, so that the model by itself is valid SQL without rows. -#}
{% macro duckdb__batch() %}{{ return('is /* batch */ null') }}{% endmacro %}


{#- The batches of models that compute study by study. -#}
{% macro study_batches() %}
    {% set numbers = run_query('select slice_study_no from ' ~ ref('int_slice_study') ~ ' order by slice_study_no').columns[0].values() %}
    {% set conditions = [] %}
    {% for number in numbers %}
        {% do conditions.append('= ' ~ number) %}
    {% endfor %}
    {{ return(conditions) }}
{% endmacro %}


{#- The batches of models that pool pair by pair: ranges of pair keys that hold about two
    million study estimates per metric. -#}
{% macro pair_batches() %}
    {% set query %}
        select min(p.pair_key) as first_key, max(p.pair_key) as last_key
        from (
            select
                d.pair_key,
                (row_number() over (order by d.pair_key) - 1)
                // greatest(1000, 2000000 // greatest(1, (select coalesce(max(s.study_no), 1) from {{ ref('int_slice_study') }} as s))) as batch_no
            from (
                select distinct k.pair_key
                from {{ ref('int_slice_pair') }} as k
            ) as d
        ) as p
        group by p.batch_no
        order by first_key
    {% endset %}
    {% set conditions = [] %}
    {% for row in run_query(query).rows %}
        {% do conditions.append('between ' ~ row[0] ~ ' and ' ~ row[1]) %}
    {% endfor %}
    {{ return(conditions) }}
{% endmacro %}


{#- The greatest number of studies of a slice that this run computes; none if that does not decide the
    text of the SQL, or if it is compiled without a connection. -#}
{% macro slice_study_count() %}{{ return(adapter.dispatch('slice_study_count', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__slice_study_count() %}{{ return(none) }}{% endmacro %}

{% macro duckdb__slice_study_count() %}
    {% set studies = ref('int_slice_study') %}
    {% if not execute or (flags.WHICH == 'compile' and not flags.INTROSPECT) or load_relation(studies) is none %}{{ return(none) }}{% endif %}
    {{ return(run_query('select coalesce(max(study_no), 1) from ' ~ studies).columns[0].values()[0] | int) }}
{% endmacro %}

{#- Tables whose rows are computed a batch at a time, so that memory depends on the batch and not on the
    table. T-SQL computes all rows in one statement: its engine spills.

    A model has the materialization that table_in_batches() names, names in config `batches` a macro that
    returns the conditions of its batches, and has one condition with {{ batch() }}:

    {{ config(materialized=table_in_batches(), batches='study_batches') }}
    select … from studies as s where s.study_no {{ batch() }}

    ->  where s.study_no is not null
      | one insert for each of: s.study_no between 1 and 3, s.study_no between 4 and 4, … -#}
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


{#- The batches of models that compute study by study. Studies of few pairs and genes share one: to plan a
    statement takes as long as half a million rows. A study is taken to have 100 samples. -#}
{% macro study_batches() %}
    {% set query %}
        with candidates as (
            select
                slice_no,
                count(*) + 100 * (count(distinct gene_a_key) + count(distinct gene_b_key)) as size
            from {{ ref('int_slice_pair') }}
            group by slice_no
        ),

        sizes as (
            select
                n.slice_study_no,
                c.size
            from {{ ref('int_slice_study') }} as n
            inner join candidates as c on n.slice_no = c.slice_no
        )

        {{ ranges_of_size('sizes', 'slice_study_no', 'size', 500000) | indent(8) }}
    {% endset %}
    {{ return(ranges_of(query)) }}
{% endmacro %}


{#- The batches of models that need all values of a study at once, for medians: some 20 million values each.
    Beyond its memory DuckDB writes the states of medians to disk again and again: 200 million values filled
    70 GB. -#}
{% macro feature_study_batches() %}
    {{ return(ranges_of(ranges_of_size(ref('int_feature_study'), 'study_key', 'row_count', 20000000))) }}
{% endmacro %}


{#- A query of the first and last numbers of ranges, each of about some size in all. By both ends, what is
    large shares no range with what is small.

    relation  number and size of each row
    most      the size of a range; what is larger by itself is a range of its own -#}
{% macro ranges_of_size(relation, number, size, most) %}
select min(s.{{ number }}) as first_no, max(s.{{ number }}) as last_no
from (
    select
        {{ number }},
        {{ size }},
        sum({{ size }}) over (order by {{ number }}) as size_so_far
    from {{ relation }}
) as s
group by (s.size_so_far - s.{{ size }}) // {{ most }}, s.size_so_far // {{ most }}
order by first_no
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
    {{ return(ranges_of(query)) }}
{% endmacro %}


{#- The conditions of ranges, whose first and last numbers a query returns. For one number DuckDB has a better
    plan with `=`. -#}
{% macro ranges_of(query) %}
    {% set conditions = [] %}
    {% for first, last in run_query(query).rows %}
        {% do conditions.append('= ' ~ first if first == last else 'between ' ~ first ~ ' and ' ~ last) %}
    {% endfor %}
    {{ return(conditions) }}
{% endmacro %}


{#- The greatest number of studies of a slice that this run computes; none if that does not decide the
    text of the SQL, or if it is compiled without a connection. -#}
{% macro slice_study_count() %}{{ return(adapter.dispatch('slice_study_count', 'expression_warehouse')()) }}{% endmacro %}

{% macro default__slice_study_count() %}{{ return(none) }}{% endmacro %}

{% macro duckdb__slice_study_count() %}
    {% set studies = ref('int_slice_study') %}
    {% if not execute or is_offline() or load_relation(studies) is none %}{{ return(none) }}{% endif %}
    {{ return(run_query('select coalesce(max(study_no), 1) from ' ~ studies).columns[0].values()[0] | int) }}
{% endmacro %}

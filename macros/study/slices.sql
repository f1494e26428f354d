{#- A slice (disease x technology x organism) is the unit of meta-analysis: its studies are pooled separately from
    those of other slices. `stg_slice` has all slices, `int_slice` those that the current run computes. -#}

{#- Pre-hook of the models that are built slice by slice: deletes the rows of slices that this run computes, and
    of slices that no longer exist. Other rows are not touched.

    A statement per condition: with `or` between them, SQL Server may compute stg_slice once per row. -#}
{% macro remove_replaced_slices(table) %}
delete from {{ table }}
where exists (select 1 from {{ ref('int_slice') }} as s where {{ same_slice('s', table) }});
delete from {{ table }}
where not exists (select 1 from {{ ref('stg_slice') }} as s where {{ same_slice('s', table) }});
{% endmacro %}


{#- Post-hooks that end the computation. Per-study estimates are not kept, and if the fact is built alone,
    it finds no slice to replace. For debugging, `--vars 'keep_intermediate: true'` keeps them. -#}
{% macro empty_intermediate_tables() %}
{#- It reads them too, so dbt must build it before. -#}
{%- do ref('meta_study_likeness') %}
{%- if not var('keep_intermediate') %}
truncate table {{ ref('int_slice_value') }};
truncate table {{ ref('int_slice_pair') }};
truncate table {{ ref('int_study_pair_cohort') }};
{% if table_read_in_batches() == 'table' %}truncate table {{ ref('int_study_pair_contrast') }};{% endif %}
truncate table {{ ref('int_pair_cohort') }};
truncate table {{ ref('int_pair_contrast') }};
truncate table {{ ref('int_slice_study') }};
truncate table {{ ref('int_slice') }};
{%- endif %}
{% endmacro %}

{#- Slices are what is meta-analysed apart: disease x technology. `stg_slice` has them all,
    `int_slice` those that a run computes. -#}

{#- Hook of the models that are built slice by slice: the rows of slices that this run computes,
    and of slices that are no more, make room. Rows of the others are not touched. -#}
{% macro remove_replaced_slices() %}
{#- Named outside the condition, where dbt sees what the model depends on. -#}
{%- set computed, existing = ref('int_slice'), ref('stg_slice') %}
{%- if is_incremental() %}
{{ lock_until_commit('slices of ' ~ this.identifier) }}
delete from {{ this }}
where
    exists (
        select 1
        from {{ computed }} as s
        where s.disease_key = {{ this }}.disease_key and s.technology = {{ this }}.technology
    )
    or not exists (
        select 1
        from {{ existing }} as s
        where s.disease_key = {{ this }}.disease_key and s.technology = {{ this }}.technology
    )
{%- endif %}
{% endmacro %}


{#- Hooks that end the computation: estimates of single studies are not kept, and a fact built by
    itself finds no slice to replace. -#}
{% macro empty_intermediate_tables() %}
truncate table {{ ref('int_slice_value') }};
truncate table {{ ref('int_study_pair_estimate') }};
truncate table {{ ref('int_pair_estimate') }};
truncate table {{ ref('int_slice') }};
{% endmacro %}


{#- fact_gene_pair_metrics where it exists, else none. The models that it is made from ask it which
    slices it has; a ref would be a circle. -#}
{% macro pair_metrics_relation() %}{{ return(relation_of_earlier_build('fact', 'fact_gene_pair_metrics')) }}{% endmacro %}

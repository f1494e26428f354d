{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        meta={'key_is_tested': true},
        pre_hook="{{ in_later_builds(remove_replaced_slices(this), is_alone=true) }}"
    )
}}

-- If a screen of all gene pairs is current for a slice, its pairs replace those of the gene filter.
with screened as (
    select
        p.disease_key,
        p.technology,
        p.organism,
        p.gene_a_key,
        p.gene_b_key,
        p.is_watched,
        p.pairs_tested
    from {{ ref('stg_screened_pairs') }} as p
    inner join {{ ref('int_slice') }} as s on {{ same_slice('p', 's') }}
),

filtered_slice as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        s.study_count
    from {{ ref('int_slice') }} as s
    where not exists (
        select 1
        from screened as p
        where {{ same_slice('p', 's') }}
    )
),

-- The part of each study that is in one of these slices.
study_parts as (
    select
        cast(row_number() over (order by m.disease_key, m.technology, m.organism, m.study_key) as integer) as study_part_no,
        m.disease_key,
        m.technology,
        m.organism,
        m.study_key
    from {{ ref('stg_slice_study') }} as m
    inner join filtered_slice as s on {{ same_slice('m', 's') }}
),

expression as (
    select
        m.study_part_no as study_key,
        e.gene_key,
        e.expression_value
    from study_parts as m
    inner join {{ ref('stg_slice_sample') }} as n
        on {{ same_slice('m', 'n') }} and m.study_key = n.study_key
    inner join {{ ref('vw_expression_export') }} as e on n.study_key = e.study_key and n.sample_key = e.sample_key
),

variability as (
    {{ gene_variability('expression', var('gene_filter_method')) | indent(4) }}
),

-- A gene takes part if enough of the slice's studies measured it.
slice_genes as (
    select
        s.disease_key,
        s.technology,
        s.organism,
        v.gene_key,
        avg(v.variability) as variability
    from variability as v
    inner join study_parts as m on v.study_key = m.study_part_no
    inner join filtered_slice as s on {{ same_slice('m', 's') }}
    group by s.disease_key, s.technology, s.organism, s.study_count, v.gene_key
    having count(*) >= case when s.study_count < {{ var('k_min') }} then s.study_count else {{ var('k_min') }} end
),

-- Of genes that vary as much, but for rounding, the first by id: keys follow the order in which studies came.
ranked as (
    select
        r.disease_key,
        r.technology,
        r.organism,
        r.gene_key,
        row_number() over (
            partition by r.disease_key, r.technology, r.organism
            order by round(r.variability, 9) desc, g.gene_id
        ) as variability_rank
    from slice_genes as r
    inner join {{ ref('dim_gene') }} as g on r.gene_key = g.gene_key
    where r.variability > 0
),

watched as (
    select distinct
        disease_key,
        gene_key
    from {{ ref('stg_watched_gene') }}
),

chosen as (
    select
        r.disease_key,
        r.technology,
        r.organism,
        r.gene_key,
        case when w.gene_key is not null then 1 else 0 end as is_watched
    from ranked as r
    left join watched as w on r.disease_key = w.disease_key and r.gene_key = w.gene_key
    where r.variability_rank <= {{ var('gene_filter_top') }} or w.gene_key is not null
),

tested as (
    select
        disease_key,
        technology,
        organism,
        cast(count(*) as bigint) * (count(*) - 1) / 2 as pairs_tested
    from chosen
    group by disease_key, technology, organism
),

candidates as (
    select
        a.disease_key,
        a.technology,
        a.organism,
        a.gene_key as gene_a_key,
        b.gene_key as gene_b_key,
        case when a.is_watched = 1 and b.is_watched = 1 then 'watch_list' else 'gene_filter' end as pair_source,
        t.pairs_tested
    from chosen as a
    inner join chosen as b
        on {{ same_slice('a', 'b') }} and a.gene_key < b.gene_key
    inner join tested as t on {{ same_slice('a', 't') }}
    union all
    select
        p.disease_key,
        p.technology,
        p.organism,
        p.gene_a_key,
        p.gene_b_key,
        case when p.is_watched = 1 then 'watch_list' else 'screen' end as pair_source,
        p.pairs_tested
    from screened as p
)

select
    c.disease_key,
    c.technology,
    c.organism,
    c.gene_a_key,
    c.gene_b_key,
    cast(concat(c.gene_a_key, '_', c.gene_b_key) as {{ type_code(30) }}) as pair_natural_key,
    cast(c.pair_source as {{ type_code(20) }}) as pair_source,
    cast(c.pairs_tested as bigint) as pairs_tested,
    s.batch_id,
    {{ utc_now() }} as etl_created_date
from candidates as c
inner join {{ ref('int_slice') }} as s on {{ same_slice('c', 's') }}

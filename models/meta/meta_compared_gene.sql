{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        pre_hook="{{ in_later_builds(remove_stale_comparisons(this, ['batch_id']), is_alone=true) }}"
    )
}}

-- A batch counts as loaded once its values are in the fact.
-- depends_on: {{ ref('fact_gene_expression') }}
with batches as (
    select
        l.batch_id,
        s.study_key,
        r.value_min
    from {{ ref('stg_loaded_batch') }} as l
    inner join {{ ref('dim_study') }} as s on l.study_accession_code = s.study_accession_code
    inner join {{ source('staging', 'batch') }} as r on l.batch_id = r.batch_id
    where
        {{ is_selected_study('l.study_accession_code') }}
        {%- if is_incremental() %}
        and l.batch_id not in (select e.batch_id from {{ this }} as e)
        {%- endif %}
),

measured as (
    select
        b.batch_id,
        b.study_key,
        f.gene_key,
        b.value_min,
        case when min(f.expression_value_raw) < max(f.expression_value_raw) then 1 else 0 end as is_varying,
        sum(case when {{ identifies('f.expression_value_raw', 'b.value_min') }} then 1 else 0 end) as value_count
    from {{ ref('fact_gene_expression') }} as f
    inner join batches as b on f.study_key = b.study_key and f.batch_id = b.batch_id
    group by b.batch_id, b.study_key, f.gene_key, b.value_min
),

chosen as (
    select
        m.*,
        row_number() over (partition by m.batch_id order by m.is_varying desc, m.value_count desc, g.gene_id) as gene_order
    from measured as m
    inner join {{ ref('dim_gene') }} as g on m.gene_key = g.gene_key
),

printed as (
    select
        c.batch_id,
        c.study_key,
        c.gene_key,
        f.expression_value_raw as value,
        {{ decimal_exponent('f.expression_value_raw') }} as exponent
    from chosen as c
    inner join {{ ref('fact_gene_expression') }} as f
        on c.study_key = f.study_key and c.batch_id = f.batch_id and c.gene_key = f.gene_key
    where c.gene_order <= 64 and {{ identifies('f.expression_value_raw', 'c.value_min') }}
),

digits as (
    select
        p.*,
        {{ significant_digits('p.value', 'p.exponent') | indent(8) }} as digits
    from printed as p
)

select
    c.batch_id,
    c.study_key,
    c.gene_key,
    cast(max(d.digits) as integer) as significant_digits,
    cast(max(d.digits - 1 - d.exponent) as integer) as decimals,
    cast(0 as {{ type_flag() }}) as is_compared,
    {{ utc_now() }} as etl_created_date
from chosen as c
left join digits as d on c.batch_id = d.batch_id and c.gene_key = d.gene_key
where c.gene_order <= 64
group by c.batch_id, c.study_key, c.gene_key

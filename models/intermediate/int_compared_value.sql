{{
    config(indexes=table_indexes([{'columns': ['gene_key', 'unit_exponent', 'unit_count'], 'type': 'clustered'}]))
}}

-- A table: SQL Server would read the fact each time that the comparison mentions these values.
with batches as (
    select
        g.batch_id,
        g.study_key,
        r.value_min,
        max(g.significant_digits) as significant_digits,
        max(g.decimals) as decimals,
        {%- if relation_to_extend('fact', 'fact_duplicate_sample') %}
        max(case when g.is_compared = 0 and {{ is_selected_study('l.study_accession_code') }} then 1 else 0 end) as is_new
        {%- else %}
        1 as is_new
        {%- endif %}
    from {{ ref('meta_compared_gene') }} as g
    inner join {{ ref('stg_loaded_batch') }} as l on g.batch_id = l.batch_id
    inner join {{ source('staging', 'batch') }} as r on g.batch_id = r.batch_id
    group by g.batch_id, g.study_key, r.value_min
),

-- New batches by the genes that any batch chose, the others by their own and those that a new one chose: so that a
-- panel finds its genes in a study of all genes, whichever is new.
compared_genes as (
    select
        b.batch_id,
        b.study_key,
        b.value_min,
        b.significant_digits,
        b.decimals,
        b.is_new,
        g.gene_key,
        max(case when b.batch_id = o.batch_id then 1 else 0 end) as is_chosen
    from batches as b
    cross join batches as o
    inner join {{ ref('meta_compared_gene') }} as g on o.batch_id = g.batch_id
    where
        b.is_new = 1
        or o.is_new = 1
        or (b.batch_id = o.batch_id and exists (select 1 from batches as n where n.is_new = 1))
    group by b.batch_id, b.study_key, b.value_min, b.significant_digits, b.decimals, b.is_new, g.gene_key
),

compared_values as (
    select
        g.study_key,
        f.sample_key,
        g.gene_key,
        g.is_new,
        g.is_chosen,
        f.expression_value_raw as value,
        case
            when {{ decimal_exponent('f.expression_value_raw') }} + 1 - g.significant_digits > -g.decimals
                then {{ decimal_exponent('f.expression_value_raw') }} + 1 - g.significant_digits
            else -g.decimals
        end as unit_exponent
    from {{ ref('fact_gene_expression') }} as f
    inner join compared_genes as g on f.study_key = g.study_key and f.batch_id = g.batch_id and f.gene_key = g.gene_key
    where {{ identifies('f.expression_value_raw', 'g.value_min') }}
)

select
    v.study_key,
    v.sample_key,
    v.gene_key,
    v.is_new,
    v.is_chosen,
    v.value,
    v.unit_exponent,
    {{ in_units('v.value', 'v.unit_exponent') }} as unit_count
from compared_values as v

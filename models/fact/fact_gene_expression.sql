{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        as_columnstore=true,
        full_refresh_build='prebuilt',
        meta={'partition_column': 'study_key'},
        indexes=table_indexes([
            {'columns': ['gene_key', 'study_key'], 'included_columns': ['expression_value'], 'type': 'nonclustered'},
        ]),
        pre_hook=[
            {'sql': "{{ add_study_partitions() }}", 'transaction': false},
            "{{ take_up_fact() }}",
            "{{ remove_restaged_batches() }}",
        ],
        post_hook="{{ mark_batches_loaded() }}"
    )
}}

-- Runs after the check that every staged key resolves.
-- depends_on: {{ ref('int_key_finding') }}
-- Loads the validated batches; a first build loads all batches whose rows are still staged. The table is
-- never fully refreshed, because it keeps superseded batches and batches whose staged rows are purged.
with batches as (
    select
        b.batch_id,
        s.study_key,
        s.study_unit_tag
    from {{ ref('stg_batch') }} as b
    inner join {{ ref('dim_study') }} as s on b.batch_id = s.current_batch_id
    where
        s.study_unit_tag is not null
        and {{ is_selected_study('b.study_accession_code') }}
        and b.status in ('VALIDATED'{% if not is_incremental() %}, 'LOADED'{% endif %})
),

batch_samples as (
    select
        b.study_key,
        n.sample_accession_code,
        m.sample_key
    from batches as b
    inner join {{ ref('stg_sample') }} as n on b.batch_id = n.batch_id
    inner join {{ ref('dim_sample') }} as m on n.sample_natural_key = m.sample_natural_key
),

-- Counts are scaled by the sample's library size; other units need none.
library_sizes as (
    select
        r.batch_id,
        r.sample_accession_code,
        sum(r.expression_value) as library_size
    from {{ source('staging', 'expression_rows') }} as r
    inner join batches as b on r.batch_id = b.batch_id
    where b.study_unit_tag = 'COUNTS'
    group by r.batch_id, r.sample_accession_code
)

select
    m.sample_key,
    g.gene_key,
    b.study_key,
    cast(r.batch_id as {{ type_code(64) }}) as batch_id,
    r.expression_value as expression_value_raw,
    cast({{ harmonise('r.expression_value', 'b.study_unit_tag', 'l.library_size') }} as float(53)) as expression_value,
    cast({{ log2_value('r.expression_value', 'b.study_unit_tag') }} as float(53)) as expression_log2_value,
    cast(null as {{ type_flag() }}) as is_significant,
    {{ utc_now() }} as etl_created_date
from {{ source('staging', 'expression_rows') }} as r
inner join batches as b on r.batch_id = b.batch_id
inner join batch_samples as m on b.study_key = m.study_key and r.sample_accession_code = m.sample_accession_code
inner join {{ ref('dim_gene') }} as g on r.gene_id = g.gene_id
left join library_sizes as l on r.batch_id = l.batch_id and r.sample_accession_code = l.sample_accession_code
where r.expression_value is not null

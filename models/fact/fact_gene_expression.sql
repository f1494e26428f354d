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

accessions as (
    select
        sample_accession_code,
        sample_key
    from {{ ref('dim_sample') }}
    where sample_natural_key = sample_accession_code
),

study_names as (
    select
        study_key,
        sample_accession_code,
        sample_key
    from {{ ref('dim_sample') }}
    where sample_natural_key <> sample_accession_code
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
    coalesce(a.sample_key, n.sample_key) as sample_key,
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
inner join {{ ref('dim_gene') }} as g on r.gene_id = g.gene_id
-- An accession is the sample of all studies, any other name that of its study: the parts of the natural key,
-- which is not put together for each value.
left join accessions as a on r.sample_accession_code = a.sample_accession_code
left join study_names as n on b.study_key = n.study_key and r.sample_accession_code = n.sample_accession_code
left join library_sizes as l on r.batch_id = l.batch_id and r.sample_accession_code = l.sample_accession_code
where r.expression_value is not null and coalesce(a.sample_key, n.sample_key) is not null

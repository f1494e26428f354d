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
            "{{ in_later_builds(remove_restaged_batches(this)) }}",
        ],
        post_hook="{{ mark_batches_loaded(this) }}"
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
    where {{ is_counts('b.study_unit_tag') }}
    group by r.batch_id, r.sample_accession_code
),

gene_lines as (
    select
        l.batch_id,
        l.line_no,
        l.line_count,
        l.duplicate_genes,
        g.gene_key,
        b.study_key,
        b.study_unit_tag,
        case when {{ is_counts('b.study_unit_tag') }} then 1 else 0 end as is_counts
    from {{ ref('int_gene_line') }} as l
    inner join batches as b on l.batch_id = b.batch_id
    inner join {{ ref('dim_gene') }} as g on l.gene_id = g.gene_id
),

gene_values as (
    select
        r.batch_id,
        r.sample_accession_code,
        l.gene_key,
        l.study_key,
        l.study_unit_tag,
        r.expression_value
    from {{ source('staging', 'expression_rows') }} as r
    inner join gene_lines as l on r.batch_id = l.batch_id and r.line_no = l.line_no
    where l.line_count = 1 and r.expression_value is not null
    union all
    select
        r.batch_id,
        r.sample_accession_code,
        l.gene_key,
        l.study_key,
        l.study_unit_tag,
        {{ merged_value('r.expression_value', 'l.duplicate_genes', 'l.is_counts') | indent(8) }} as expression_value
    from {{ source('staging', 'expression_rows') }} as r
    inner join gene_lines as l on r.batch_id = l.batch_id and r.line_no = l.line_no
    where l.line_count > 1 and r.expression_value is not null
    group by r.batch_id, r.sample_accession_code, l.gene_key, l.study_key, l.study_unit_tag
)

select
    coalesce(a.sample_key, n.sample_key) as sample_key,
    v.gene_key,
    v.study_key,
    cast(v.batch_id as {{ type_code(64) }}) as batch_id,
    v.expression_value as expression_value_raw,
    cast({{ harmonise('v.expression_value', 'v.study_unit_tag', 'l.library_size') }} as float(53)) as expression_value,
    cast({{ log2_value('v.expression_value', 'v.study_unit_tag') }} as float(53)) as expression_log2_value,
    cast(null as {{ type_flag() }}) as is_significant,
    {{ utc_now() }} as etl_created_date
from gene_values as v
-- An accession is the sample of all studies, any other name that of its study: the parts of the natural key,
-- which is not put together for each value.
left join accessions as a on v.sample_accession_code = a.sample_accession_code
left join study_names as n on v.study_key = n.study_key and v.sample_accession_code = n.sample_accession_code
left join library_sizes as l on v.batch_id = l.batch_id and v.sample_accession_code = l.sample_accession_code
where coalesce(a.sample_key, n.sample_key) is not null

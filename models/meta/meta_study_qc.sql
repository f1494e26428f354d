{{ config(unique_key='study_key') }}

{%- set kept = ['outlier_share', 'library_size_min', 'library_size_median', 'library_size_max'] %}
{%- set columns = [
    'study_key', 'batch_id', 'ks_statistic', 'ks_pvalue', 'ks_warning', 'quantile_normalized', 'quant_sf_only',
    'study_unit_tag', 'sample_count', 'gene_count', 'missing_share', 'zero_share', 'library_size_min',
    'library_size_median', 'library_size_max', 'unknown_illness_share', 'known_platform_share', 'outlier_share',
    'data_quality_score'
] %}
{#- Each component is in [0, 1]; seed quality_weight has the weights. #}
{%- set components = {
    'completeness': '1e0 - missing_share',
    'illness_labels': '1e0 - unknown_illness_share',
    'inliers': 'case when outlier_share < 0.05e0 then 1e0 - outlier_share / 0.05e0 when outlier_share >= 0.05e0 then 0e0 end',
    'distribution': 'case when ks_warning is not null and coalesce(ks_pvalue, 0e0) < ' ~ var('ks_pvalue_min') ~ ' then 0e0 else 1e0 end',
    'platform': 'known_platform_share'
} %}

with illness_shares as (
    select
        batch_id,
        avg(case when illness_label = 'UNKNOWN' then 1e0 else 0e0 end) as unknown_illness_share
    from {{ ref('stg_sample_illness') }}
    group by batch_id
),

platform_shares as (
    select
        batch_id,
        avg(case when manufacturer = 'Unknown' then 0e0 else 1e0 end) as known_platform_share
    from {{ ref('stg_sample_platform') }}
    group by batch_id
),

placed_samples as (
    select
        study_key,
        batch_id,
        gene_count,
        outlier_count,
        library_size,
        row_number() over (partition by study_key order by library_size) as row_no,
        count(*) over (partition by study_key) as value_count
    from {{ ref('int_sample_outlier') }}
),

-- The studies of this run. If no gene of a study can be judged, its outlier share is 0.
screened as (
    select
        study_key,
        batch_id,
        coalesce(1e0 * sum(outlier_count) / nullif(sum(gene_count), 0), 0e0) as outlier_share,
        min(library_size) as library_size_min,
        {{ quantile_of_places('library_size', 0.5) }} as library_size_median,
        max(library_size) as library_size_max
    from placed_samples
    group by study_key, batch_id
),

measured as (
    select
        s.study_key,
        b.batch_id,
        q.ks_statistic,
        q.ks_pvalue,
        q.ks_warning,
        q.quantile_normalized,
        q.quant_sf_only,
        s.study_unit_tag,
        b.sample_count,
        b.gene_count,
        1e0 * b.null_count / nullif(b.gene_count * b.sample_count, 0) as missing_share,
        1e0 * b.zero_count / nullif(b.gene_count * b.sample_count - b.null_count, 0) as zero_share,
        i.unknown_illness_share,
        p.known_platform_share,
        {%- for column in kept %}
        {%- set value = 'coalesce(x.' ~ column ~ ', e.' ~ column ~ ')' if is_incremental() else 'x.' ~ column %}
        {%- if column != 'outlier_share' %}
        {%- set value = 'case when u.is_log_scale = 0 then ' ~ value ~ ' end' %}
        {%- endif %}
        cast({{ value }} as float(53)) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_batch') }} as b
    inner join {{ ref('stg_loaded_batch') }} as l on b.batch_id = l.batch_id
    inner join {{ ref('dim_study') }} as s on b.batch_id = s.current_batch_id
    inner join {{ ref('unit') }} as u on s.study_unit_tag = u.unit_tag
    inner join {{ ref('stg_study_qc') }} as q on b.batch_id = q.batch_id
    left join illness_shares as i on b.batch_id = i.batch_id
    left join platform_shares as p on b.batch_id = p.batch_id
    left join screened as x on s.study_key = x.study_key and b.batch_id = x.batch_id
    {%- if is_incremental() %}
    left join {{ this }} as e on s.study_key = e.study_key and b.batch_id = e.batch_id
    {%- endif %}
    where {{ is_selected_study('b.study_accession_code') }}
),

components as (
    {%- for component, value in components.items() %}
    select
        study_key,
        '{{ component }}' as component,
        {{ value }} as share
    from measured
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

-- The score is null if any component is null.
scores as (
    select
        c.study_key,
        case when count(c.share) = {{ components | length }} then sum(w.weight * c.share) end as data_quality_score
    from components as c
    inner join {{ ref('quality_weight') }} as w on c.component = w.component
    group by c.study_key
),

-- Unchanged rows are not written again.
changed as (
    select
        {%- for column in columns %}
        {{ 'r' if column == 'data_quality_score' else 'm' }}.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from measured as m
    inner join scores as r on m.study_key = r.study_key
    {%- if is_incremental() %}
    except
    select {{ columns | join(', ') }}
    from {{ this }}
    {%- endif %}
)

select
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    {{ utc_now() }} as collected_at
from changed

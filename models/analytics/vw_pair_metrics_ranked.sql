{%- set rows = slice_columns() + ['pair_key'] -%}

{#- Contrasts of the disease that the settings s name. -#}
{%- set contrasts_of_disease -%}
from {{ ref('dim_contrast') }} as c
inner join {{ ref('dim_disease') }} as d on c.disease_key = d.disease_key
where
    d.disease_label = s.disease_label
    and exists (select 1 from {{ ref('stg_contrast_cohort') }} as h where h.contrast_key = c.contrast_key)
{%- endset %}

with settings as (
    select
        {{ session_text('disease', 'SEPSIS') }} as disease_label,
        lower({{ session_text('contrast', 'all') }}) as contrast,
        lower({{ session_text('q_basis', 'hk') }}) as q_basis,
        {{ session_number('q', 0.05) }} as q_max,
        {{ session_number('k_min', 3) }} as k_min,
        {{ session_number('i2_max', 75) }} as i2_max
),

-- A setting that no row can meet is an error, not an empty view: the cast fails with the text. The disease is checked
-- where rows are joined by it: of a disease without rows, SQL Server need not compute other columns. A contrast that
-- is no longer defined has no cohorts.
checked_settings as (
    select
        case
            when
                exists (
                    select 1
                    from {{ ref('fact_gene_pair_metrics') }} as m
                    inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
                    where d.disease_label = s.disease_label
                )
                then s.disease_label
            -- Before the first pairs, of any disease, the view is empty.
            when
                exists (select 1 from {{ ref('dim_disease') }} as d where d.disease_label = s.disease_label)
                and not exists (select 1 from {{ ref('fact_gene_pair_metrics') }})
                then s.disease_label
            else
                cast(cast(concat(
                    '54030 CONFIG_INVALID: disease is ', s.disease_label, ', which has no pairs; there are pairs of ',
                    (
                        select {{ sorted_list('d.disease_label') }}
                        from {{ ref('dim_disease') }} as d
                        where exists (select 1 from {{ ref('fact_gene_pair_metrics') }} as m where m.disease_key = d.disease_key)
                    )
                ) as integer) as {{ type_code(64) }})
        end as disease_label,
        s.contrast,
        s.q_basis,
        s.q_max,
        s.k_min,
        s.i2_max,
        case
            {%- for name in ['q', 'k_min', 'i2_max'] %}
            when {{ session_setting_as_text(name) }} is not null and {{ session_setting_as_number(name) }} is null
                then cast(concat('54030 CONFIG_INVALID: {{ name }} is ', {{ session_setting_as_text(name) }}, ', expected a number') as integer)
            {%- endfor %}
            when s.q_basis not in ('hk', 'spec', 'dependent') then cast(concat('54030 CONFIG_INVALID: q_basis is ', s.q_basis, ', expected hk, spec or dependent') as integer)
            when
                s.contrast <> 'all'
                and not exists (
                    select 1
                    {{ contrasts_of_disease | indent(20) }}
                        and c.contrast = s.contrast
                )
                then cast(concat(
                    '54030 CONFIG_INVALID: contrast is ', s.contrast, ', which ', s.disease_label, ' does not have; it has all, ',
                    (
                        select {{ sorted_list('c.contrast') }}
                        {{ contrasts_of_disease | indent(24) }}
                    )
                ) as integer)
            when
                s.contrast = 'all'
                and s.q_basis <> 'hk'
                and not exists (
                    select 1
                    {{ contrasts_of_disease | indent(20) }}
                        and c.contrast in ('ss', 'soth')
                )
                then cast(concat(
                    '54030 CONFIG_INVALID: q_basis is ', s.q_basis, ', which without a contrast is of ss and soth; ', s.disease_label, ' has ',
                    (
                        select {{ sorted_list('c.contrast') }}
                        {{ contrasts_of_disease | indent(24) }}
                    ),
                    ': set contrast, or q_basis to hk'
                ) as integer)
            else 1
        end as is_valid
    from settings as s
),

-- The contrast that each pair is ranked by: of those that the settings admit, that of the smallest p.
-- The requirement's rule (spec), and the test of both contrasts in one (dependent), know ss and soth.
contrast_rows as (
    select
        {{ group_columns(rows, 'c') }},
        n.contrast,
        c.theta_re,
        case when s.q_basis = 'hk' then c.hk_ci_low else c.ci_low end as ci_low,
        case when s.q_basis = 'hk' then c.hk_ci_high else c.ci_high end as ci_high,
        c.n_studies,
        c.i2,
        c.kappa,
        c.power_score,
        case
            when s.contrast <> 'all' then case when s.q_basis = 'hk' then c.q_hk else c.q end
            when s.q_basis = 'hk' then c.q_pair
            else
                least(
                    coalesce(case when s.q_basis = 'spec' then m.q_combined else m.q_combined_dependent end, 1e0),
                    coalesce(m.q_ss, 1e0), coalesce(m.q_soth, 1e0)
                )
        end as q_star,
        row_number() over (
            partition by {{ group_columns(rows, 'c') }}
            order by
                case when s.q_basis = 'hk' and s.contrast = 'all' and c.is_deciding = 0 then 1 else 0 end,
                c.p, n.is_primary desc, n.contrast
        ) as contrast_order
    from {{ ref('fact_gene_pair_contrast') }} as c
    inner join {{ ref('dim_contrast') }} as n on c.contrast_key = n.contrast_key
    inner join {{ ref('dim_disease') }} as d on c.disease_key = d.disease_key
    inner join checked_settings as s on d.disease_label = s.disease_label and s.is_valid = 1
    inner join {{ ref('fact_gene_pair_metrics') }} as m on {{ same_group(rows, 'c', 'm') }} and m.metrics_source = 'AGGREGATOR'
    where
        c.is_eligible = 1
        and (s.contrast = 'all' or n.contrast = s.contrast)
        and (s.contrast <> 'all' or s.q_basis = 'hk' or n.contrast in ('ss', 'soth'))
),

-- Rows of files have no contrasts of their own. They are ranked by the rate that the file gives.
file_rows as (
    select
        {{ group_columns(rows, 'm') }},
        cast(null as {{ type_code(16) }}) as contrast,
        {{ effect_of_file('m') }} as theta_re,
        case when m.dz_ss_mean is not null then m.dz_ss_ci_low when m.dz_soth_mean is not null then m.dz_soth_ci_low end as ci_low,
        case when m.dz_ss_mean is not null then m.dz_ss_ci_high when m.dz_soth_mean is not null then m.dz_soth_ci_high end as ci_high,
        m.included_study_count as n_studies,
        {{ i2_of_file('m') }} as i2,
        coalesce(m.kappa_ss, m.kappa_soth) as kappa,
        m.power_score,
        {{ q_of_file('m', 's.q_basis') }} as q_star
    from {{ ref('fact_gene_pair_metrics') }} as m
    inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
    inner join checked_settings as s on d.disease_label = s.disease_label and s.is_valid = 1
    where m.metrics_source = 'CSV'
),

{%- set shared = ['contrast', 'theta_re', 'ci_low', 'ci_high', 'n_studies', 'i2', 'kappa', 'power_score', 'q_star'] %}
ranked as (
    select {{ group_columns(rows + shared, 'c') }}
    from contrast_rows as c
    where c.contrast_order = 1
    union all
    select {{ group_columns(rows + shared, 'f') }}
    from file_rows as f
)

select
    cast(row_number() over (
        partition by m.technology, m.organism
        order by
            r.q_star, coalesce(m.new_rank_score, -1e0) desc, r.power_score desc, r.i2, r.kappa desc, abs(r.theta_re) desc, m.pair_key
    ) as integer) as pair_rank,
    r.q_star,
    r.i2 as i2_star,
    r.contrast,
    cast(case when r.theta_re > 0e0 then 'HIGHER' when r.theta_re < 0e0 then 'LOWER' end as {{ type_code(16) }}) as direction,
    r.theta_re as effect,
    r.ci_low as effect_ci_low,
    r.ci_high as effect_ci_high,
    m.pair_key,
    m.metrics_scope,
    m.metrics_source,
    m.disease_key,
    d.disease_label,
    m.technology,
    m.organism,
    a.gene_id as gene_a_id,
    p.gene_a_symbol,
    b.gene_id as gene_b_id,
    p.gene_b_symbol,
    {%- for metric in pair_metric_names() %}
    {%- if metric == 'included_study_count' %}
    cast(r.n_studies as integer) as included_study_count,
    {%- else %}
    m.{{ metric }},
    {%- endif %}
    {%- endfor %}
    {%- for score in pair_score_names() %}
    m.{{ score }},
    {%- endfor %}
    m.rank_run_id,
    m.feature_run_id,
    m.batch_id,
    m.etl_created_date
from ranked as r
inner join {{ ref('fact_gene_pair_metrics') }} as m on {{ same_group(rows, 'r', 'm') }}
inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
inner join checked_settings as s on d.disease_label = s.disease_label and s.is_valid = 1
inner join {{ ref('dim_gene_pair') }} as p on m.pair_key = p.pair_key
inner join {{ ref('dim_gene') }} as a on p.gene_a_key = a.gene_key
inner join {{ ref('dim_gene') }} as b on p.gene_b_key = b.gene_key
where r.q_star <= s.q_max and r.i2 <= s.i2_max and r.n_studies >= s.k_min

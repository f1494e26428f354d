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
{%- set contrast = ['slice_no', 'contrast_key'] %}
{%- set tests = {'q': 'p', 'q_hk': 'hk_p', 'q_hk_adhoc': 'hk_adhoc_p'} %}

with
-- 1. A contrast of fewer than k_min studies has p, but is not eligible for false discovery rates.
eligible_tests as (
    select
        c.slice_no,
        c.contrast_key
        {%- for q, p in tests.items() %},
        count(c.{{ p }}) as tests_{{ q }}
        {%- endfor %}
    from {{ ref('int_pair_contrast') }} as c
    where c.k >= {{ var('k_min') }}
    group by c.slice_no, c.contrast_key
),

-- Narrow rows: to sort the wide ones per test would take as long as all else here.
eligible as {{ materialized() }}(
    select
        c.slice_no,
        c.contrast_key,
        c.pair_key
        {%- for q, p in tests.items() %},
        c.{{ p }},
        n.tests_{{ q }}
        {%- endfor %}
    from {{ ref('int_pair_contrast') }} as c
    inner join eligible_tests as n on {{ same_group(contrast, 'c', 'n') }}
    where c.k >= {{ var('k_min') }}
),

-- 2. False discovery rates of each test over the slice's pairs that have it.
{%- for q, p in tests.items() %}
{{ 'rates' if loop.last else 'rates_' ~ q }} as (
    {{ benjamini_hochberg('eligible' if loop.first else 'rates_' ~ loop.previtem[0], contrast, p, 'tests_' ~ q, q) | indent(4) }}
),
{% endfor %}
-- 3. One p-value per pair: of T eligible Hartung-Knapp tests, T times the least (Bonferroni), and one
-- false discovery rate over pairs. Over all tests of all contrasts it would hold per test, not per pair.
ordered_tests as (
    select
        c.slice_no,
        c.contrast_key,
        c.pair_key,
        row_number() over (
            partition by c.slice_no, c.pair_key
            order by c.hk_p, d.is_primary desc, d.contrast
        ) as test_order,
        least(1e0, count(*) over (partition by c.slice_no, c.pair_key) * c.hk_p) as p
    from eligible as c
    inner join {{ ref('dim_contrast') }} as d on c.contrast_key = d.contrast_key
    where c.hk_p is not null
),

deciding as (
    select
        o.slice_no,
        o.contrast_key,
        o.pair_key,
        o.p,
        count(*) over (partition by o.slice_no) as tests
    from ordered_tests as o
    where o.test_order = 1
),

pair_rates as (
    {{ benjamini_hochberg('deciding', ['slice_no'], 'p', 'tests') | indent(4) }}
),

-- A screen tested all pairs, of which those here are a part: its rates replace these.
screened as (
    select
        i.slice_no,
        p.pair_key,
        s.contrast_key,
        s.q,
        s.q_hk,
        s.q_hk_adhoc,
        s.tests_hk,
        s.q_pair
    from {{ ref('stg_screened_contrast') }} as s
    inner join {{ ref('int_slice') }} as i on {{ same_slice('s', 'i') }}
    inner join {{ ref('dim_gene_pair') }} as p on s.pair_natural_key = p.pair_natural_key
)

select
    c.pair_key,
    i.disease_key,
    i.technology,
    i.organism,
    c.contrast_key,
    {%- for name, type, least, greatest, column in words_of(pair_contrast_columns()) %}
    {%- if name in tests %}
    case when s.pair_key is not null then s.{{ name }} else r.{{ name }} end as {{ name }},
    {%- elif name == 'power_score' %}
    {{ normal_cdf('(abs(c.z) - 1.959963984540054e0)') }} + {{ normal_cdf('(-abs(c.z) - 1.959963984540054e0)') }} as power_score,
    {%- else %}
    cast(c.{{ column }} as {{ type }}) as {{ name }},
    {%- endif %}
    {%- endfor %}
    cast(case when c.k >= {{ var('k_min') }} then 1 else 0 end as {{ type_flag() }}) as is_eligible,
    cast(case when s.pair_key is not null then s.tests_hk when r.hk_p is not null then r.tests_q_hk end as bigint) as pairs_tested,
    cast(case when d.pair_key is not null then 1 else 0 end as {{ type_flag() }}) as is_deciding,
    d.p as p_pair,
    case when s.pair_key is not null and d.pair_key is not null then s.q_pair else d.q end as q_pair,
    i.batch_id,
    {{ utc_now() }} as etl_created_date
from {{ ref('int_pair_contrast') }} as c
inner join {{ ref('int_slice') }} as i on c.slice_no = i.slice_no
left join rates as r on {{ same_group(contrast + ['pair_key'], 'c', 'r') }}
left join pair_rates as d on {{ same_group(contrast + ['pair_key'], 'c', 'd') }}
left join screened as s on {{ same_group(contrast + ['pair_key'], 'c', 's') }}

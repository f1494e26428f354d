-- 4004 LOAD_CONSTRAINT_VIOLATION: a slice has a pair twice for one contrast or cohort, or a pair is ranked
-- by two contrasts.

{%- set pair = slice_columns() + ['pair_key'] %}
select
    {{ group_columns(pair, 'c') }},
    'contrast twice' as finding
from {{ ref('fact_gene_pair_contrast') }} as c
group by {{ group_columns(pair, 'c') }}, c.contrast_key
having count(*) > 1
union all
select
    {{ group_columns(pair, 'c') }},
    'cohort twice' as finding
from {{ ref('fact_gene_pair_cohort') }} as c
group by {{ group_columns(pair, 'c') }}, c.illness_key
having count(*) > 1
union all
select
    {{ group_columns(pair, 'c') }},
    'two contrasts decide' as finding
from {{ ref('fact_gene_pair_contrast') }} as c
where c.is_deciding = 1
group by {{ group_columns(pair, 'c') }}
having count(*) > 1

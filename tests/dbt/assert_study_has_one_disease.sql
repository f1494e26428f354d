-- 54002 AGG_MULTI_DISEASE_MAP: a study has several active diseases, so that it is left out of all
-- meta-analyses. The other studies are not: this test runs after what is built from them, where its
-- failure holds nothing up.
-- depends_on: {{ ref('vw_pair_metrics_significant') }}
{{ config(severity='error') }}

select
    study_key,
    count(*) as row_count
from {{ ref('study_disease_map') }}
where is_active = 1
group by study_key
having count(*) > 1

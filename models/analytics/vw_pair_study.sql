with {{ study_differences('differences', ref('vw_pair_cohort'), ref('stg_contrast_cohort'), ref('dim_contrast')) }}

select
    d.pair_key,
    d.disease_key,
    d.disease_label,
    d.technology,
    d.organism,
    d.contrast_key,
    d.contrast,
    d.study_key,
    d.study_accession_code,
    d.n,
    d.case_r,
    d.reference_r,
    d.theta,
    d.se
from differences as d

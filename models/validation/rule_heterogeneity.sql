-- Only the slices that this run computed; the others were reported earlier.
select
    'HETEROGENEITY_EXCESS' as validation_code,
    m.batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    concat(d.disease_label, ' ', m.technology) as subject,
    concat(
        sum(case when m.i2_star > 75 then 1 else 0 end), ' of ', count(*), ' pairs have I2 above 75'
    ) as finding
from (
    select
        f.disease_key,
        f.technology,
        f.batch_id,
        least(coalesce(f.dz_ss_i2, 1e2), coalesce(f.dz_soth_i2, 1e2)) as i2_star
    from {{ ref('fact_gene_pair_metrics') }} as f
    where
        f.feature_run_id = '{{ invocation_id }}'
        and (f.dz_ss_i2 is not null or f.dz_soth_i2 is not null)
) as m
inner join {{ ref('dim_disease') }} as d on m.disease_key = d.disease_key
group by m.disease_key, m.technology, m.batch_id, d.disease_label
having sum(case when m.i2_star > 75 then 1 else 0 end) > 0

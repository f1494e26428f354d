select
    'HETEROGENEITY_EXCESS' as validation_code,
    c.batch_id,
    cast(null as {{ type_code(50) }}) as study_accession_code,
    concat(d.disease_label, ' ', c.technology, ' ', c.organism) as subject,
    concat(
        sum(case when c.i2 > 75 then 1 else 0 end), ' of ', count(*), ' pairs have I2 above 75'
    ) as finding
from {{ ref('fact_gene_pair_contrast') }} as c
inner join {{ ref('dim_disease') }} as d on c.disease_key = d.disease_key
where c.is_deciding = 1
group by c.disease_key, c.technology, c.organism, c.batch_id, d.disease_label
having sum(case when c.i2 > 75 then 1 else 0 end) > 0

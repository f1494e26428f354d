select
    'VALIDATION_GENE_IDS_CHANGED' as validation_code,
    v.batch_id,
    v.study_accession_code,
    v.study_accession_code as subject,
    concat(
        v.changed_count, ' of its gene ids mean another gene in the gene annotation that is loaded now; when the study',
        ' was loaded, ', v.ambiguous_count + v.unknown_count, ' were ambiguous or unknown'
    ) as finding
from {{ ref('vw_gene_ids') }} as v
where
    v.changed_count > 0
    and {{ is_selected_study('v.study_accession_code') }}

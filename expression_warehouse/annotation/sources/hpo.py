"""HPO: phenotypes of the diseases that a human gene causes."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, no_version, parser

# The header changed several times: since 2023 `ncbi_gene_id …`, before it was
# `#Format: entrez-gene-id<tab>…` with four or nine columns. Those of four have no diseases.
_LAYOUT = Layout(
    columns=(
        Column("gene_id", ("ncbi_gene_id", "entrez-gene-id")),
        Column("hpo_id", ("hpo_id", "HPO-Term-ID")),
        Column("hpo_name", ("hpo_name", "HPO-Term-Name")),
        Column("frequency", ("frequency", "Frequency-Raw"), is_optional=True),
        Column("disease_id", ("disease_id", "disease-ID for link"), is_optional=True),
    ),
    missing=("", "-"),
)

_QUERY = """
select distinct
    'ENTREZ' as id_type,
    gene_id as gene_ref,
    'phenotype' as attribute,
    hpo_id as item,
    hpo_name as value
from lines
union all
select distinct 'ENTREZ', gene_id, 'disease', disease_id, disease_id
from lines
where disease_id is not null
union all
select 'ENTREZ', gene_id, 'phenotype_frequency', concat(hpo_id, ' ', disease_id), min(frequency)
from lines
where disease_id is not null and frequency is not null
group by gene_id, hpo_id, disease_id
"""

BULK_FILES = (
    BulkFile(
        name="hpo_genes_to_phenotype",
        patterns=("genes_to_phenotype*.txt",),
        parse=parser(_LAYOUT, _QUERY),
        version=no_version,
    ),
)

"""MANE: the transcript that Ensembl and RefSeq agree on per human gene."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Layout, parser, texts, version_in_name

_LAYOUT = Layout(
    columns=texts(
        "NCBI_GeneID", "Ensembl_Gene", "HGNC_ID", "symbol", "name", "RefSeq_nuc", "Ensembl_nuc",
        "MANE_status",
    ),
)  # fmt: skip

# A gene has one MANE Select transcript and possibly Plus Clinical ones beside it. Chromosome and
# positions are left out: they are the transcript's, and on alternate contigs for some genes.
_QUERY = """
with transcript as (
    select *, split_part(Ensembl_Gene, '.', 1) as gene_ref from lines
),

fact as (
    unpivot (
        select
            gene_ref,
            symbol,
            name,
            HGNC_ID as hgnc_id,
            regexp_replace(NCBI_GeneID, '^GeneID:', '') as entrez_id,
            Ensembl_nuc as mane_select,
            RefSeq_nuc as mane_select_refseq
        from transcript
        where MANE_status = 'MANE Select'
    ) on columns(* exclude gene_ref) into name attribute value value
)

select 'ENSEMBL' as id_type, gene_ref, attribute, '' as item, value from fact
union all
select 'ENSEMBL', gene_ref, 'mane_plus_clinical', Ensembl_nuc, RefSeq_nuc
from transcript
where MANE_status = 'MANE Plus Clinical'
"""

BULK_FILES = (
    BulkFile(
        name="mane_summary",
        patterns=("MANE.GRCh38.v*.summary.txt",),
        parse=parser(_LAYOUT, _QUERY),
        version=version_in_name(r"\.v(\d+(?:\.\d+)*)\."),
    ),
)

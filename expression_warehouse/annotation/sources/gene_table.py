"""A user's own table of genes, current and retired, if no Ensembl file is at hand."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, no_version, parser, texts

_LAYOUT = Layout(
    columns=(
        *texts("ensembl_gene_id", "name", "biotype", "chromosome"),
        Column("start", type="bigint"),
        Column("end", type="bigint"),
        *texts("strand"),
        *texts(
            "source", "hgnc_id", "hgnc_symbol", "hgnc_name", "entrez_id", "cytoband",
            is_optional=True,
        ),
    ),
)  # fmt: skip

# For a gene without a symbol, Ensembl repeats the gene id as its name. A source ENSEMBL<nn> marks a
# retired gene; <nn> is the last release that has it.
_QUERY = """
unpivot (
    select
        'ENSEMBL' as id_type,
        split_part(ensembl_gene_id, '.', 1) as gene_ref,
        '' as item,
        coalesce(
            hgnc_symbol,
            if(split_part(name, '.', 1) = split_part(ensembl_gene_id, '.', 1), null, name)
        ) as symbol,
        hgnc_name as name,
        biotype,
        regexp_replace(chromosome, '^chr', '') as chromosome,
        cast(start as varchar) as start_position,
        cast("end" as varchar) as end_position,
        strand,
        hgnc_id,
        entrez_id,
        cytoband,
        if(regexp_matches(source, '^ENSEMBL[0-9]+$'), '1', '0') as is_retired
    from lines
) on columns(* exclude (id_type, gene_ref, item)) into name attribute value value
"""

BULK_FILES = (
    BulkFile(
        name="gene_table",
        patterns=("*gene_reference*.tsv", "gene_table*.tsv"),
        parse=parser(_LAYOUT, _QUERY),
        version=no_version,
    ),
)

"""UniProt: proteins of a human gene and their domains."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, no_version, parser, texts

_ID_MAPPING = Layout(
    columns=texts("accession", "id_type", "id"),
    first_line=(r"[A-Z0-9]{6,10}(-\d+)?", r"[\w-]+", ".+"),
)

# A protein's gene is known by up to three ids; the most exact one is used. Isoforms (P12345-2)
# count as their protein.
_ID_MAPPING_QUERY = """
with gene as (
    select
        split_part(accession, '-', 1) as accession,
        case id_type when 'Ensembl' then 'ENSEMBL' when 'HGNC' then 'HGNC' else 'ENTREZ' end
            as id_type,
        if(id_type = 'Ensembl', split_part(id, '.', 1), id) as gene_ref
    from lines
    where id_type in ('Ensembl', 'HGNC', 'GeneID')
    qualify rank() over (
        partition by split_part(lines.accession, '-', 1)
        order by case lines.id_type when 'Ensembl' then 1 when 'HGNC' then 2 else 3 end
    ) = 1
)

select distinct
    id_type, gene_ref, 'uniprot_accession' as attribute, accession as item, accession as value
from gene
"""

# The columns of the table's download, in English as UniProt names them.
_TABLE = Layout(
    columns=(
        Column("accession", ("Entry",)),
        Column("domains", ("Domain [FT]",)),
        Column("hgnc_ids", ("HGNC",)),
    ),
)

# Domain [FT]: `DOMAIN 27..113; /note="Ig-like V-type 1"; /evidence="…"; DOMAIN …`.
_TABLE_QUERY = r"""
with protein as (
    select
        accession,
        domains,
        unnest(regexp_extract_all(hgnc_ids, 'HGNC:[0-9]+')) as gene_ref
    from lines
),

domain as (
    select
        gene_ref,
        accession,
        unnest(regexp_extract_all(domains, 'DOMAIN [<>?0-9.]+; /note="[^"]*"')) as domain
    from protein
)

select distinct
    'HGNC' as id_type,
    gene_ref,
    'uniprot_accession' as attribute,
    accession as item,
    accession as value
from protein
union all
select distinct
    'HGNC',
    gene_ref,
    'protein_domain',
    concat(accession, ' ', regexp_extract(domain, 'DOMAIN ([^;]+)', 1)),
    regexp_extract(domain, '/note="([^"]*)"', 1)
from domain
"""

BULK_FILES = (
    BulkFile(
        "uniprot_id_mapping",
        ("HUMAN_9606_idmapping*.dat",),
        parser(_ID_MAPPING, _ID_MAPPING_QUERY),
        no_version,
    ),
    BulkFile("uniprot_table", ("uniprotkb_*.tsv",), parser(_TABLE, _TABLE_QUERY), no_version),
)

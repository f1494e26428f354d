"""MGI: genes of the mouse, their human orthologues, and the phenotypes of their mutants."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, no_version, parser, texts

_MGI_ID = r"\s*MGI:\d+\s*"

# Without a header. Until HomoloGene ended, its id stood third, and later a yes or no after it.
_HUMAN_PHENOTYPE = (
    Layout(
        columns=texts(
            "human_symbol", "entrez_id", "mouse_symbol", "mgi_id", "phenotypes", "end_of_line"
        ),
        first_line=(".+", r"\s*\d+\s*", ".+", _MGI_ID, ".*", ".*"),
    ),
    Layout(
        columns=texts(
            "human_symbol", "entrez_id", "homologene_id", "mouse_symbol", "mgi_id", "phenotypes",
            "end_of_line",
        ),
        first_line=(".+", r"\s*\d+\s*", r"\s*\d*\s*", ".+", _MGI_ID, ".*", ".*"),
    ),
    Layout(
        columns=texts(
            "human_symbol", "entrez_id", "homologene_id", "has_association", "mouse_symbol",
            "mgi_id", "phenotypes", "end_of_line",
        ),
        first_line=(
            ".+", r"\s*\d+\s*", r"\s*\d*\s*", r"\s*(?:yes|no)\s*", ".+", _MGI_ID, ".*", ".*"
        ),
    ),
)  # fmt: skip

# The phenotypes are the top levels of the ontology, without their names.
_HUMAN_PHENOTYPE_QUERY = """
select distinct
    'ENTREZ' as id_type,
    trim(entrez_id) as gene_ref,
    'mouse_phenotype' as attribute,
    unnest(regexp_extract_all(phenotypes, 'MP:[0-9]+')) as item,
    item as value
from lines
union all
select distinct 'ENTREZ', trim(entrez_id), 'mouse_orthologue', trim(mgi_id), trim(mouse_symbol)
from lines
"""

_GENE_PHENOTYPE = Layout(
    columns=texts(
        "allelic_composition", "allele_symbols", "allele_ids", "background", "phenotype",
        "pubmed_id", "mgi_ids", "genotype_id",
    ),
    first_line=(".*", ".*", ".*", ".*", r"MP:\d+", ".*", r"MGI:\d+.*", r"MGI:\d+"),
)  # fmt: skip

_GENE_PHENOTYPE_QUERY = """
select distinct
    'MGI' as id_type,
    unnest(regexp_extract_all(mgi_ids, 'MGI:[0-9]+')) as gene_ref,
    'mouse_phenotype' as attribute,
    phenotype as item,
    phenotype as value
from lines
"""

# Each line ends with a tab more than the header; a missing value is `null`. Markers without a gene
# in Ensembl or at NCBI, as phenotypic ones, are left out.
_MARKER = Layout(
    columns=(
        Column("mgi_id", ("MGI Accession ID",)),
        Column("symbol", ("Marker Symbol",)),
        Column("name", ("Marker Name",)),
        Column("biotype", ("Feature Type",)),
        Column("entrez_id", ("EntrezGene ID",)),
        Column("ensembl_gene_id", ("Ensembl Gene ID",)),
        Column("chromosome", ("Ensembl Gene chromosome",)),
        Column("start", ("Ensembl Gene start",), "bigint"),
        Column("end", ("Ensembl Gene end",), "bigint"),
        Column("strand", ("Ensembl Gene strand",)),
        Column("hgnc_ids", ("HGNC ID",)),
    ),
    missing=("", "null"),
    is_ragged=True,
)

_MARKER_QUERY = """
with gene as (
    select * from lines
    where ensembl_gene_id is not null or entrez_id is not null
),

fact as (
    unpivot (
        select
            mgi_id as gene_ref,
            mgi_id,
            symbol,
            name,
            replace(regexp_replace(biotype, ' gene$', ''), ' ', '_') as biotype,
            entrez_id,
            ensembl_gene_id,
            chromosome,
            cast(start as varchar) as start_position,
            cast("end" as varchar) as end_position,
            strand
        from gene
    ) on columns(* exclude gene_ref) into name attribute value value
)

select 'MGI' as id_type, gene_ref, attribute, '' as item, value from fact
union all
select
    'MGI' as id_type,
    mgi_id as gene_ref,
    'human_orthologue' as attribute,
    unnest(list_distinct(string_split(hgnc_ids, '|'))) as item,
    item as value
from gene
"""

_HOMOLOGY = Layout(
    columns=(
        Column("class_key", ("DB Class Key",)),
        Column("taxon_id", ("NCBI Taxon ID",)),
        Column("symbol", ("Symbol",)),
        Column("entrez_id", ("EntrezGene ID",)),
        Column("mgi_id", ("Mouse MGI ID",)),
        Column("hgnc_id", ("HGNC ID",)),
    ),
)

# Mouse and human genes of a class are orthologues, each of each.
_HOMOLOGY_QUERY = """
with mouse as (
    select * from lines where taxon_id = '10090' and mgi_id is not null
),

fact as (
    unpivot (
        select mgi_id as gene_ref, any_value(symbol) as symbol, any_value(entrez_id) as entrez_id
        from mouse
        group by mgi_id
    ) on symbol, entrez_id into name attribute value value
)

select 'MGI' as id_type, gene_ref, attribute, '' as item, value from fact
union all
select distinct 'MGI', m.mgi_id, 'human_orthologue', h.hgnc_id, h.hgnc_id
from mouse as m
inner join lines as h on m.class_key = h.class_key
where h.taxon_id = '9606' and h.hgnc_id is not null
"""

BULK_FILES = (
    BulkFile(
        "mgi_human_phenotype",
        ("HMD_HumanPhenotype*.rpt",),
        parser(_HUMAN_PHENOTYPE, _HUMAN_PHENOTYPE_QUERY),
        no_version,
    ),
    BulkFile(
        "mgi_gene_phenotype",
        ("MGI_GenePheno*.rpt",),
        parser(_GENE_PHENOTYPE, _GENE_PHENOTYPE_QUERY),
        no_version,
    ),
    BulkFile(
        "mgi_marker", ("HGNC_AllianceHomology*.rpt",), parser(_MARKER, _MARKER_QUERY), no_version
    ),
    BulkFile(
        "mgi_homology",
        ("HOM_MouseHumanSequence*.rpt",),
        parser(_HOMOLOGY, _HOMOLOGY_QUERY),
        no_version,
    ),
)

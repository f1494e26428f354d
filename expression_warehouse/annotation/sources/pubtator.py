"""PubTator and NCBI Gene: publications that name a gene."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, no_version, parser, texts

# 67 million lines without a header, of all species. Mentions are text as the article has it, with
# any byte in it. They are not read; what follows a carriage return in one is no line of its own.
_MENTION = Layout(
    columns=texts("pmid", "concept_type", "gene_ids", "mentions", "resource"),
    first_line=(r"\d+", "Gene", ".*", ".*", ".*"),
    is_ragged=True,
)

_LINK = Layout(
    columns=(
        Column("taxon_id", ("tax_id",)),
        Column("gene_id", ("GeneID",), "integer"),
        Column("pmid", ("PubMed_ID",), "integer"),
    ),
)

# Per gene: the number of publications, and the ten newest: those of the highest PubMed ids.
_PUBLICATIONS = """
publication as (
    select distinct gene_id, pmid from named where gene_id is not null
),

gene as (
    select
        cast(gene_id as varchar) as gene_ref,
        count(*) as publication_count,
        max(pmid, 10) as newest
    from publication
    group by gene_id
)

select
    'ENTREZ' as id_type, gene_ref, 'publication_count' as attribute, '' as item,
    cast(publication_count as varchar) as value
from gene
union all
select 'ENTREZ', gene_ref, 'top_pmid', cast(unnest(newest) as varchar) as pmid, pmid
from gene
"""

# An annotation can name several genes: 2641;3630.
_MENTION_QUERY = f"""
with named as (
    select
        cast(pmid as integer) as pmid,
        try_cast(unnest(string_split(gene_ids, ';')) as integer) as gene_id
    from lines
    where concept_type = 'Gene'
),
{_PUBLICATIONS}
"""

_LINK_QUERY = f"""
with named as (
    select pmid, gene_id from lines where taxon_id = '9606'
),
{_PUBLICATIONS}
"""

BULK_FILES = (
    BulkFile("pubtator_gene", ("gene2pubtator*",), parser(_MENTION, _MENTION_QUERY), no_version),
    BulkFile("ncbi_gene2pubmed", ("gene2pubmed*",), parser(_LINK, _LINK_QUERY), no_version),
)

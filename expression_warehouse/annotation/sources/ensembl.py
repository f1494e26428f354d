"""Genes of Ensembl: the GTF files of GENCODE (current human genes) and Ensembl (mouse, archived
releases), and which gene took the place of a retired one."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import (
    Column,
    Layout,
    no_version,
    parser,
    texts,
    version_in_name,
)

_GTF = Layout(
    columns=(
        *texts("chromosome", "source", "feature"),
        Column("start", type="bigint"),
        Column("end", type="bigint"),
        *texts("score", "strand", "frame", "attributes"),
    ),
    first_line=(".+", ".+", r"\w+", r"\d+", r"\d+", ".+", "[+.-]", ".", "gene_id .*"),
    comment="#",
)

# GENCODE writes versioned ids, gene_type and chr1; Ensembl gene_version, gene_biotype and 1. Until
# release 43, GENCODE has the genes of the pseudoautosomal regions twice, the copy on Y as
# ENSG00000182378.15_PAR_Y or, in old releases, as ENSGR0000182378. A retired gene is one that no
# file of a lower priority number has, so each file says of all its genes whether it is an archive.
_GTF_QUERY = r"""
with gene as (
    select
        *,
        regexp_extract(attributes, 'gene_name "([^"]+)"', 1) as symbol,
        regexp_replace(regexp_extract(attributes, 'gene_id "([^".]+)', 1), '^ENSGR', 'ENSG0')
            as stable_id,
        attributes like '%\_PAR\_Y"%' escape '\' or attributes like 'gene\_id "ENSGR%' escape '\'
            as is_copy_on_y
    from lines
    where feature = 'gene'
),

single as (
    select * from gene
    qualify row_number() over (partition by stable_id order by is_copy_on_y) = 1
)

unpivot (
    select
        'ENSEMBL' as id_type,
        stable_id as gene_ref,
        '' as item,
        if(symbol not in ('', stable_id), symbol, null) as symbol,
        nullif(regexp_extract(attributes, 'gene_(?:bio)?type "([^"]+)"', 1), '') as biotype,
        regexp_replace(regexp_replace(chromosome, '^chr', ''), '^M$', 'MT') as chromosome,
        cast(start as varchar) as start_position,
        cast("end" as varchar) as end_position,
        nullif(strand, '.') as strand,
        nullif(regexp_extract(attributes, 'hgnc_id "([^"]+)"', 1), '') as hgnc_id,
        nullif(regexp_extract(attributes, 'mgi_id "([^"]+)"', 1), '') as mgi_id,
        cast($is_retired as varchar) as is_retired
    from single
) on columns(* exclude (id_type, gene_ref, item)) into name attribute value value
"""

# Dump of Ensembl's table of id changes between releases.
_EVENTS = Layout(
    columns=(
        *texts(
            "old_stable_id", "old_version", "new_stable_id", "new_version", "mapping_session_id",
            "type",
        ),
        Column("score", type="double"),
    ),
    first_line=(
        r"\w+|\\N", r"\d+|\\N", r"\w+|\\N", r"\d+|\\N", r"\d+",
        "gene|transcript|translation|rnaproduct", r"[\d.e-]+",
    ),
    missing=("\\N",),
)  # fmt: skip

# Follows a retired id from release to release; where it was split, the best match counts. The
# newest event of an id decides: an id that came back has no successor.
_EVENTS_QUERY = """
with recursive newest as (
    select old_stable_id, new_stable_id
    from lines
    where type = 'gene' and old_stable_id is not null
    qualify row_number() over (
        partition by old_stable_id
        order by
            cast(mapping_session_id as bigint) desc,
            coalesce(old_stable_id = new_stable_id, false) desc,
            score desc,
            new_stable_id
    ) = 1
),

replaced as (
    select * from newest where new_stable_id <> old_stable_id
),

path as (
    select old_stable_id, new_stable_id, 1 as steps from replaced
    union all
    select p.old_stable_id, r.new_stable_id, p.steps + 1
    from path as p
    inner join replaced as r on p.new_stable_id = r.old_stable_id
    where p.steps < 50 and r.new_stable_id <> p.old_stable_id
)

select
    'ENSEMBL' as id_type,
    old_stable_id as gene_ref,
    'successor' as attribute,
    '' as item,
    arg_max(new_stable_id, steps) as value
from path
group by old_stable_id
"""


def _current(name: str, *patterns: str, release: str) -> BulkFile:
    return BulkFile(
        name=name,
        patterns=patterns,
        parse=parser(_GTF, _GTF_QUERY, is_retired="0"),
        version=version_in_name(release),
    )


def _archived(name: str, pattern: str) -> BulkFile:
    return BulkFile(
        name=name,
        patterns=(pattern,),
        parse=parser(_GTF, _GTF_QUERY, is_retired="1"),
        version=version_in_name(_ENSEMBL_RELEASE),
    )


_ENSEMBL_RELEASE = r"\.GRC[hm]\d+\.(\d+)\."

BULK_FILES = (
    _current(
        "gencode_human",
        "gencode.v[0-9]*.chr_patch_hapl_scaff.annotation.gtf",
        "gencode.v[0-9]*.annotation.gtf",
        release=r"gencode\.v(\d+)",
    ),
    _current("ensembl_mouse", "Mus_musculus.GRCm39.[0-9]*.gtf", release=_ENSEMBL_RELEASE),
    _archived("ensembl_human_100", "Homo_sapiens.GRCh38.100.gtf"),
    _archived("ensembl_human_93", "Homo_sapiens.GRCh38.93.gtf"),
    _archived("ensembl_human_84", "Homo_sapiens.GRCh38.84.gtf"),
    _archived("ensembl_mouse_100", "Mus_musculus.GRCm38.100.gtf"),
    BulkFile(
        name="ensembl_events_human",
        patterns=("stable_id_event.txt",),
        parse=parser(_EVENTS, _EVENTS_QUERY),
        version=no_version,
    ),
)

"""gnomAD: how much fewer variants of a kind a human gene has than expected."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, parser, texts, version_in_name

# Release 4.1.1 writes some names without `lof.`.
_LAYOUT = Layout(
    columns=(
        *texts("gene_id", "transcript"),
        Column("canonical", type="boolean"),
        Column("mane_select", type="boolean"),
        Column("pli", ("lof.pLI", "pLI"), "double"),
        Column("oe_lof", ("lof.oe",), "double"),
        Column("loeuf", ("lof.oe_ci.upper",), "double"),
        Column("lof_z", ("lof.z_score",), "double"),
        Column("mis_z", ("mis.z_score",), "double"),
        Column("syn_z", ("syn.z_score",), "double"),
        Column("oe_mis", ("mis.oe",), "double"),
        Column("oe_syn", ("syn.oe",), "double"),
        *texts("constraint_flags"),
    ),
    missing=("", "NA"),
)

# One transcript stands for a gene: MANE Select, else the canonical one. Rows of RefSeq transcripts,
# whose gene_id is an Entrez id, repeat those of Ensembl.
_QUERY = """
with chosen as (
    select *, split_part(gene_id, '.', 1) as gene_ref
    from lines
    where gene_id like 'ENSG%' and (mane_select or canonical)
    qualify row_number() over (
        partition by split_part(gene_id, '.', 1)
        order by coalesce(mane_select, false) desc, coalesce(canonical, false) desc, transcript
    ) = 1
)

unpivot (
    select
        'ENSEMBL' as id_type,
        gene_ref,
        '' as item,
        cast(pli as varchar) as pli,
        cast(loeuf as varchar) as loeuf,
        cast(lof_z as varchar) as lof_z,
        cast(mis_z as varchar) as mis_z,
        cast(syn_z as varchar) as syn_z,
        cast(oe_lof as varchar) as oe_lof,
        cast(oe_mis as varchar) as oe_mis,
        cast(oe_syn as varchar) as oe_syn,
        transcript as constraint_transcript,
        nullif(constraint_flags, '[]') as constraint_flags
    from chosen
) on columns(* exclude (id_type, gene_ref, item)) into name attribute value value
"""

BULK_FILES = (
    BulkFile(
        name="gnomad_constraint",
        patterns=("gnomad.v4*.constraint_metrics*.tsv",),
        parse=parser(_LAYOUT, _QUERY),
        version=version_in_name(r"gnomad\.v(\d+(?:\.\d+)*)\."),
    ),
)

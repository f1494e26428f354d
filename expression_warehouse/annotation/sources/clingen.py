"""ClinGen: whether a human gene causes a disease, and whether its dosage matters."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, parser, version_in_text

_VALIDITY = Layout(
    columns=(
        Column("hgnc_id", ("GENE ID (HGNC)",)),
        Column("disease_label", ("DISEASE LABEL",)),
        Column("disease_id", ("DISEASE ID (MONDO)",)),
        Column("inheritance", ("MOI",)),
        Column("classification", ("CLASSIFICATION",)),
        Column("evaluated_at", ("CLASSIFICATION DATE",)),
    ),
    separator=",",
    quote='"',
)

# A gene has one row per disease and mode of inheritance; the newest counts if panels differ. Rows
# of plus signs frame the header.
_VALIDITY_QUERY = """
with curation as (
    select *, concat_ws(' ', disease_id, inheritance) as item
    from lines
    where hgnc_id like 'HGNC:%'
    qualify row_number() over (
        partition by hgnc_id, disease_id, inheritance order by evaluated_at desc, classification
    ) = 1
)

select 'HGNC' as id_type, hgnc_id as gene_ref, attribute, item, value
from (
    unpivot (
        select
            hgnc_id,
            item,
            classification as gene_validity,
            disease_label as gene_validity_disease
        from curation
    ) on gene_validity, gene_validity_disease into name attribute value value
)
"""

_DOSAGE = Layout(
    columns=(
        Column("gene_id", ("Gene ID",)),
        Column("haploinsufficiency", ("Haploinsufficiency Score",)),
        Column("haploinsufficiency_meaning", ("Haploinsufficiency Description",)),
        Column("triplosensitivity", ("Triplosensitivity Score",)),
        Column("triplosensitivity_meaning", ("Triplosensitivity Description",)),
    ),
    is_ragged=True,
)

# A score is a category, as 3 or 30, or text, as `Not yet evaluated`.
_DOSAGE_QUERY = """
unpivot (
    select
        'ENTREZ' as id_type,
        gene_id as gene_ref,
        '' as item,
        haploinsufficiency,
        haploinsufficiency_meaning,
        triplosensitivity,
        triplosensitivity_meaning
    from lines
) on columns(* exclude (id_type, gene_ref, item)) into name attribute value value
"""

BULK_FILES = (
    BulkFile(
        name="clingen_validity",
        patterns=("Clingen-Gene-Disease-Summary*.csv",),
        parse=parser(_VALIDITY, _VALIDITY_QUERY),
        version=version_in_text(r"FILE CREATED: (\d{4}-\d{2}-\d{2})"),
    ),
    BulkFile(
        name="clingen_dosage",
        patterns=("ClinGen_gene_curation_list_GRCh38.tsv",),
        parse=parser(_DOSAGE, _DOSAGE_QUERY),
        version=version_in_text(r"#(\d{1,2} \w{3},\s*\d{4})", "%d %b,%Y"),
    ),
)

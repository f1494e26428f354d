"""ClinVar: how many variants of a human gene are reported, and how many are pathogenic."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Column, Layout, parser, texts, version_in_text

_LAYOUT = Layout(
    columns=(
        *texts("GeneID"),
        Column("total_submissions", ("Total_submissions",), "bigint"),
        Column("total_alleles", ("Total_alleles",), "bigint"),
        Column("pathogenic_alleles", ("Alleles_reported_Pathogenic_Likely_pathogenic",), "bigint"),
        Column("uncertain_alleles", ("Number_uncertain",), "bigint"),
        Column("conflicting_alleles", ("Number_with_conflicts",), "bigint"),
        *texts("Gene_MIM_number"),
    ),
    missing=("", "-"),
)

# A gene of the pseudoautosomal regions is there once per MIM number, with the same counts.
_QUERY = """
with gene as (
    select * from lines
    qualify row_number() over (partition by GeneID order by Gene_MIM_number) = 1
),

fact as (
    unpivot (
        select
            GeneID as gene_ref,
            cast(total_submissions as varchar) as total_submissions,
            cast(total_alleles as varchar) as total_alleles,
            cast(pathogenic_alleles as varchar) as pathogenic_alleles,
            cast(uncertain_alleles as varchar) as uncertain_alleles,
            cast(conflicting_alleles as varchar) as conflicting_alleles
        from gene
    ) on columns(* exclude gene_ref) into name attribute value value
)

select 'ENTREZ' as id_type, gene_ref, attribute, '' as item, value from fact
union all
select distinct 'ENTREZ', GeneID, 'omim_id', Gene_MIM_number, Gene_MIM_number
from lines
where Gene_MIM_number is not null
"""

BULK_FILES = (
    BulkFile(
        name="clinvar_gene_summary",
        patterns=("gene_specific_summary*.txt",),
        parse=parser(_LAYOUT, _QUERY),
        version=version_in_text(r"by gene, dated (\w+ \d+, \d{4})", "%B %d, %Y"),
    ),
)

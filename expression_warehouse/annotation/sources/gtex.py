"""GTEx: median expression of a human gene per tissue."""

from expression_warehouse.annotation.bulk_file import BulkFile
from expression_warehouse.annotation.reading import Layout, parser, texts, version_in_name

# GCT: two lines of format and size, then a header with a column per tissue, whatever their names.
_LAYOUT = Layout(columns=texts("Name", "Description"), other_type="double")

# Genes of the pseudoautosomal regions are there twice: the copy on Y as ENSG00000182378.14_PAR_Y.
_QUERY = r"""
with gene as (
    select
        * exclude (Name, Description),
        split_part(Name, '.', 1) as gene_ref
    from lines
    qualify row_number() over (
        partition by split_part(Name, '.', 1) order by Name like '%\_PAR\_Y' escape '\'
    ) = 1
)

select
    'ENSEMBL' as id_type, gene_ref, 'median_tpm' as attribute, item, cast(tpm as varchar) as value
from (unpivot gene on columns(* exclude gene_ref) into name item value tpm)
"""

BULK_FILES = (
    BulkFile(
        name="gtex_median_tpm",
        patterns=("GTEx_Analysis_*_gene_median_tpm.gct", "gtex_*.gct"),
        parse=parser(_LAYOUT, _QUERY),
        version=version_in_name(r"_v(\d+)_"),
    ),
)

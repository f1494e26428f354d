"""Genes of the warehouse by any of their names: symbols, ids, aliases, previous symbols."""

import re
from dataclasses import dataclass

from expression_warehouse.core.warehouse.base import Warehouse

# ENSG00000114013.16 and ENSG00000182378.15_PAR_Y are ENSG00000114013 and ENSG00000182378.
_VERSION = re.compile(r"^(ENS[A-Z]*G[0-9]+)\.[0-9]+(?:_PAR_Y)?$", re.IGNORECASE)

_NAMES = """
select
    i.identifier_key,
    i.organism,
    g.gene_key,
    g.gene_id,
    case when i.is_ambiguous = 1 then 1 else 0 end as is_ambiguous
from {dim}.gene_identifier as i
inner join {dim}.dim_gene as g on i.gene_id = g.gene_id
union
select
    upper(g.gene_id) as identifier_key,
    null as organism,
    g.gene_key,
    g.gene_id,
    0 as is_ambiguous
from {dim}.dim_gene as g
"""


def plain_name(name: str) -> str:
    """A gene's name without blanks around it; of an Ensembl id, without its version.

    ' ENSG00000114013.16 '  ->  'ENSG00000114013'
    """
    return _VERSION.sub(r"\1", name.strip())


@dataclass(frozen=True)
class Gene:
    """A gene that a name can mean.

    organism      None if no bulk file has the gene
    is_ambiguous  whether the name alone means another gene, or several
    """

    gene_key: int
    gene_id: str
    organism: str | None
    is_ambiguous: bool


class GeneNames:
    """The names of the genes of dim_gene, as dim.gene_identifier has them.

    Raises UserError 4008 if no build has made these tables.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._genes: dict[str, list[Gene]] = {}
        for batch in warehouse.read(_NAMES).to_batches():
            for row in batch.to_pylist():
                name = row.pop("identifier_key")
                gene = Gene(**row | {"is_ambiguous": row["is_ambiguous"] == 1})
                self._genes.setdefault(name, []).append(gene)

    def find(self, name: str, organism: str) -> tuple[int | None, list[str]]:
        """The key of the gene that a name means in an organism, and the ids of the genes that have
        the name. Without a key, the name is unknown if there are none, else ambiguous.

        'cd86', 'HOMO_SAPIENS'  ->  4216, ['ENSG00000114013']
        """
        named = self._genes.get(plain_name(name).upper(), [])
        found = [gene for gene in named if gene.organism in (organism, None)]
        ids = sorted({gene.gene_id for gene in found})
        keys = {gene.gene_key for gene in found if not gene.is_ambiguous}
        return (keys.pop() if len(keys) == 1 else None), ids

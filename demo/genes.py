"""Names of the simulated genes, as files in layouts that `annotation update --from` reads."""

from collections.abc import Sequence
from pathlib import Path

from demo.design import CD86, INVENTED_GENES, MOUSE_GENES, MS4A4A

ANNOTATION_FOLDER = "annotation"

_HUMAN_HEADER = (
    "ensembl_gene_id", "name", "biotype", "chromosome", "start", "end", "strand", "source",
    "hgnc_id", "hgnc_symbol", "hgnc_name", "entrez_id", "cytoband",
)  # fmt: skip
_MOUSE_HEADER = (
    "MGI Accession ID", "Marker Symbol", "Marker Name", "Feature Type", "EntrezGene ID",
    "NCBI Gene chromosome", "NCBI Gene start", "NCBI Gene end", "NCBI Gene strand",
    "Ensembl Gene ID", "Ensembl Gene chromosome", "Ensembl Gene start", "Ensembl Gene end",
    "Ensembl Gene strand", "CCDS IDs", "HGNC ID",
)  # fmt: skip

# As Ensembl and HGNC have them.
_REAL = (
    (MS4A4A, "MS4A4A", "protein_coding", "chr11", "60185657", "60318080", "+", "GENCODE48",
     "HGNC:13371", "MS4A4A", "membrane spanning 4-domains A4A", "51338", "11q12.2"),
    (CD86, "CD86", "protein_coding", "chr3", "122055362", "122121139", "+", "GENCODE48",
     "HGNC:1705", "CD86", "CD86 molecule", "942", "3q13.33"),
)  # fmt: skip
# Beyond the numbers that HGNC, Entrez and MGI have assigned.
_FIRST_NUMBER = 900_000_000
_GENE_LENGTH = 5_000


def write_gene_names(folder: Path) -> None:
    """Write the bulk files of the simulated genes.

    folder/gene_table.tsv                human genes: MS4A4A, CD86, DEMO1, DEMO2, …
    folder/HGNC_AllianceHomology.rpt     mouse genes: Demo1, Demo2, …, each the orthologue of the
                                         human gene of its number

    Raises OSError if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    human = [_human(number, gene) for number, gene in enumerate(INVENTED_GENES, start=1)]
    mouse = [_mouse(number, gene) for number, gene in enumerate(MOUSE_GENES, start=1)]
    _write(folder / "gene_table.tsv", [_HUMAN_HEADER, *_REAL, *human])
    _write(folder / "HGNC_AllianceHomology.rpt", [_MOUSE_HEADER, *mouse])


def symbol_of(gene: str) -> str:
    """The symbol of a simulated gene."""
    names = {row[0]: row[1] for row in _REAL}
    names |= {gene: f"DEMO{number}" for number, gene in enumerate(INVENTED_GENES, start=1)}
    names |= {gene: f"Demo{number}" for number, gene in enumerate(MOUSE_GENES, start=1)}
    return names[gene]


def _human(number: int, gene: str) -> Sequence[str]:
    start = number * 2 * _GENE_LENGTH
    return (
        gene, symbol_of(gene), "protein_coding", "chr1", str(start), str(start + _GENE_LENGTH), "+",
        "simulated", f"HGNC:{_FIRST_NUMBER + number}", symbol_of(gene),
        f"demonstration gene {number}", str(_FIRST_NUMBER + number), "",
    )  # fmt: skip


def _mouse(number: int, gene: str) -> Sequence[str]:
    start, end = str(number * 2 * _GENE_LENGTH), str((number * 2 + 1) * _GENE_LENGTH)
    return (
        f"MGI:{_FIRST_NUMBER + number}", symbol_of(gene), f"demonstration gene {number}",
        "protein coding gene", str(_FIRST_NUMBER + 1000 + number), "1", start, end, "+", gene, "1",
        start, end, "+", "null", f"HGNC:{_FIRST_NUMBER + number}",
    )  # fmt: skip


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    text = "".join("\t".join(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")

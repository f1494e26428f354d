"""Random names of random genes resolve as a model in plain Python of the rules has it."""

import random
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from conftest import Study
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

KINDS = ["SYMBOL", "PREVIOUS_SYMBOL", "ALIAS_SYMBOL", "ENTREZ", "HGNC"]
# Few names for many genes, so that most are shared; some are numbers.
NAMES = [*(f"Nm{n}" for n in range(45)), *(f"n-{n}.1" for n in range(10)), "9001", "9002", "9003"]


@dataclass(frozen=True)
class Gene:
    """A gene of the annotation.

    source  HGNC named it; Ensembl alone has it; RETIRED: an archived file of Ensembl alone has it
    """

    number: int
    source: str
    symbol: str | None
    previous: frozenset[str] = field(default_factory=frozenset)
    aliases: frozenset[str] = field(default_factory=frozenset)

    @property
    def gene_id(self) -> str:
        return f"ENSG{self.number:011}"

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """As the files of annotation are staged."""
        if self.source != "HGNC":
            bulk_file = "gencode_human" if self.source == "ENSEMBL" else "ensembl_human_100"
            ref = (bulk_file, "ENSEMBL", self.gene_id)
            rows = [(*ref, "is_retired", "", str(int(self.source == "RETIRED")))]
            return rows + ([(*ref, "symbol", "", self.symbol)] if self.symbol else [])
        ref = ("hgnc_complete_set", "HGNC", f"HGNC:{self.number}")
        return [
            (*ref, "ensembl_gene_id", "", self.gene_id),
            (*ref, "entrez_id", "", str(9000 + self.number)),
            *([(*ref, "symbol", "", self.symbol)] if self.symbol else []),
            *((*ref, "previous_symbol", name, name) for name in sorted(self.previous)),
            *((*ref, "alias_symbol", name, name) for name in sorted(self.aliases)),
        ]

    def names(self) -> list[tuple[str, str, int]]:
        """Name in upper case, its kind, and its standing: 1 is the best."""
        standing = {"HGNC": 1, "ENSEMBL": 2, "RETIRED": 3}[self.source]
        found = [(self.symbol, "SYMBOL", standing)] if self.symbol else []
        found += [(name, "PREVIOUS_SYMBOL", 3) for name in self.previous]
        found += [(name, "ALIAS_SYMBOL", 3) for name in self.aliases]
        if self.source == "HGNC":
            found += [(f"HGNC:{self.number}", "HGNC", 1), (str(9000 + self.number), "ENTREZ", 1)]
        return [(name.upper(), kind, rank) for name, kind, rank in found]


names = st.sampled_from(NAMES)
few_names = st.frozensets(names, max_size=3)
tables = st.lists(
    st.one_of(
        st.tuples(st.just("HGNC"), st.none() | names, few_names, few_names),
        st.tuples(
            st.sampled_from(["ENSEMBL", "RETIRED"]), st.none() | names, st.just(frozenset()), st.just(frozenset())
        ),
    ),
    min_size=30,
    max_size=60,
)  # fmt: skip


def model(genes: list[Gene], name: str, is_entrez: bool) -> tuple[str, str]:
    """The gene of an id, and by which kind of name it is known."""
    if name.startswith("ENSG"):
        return name.split(".")[0], "ENSEMBL"
    key = name.upper()
    standing: dict[str, int] = {}
    kinds: dict[str, set[str]] = defaultdict(set)
    for gene in genes:
        for other, kind, rank in gene.names():
            if other == key:
                standing[gene.gene_id] = min(rank, standing.get(gene.gene_id, rank))
                kinds[gene.gene_id].add(kind)
    allowed = {kind for kind in KINDS if is_entrez or kind != "ENTREZ"}
    if not any(found & allowed for found in kinds.values()):
        return name, "UNKNOWN"
    best = [gene for gene, rank in standing.items() if rank == min(standing.values())]
    known = [kind for kind in KINDS if kind in kinds[best[0]] & allowed]
    if len(best) > 1 or not known:
        return name, "AMBIGUOUS"
    return best[0], known[0]


def draw_tables(count: int) -> list[list[Gene]]:
    found: list[list[Gene]] = []

    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(tables)
    def draw(table: list[tuple]) -> None:
        found.append([Gene(number, *fields) for number, fields in enumerate(table, start=1)])

    draw()
    return found


@pytest.mark.parametrize("count", [2, pytest.param(25, marks=pytest.mark.long)])
def test_ids_resolve_as_the_rules_say(warehouse, count):
    """Each table is the annotation of the same two studies, which are loaded anew."""
    dice = random.Random(1)
    texts = [
        *NAMES,
        "unknown",
        "HGNC:1",
        "hgnc:2",
        "HGNC:9999",
        "ENSG00000000001.7",
        "ENSG00000000077",
    ]
    texts = [
        dice.choice([str.upper, str.lower, str])(text) if "ENSG" not in text else text
        for text in texts
    ]
    numbers = [str(9000 + n) for n in range(1, 70)] + ["12"]
    for accession, ids in (("WORDS", texts), ("NUMBERS", numbers)):
        Study(
            accession,
            samples=[f"{accession}-{n}" for n in range(2)],
            genes=ids,
            values=[[f"{n}.5", f"{n}.25"] for n in range(len(ids))],
        ).write(warehouse.folder / "downloads" / accession)
    config = warehouse.folder / "pipeline.yaml"
    config.write_text("studies: {WORDS: {units: TPM}, NUMBERS: {units: TPM}}")
    downloads = warehouse.folder / "downloads"
    for number, genes in enumerate(draw_tables(count)):
        loaded = warehouse.loader("ingest", downloads, "--config", config, "--reload")
        assert loaded.exit_code == 0, loaded.output
        # The file of HGNC alone names every kind; the others may be empty in a draw.
        rows = [row for gene in genes for row in gene.rows()]
        absent = {"hgnc_complete_set", "gencode_human", "ensembl_human_100"} - {r[0] for r in rows}
        warehouse.query_write(
            *(f"delete from staging.annotation_{t} where bulk_file = '{f}'" for f in absent for t in ("file", "value"))
        )  # fmt: skip
        warehouse.annotate(*rows, file_hash=f"h{number}")
        warehouse.build("--select", "+int_gene_line")
        found = {
            (study, name): (gene, kind)
            for study, name, gene, kind in warehouse.query(
                "select study_accession_code, source_gene_id, gene_id, resolved_by from staging.int_gene_line"
            )
        }
        expected = {
            **{("WORDS", name): model(genes, name, False) for name in texts},
            **{("NUMBERS", name): model(genes, name, True) for name in numbers},
        }
        assert found == expected, genes

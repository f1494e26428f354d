"""Symbols, earlier symbols, aliases and Entrez ids become genes when a study is loaded, by the annotation of its
organism; what is unknown or ambiguous stays, and a reload resolves what a better annotation knows."""

import shutil
from pathlib import Path

import pytest
from conftest import EXPRESSION, Study, WarehouseUnderTest, events

CAT, DOG, COW = (f"ENSG{n:011}" for n in (1, 2, 3))
MOUSE_CAT = "ENSMUSG00000000001"


def human(number: int, gene: str, symbol: str, **names: tuple[str, ...]) -> list[tuple]:
    """A gene as HGNC's file has it."""
    ref = ("hgnc_complete_set", "HGNC", f"HGNC:{number}")
    single = {"symbol": symbol, "ensembl_gene_id": gene, "entrez_id": str(9000 + number)}
    rows = [(*ref, attribute, "", value) for attribute, value in single.items()]
    return rows + [
        (*ref, attribute, value, value) for attribute, values in names.items() for value in values
    ]


FEW = human(1, CAT, "CAT1", previous_symbol=("CATOLD",), alias_symbol=("PET", "DOG1"))
ALL = [
    *FEW,
    *human(2, DOG, "DOG1", alias_symbol=("PET", "Woof")),
    *human(3, COW, "COW1", previous_symbol=("MOO",)),
]
MOUSE = [
    ("mgi_marker", "MGI", "MGI:1", "symbol", "", "Cat1"),
    ("mgi_marker", "MGI", "MGI:1", "ensembl_gene_id", "", MOUSE_CAT),
    ("mgi_marker", "MGI", "MGI:1", "entrez_id", "", "9001"),
]

SYMBOLS = {
    "cat1": CAT,
    "CATOLD": CAT,
    "DOG1": DOG,
    "Woof": DOG,
    "MOO": COW,
    "PET": "PET",
    "LOC100": "LOC100",
    f"{COW}.4": COW,
}
NUMBERS = {"9001": CAT, "9002": DOG, "9999": "9999", "1": "1"}


class OrganismStudy(Study):
    organism = "HOMO_SAPIENS"

    def metadata(self) -> dict:
        metadata = super().metadata()
        metadata["experiments"][self.accession]["organisms"] = [self.organism]
        for sample in metadata["samples"].values():
            sample["refinebio_organism"] = self.organism
        return metadata


def study(accession: str, genes: dict[str, str], organism: str = "HOMO_SAPIENS") -> Study:
    made = OrganismStudy(
        accession,
        samples=[f"{accession}-{n}" for n in range(2)],
        genes=list(genes),
        values=[[f"{2**n}", f"{3**n}"] for n in range(len(genes))],
    )
    made.organism = organism
    return made


STUDIES = [
    study("SYMBOLS", SYMBOLS),
    study("COUNTS", SYMBOLS),
    study("MAX", SYMBOLS),
    study("REFUSED", SYMBOLS),
    study("NUMBERS", NUMBERS),
    study("MOUSE", {"Cat1": MOUSE_CAT, "DOG1": "DOG1"}, "MUS_MUSCULUS"),
    study("MOUSENUMBERS", {"9001": MOUSE_CAT, "9002": "9002"}, "MUS_MUSCULUS"),
    study("FISH", {"cat1": "cat1"}, "DANIO_RERIO"),
    study("ENSEMBL", {CAT: CAT, f"{DOG}.3": DOG}),
]
CONFIG = """studies:
  SYMBOLS: {units: TPM}
  COUNTS: {units: COUNTS}
  MAX: {units: TPM, duplicate_genes: max}
  REFUSED: {units: TPM, duplicate_genes: refuse}
  NUMBERS: {units: TPM}
  MOUSE: {units: TPM}
  MOUSENUMBERS: {units: TPM}
  FISH: {units: TPM}
  ENSEMBL: {units: TPM}
"""


def build(warehouse: WarehouseUnderTest) -> str:
    return warehouse.build(
        "--select", *EXPRESSION, "meta_gene_id", "vw_gene_ids", "vw_finding",
        "+rule_genes_resolved", "+rule_genes_changed", "int_source_finding",
    )  # fmt: skip


def genes_of(warehouse: WarehouseUnderTest, accession: str) -> dict[str, float]:
    """Gene → value of the study's first sample, in the source's unit."""
    rows = warehouse.query(
        "select g.gene_id, f.expression_value_raw from fact.fact_gene_expression as f"
        " inner join dim.dim_gene as g on f.gene_key = g.gene_key"
        " inner join dim.dim_sample as s on f.sample_key = s.sample_key"
        f" where s.sample_accession_code = '{accession}-0'"
    )
    return dict(rows)


def found(warehouse: WarehouseUnderTest, code: int) -> dict[str, str]:
    """Study → the newest finding of a code."""
    return dict(
        warehouse.query(
            f"select study_accession_code, finding from meta.vw_finding where error_code = {code}"
            " order by created_at"
        )
    )


def changed(warehouse: WarehouseUnderTest) -> dict[str, int]:
    """Study → number of ids that a reload would change, as its finding says."""
    rows = warehouse.query(
        "select study_accession_code, finding from validation.rule_genes_changed"
    )
    return {accession: int(text.split()[0]) for accession, text in rows}


@pytest.fixture(scope="module")
def states(tmp_path_factory) -> dict[str, WarehouseUnderTest]:
    """The warehouse of the studies: loaded without annotation, then with some, then reloaded with all."""
    folder: Path = tmp_path_factory.mktemp("names")
    config = folder / "pipeline.yaml"
    config.write_text(CONFIG)
    for member in STUDIES:
        member.write(folder / "downloads" / member.accession)
    made = {}
    warehouse = None
    for state in ("bare", "better", "reloaded"):
        (folder / state).mkdir()
        last, warehouse = warehouse, WarehouseUnderTest(folder / state)
        if last:
            shutil.copy(last.path, warehouse.path)
        if state == "better":
            warehouse.annotate(*ALL)
            warehouse.annotate(*MOUSE)
        else:
            arguments = ["--reload"] if last else []
            result = warehouse.loader(
                "ingest", folder / "downloads", "--config", config, *arguments
            )
            assert result.exit_code == 0, result.output
            if last:
                restaged = {event["study_accession"] for event in events(result, "restaged")}
                assert restaged == {member.accession for member in STUDIES}
        build(warehouse)
        made[state] = warehouse
    return made


def test_without_annotation_ids_stay_and_a_finding_says_so(states):
    bare = states["bare"]
    assert set(genes_of(bare, "SYMBOLS")) == {gene.split(".")[0] for gene in SYMBOLS}
    messages = found(bare, 2022)
    assert set(messages) == {
        "SYMBOLS", "COUNTS", "MAX", "REFUSED", "NUMBERS", "MOUSE", "MOUSENUMBERS",
    }  # fmt: skip
    assert messages["MOUSE"] == (
        "2 gene ids not of Ensembl, as Cat1, DOG1; no gene annotation of MUS_MUSCULUS is loaded"
    )
    assert found(bare, 2021) == changed(bare) == {}


def test_a_loaded_study_stays_and_a_finding_counts_what_a_reload_would_change(states):
    better = states["better"]
    assert genes_of(better, "SYMBOLS") == genes_of(states["bare"], "SYMBOLS")
    assert changed(better) == {
        "SYMBOLS": 5, "COUNTS": 5, "MAX": 5, "REFUSED": 5, "NUMBERS": 2, "MOUSE": 1, "MOUSENUMBERS": 1,
    }  # fmt: skip
    counts = "select changed_count, unknown_count from meta.vw_gene_ids"
    assert better.query(f"{counts} where study_accession_code = 'SYMBOLS'") == [(5, 7)]


@pytest.mark.parametrize(
    ("accession", "cat", "dog", "cow"),
    [
        # Lines 1 and 2 are a cat, 3 and 4 a dog, 5 and 8 a cow; line n + 1 has the value 2**n.
        ("SYMBOLS", 1.5, 6, 72),
        ("COUNTS", 3, 12, 144),
        ("MAX", 2, 8, 128),
    ],
)
def test_names_of_one_gene_are_one_value(states, accession, cat, dog, cow):
    expected = {CAT: cat, DOG: dog, COW: cow, "PET": 32, "LOC100": 64}
    assert genes_of(states["reloaded"], accession) == expected


def test_several_names_of_one_gene_are_refused_if_the_study_says_so(states):
    assert states["reloaded"].query(
        "select status from staging.batch where study_accession_code = 'REFUSED'"
    ) == [("QUARANTINED",)]


def test_entrez_ids_and_symbols_are_those_of_the_organism(states):
    reloaded = states["reloaded"]
    assert set(genes_of(reloaded, "NUMBERS")) == set(NUMBERS.values())
    assert set(genes_of(reloaded, "MOUSE")) == {MOUSE_CAT, "DOG1"}
    assert set(genes_of(reloaded, "MOUSENUMBERS")) == {MOUSE_CAT, "9002"}
    assert set(genes_of(reloaded, "FISH")) == {"cat1"}


def test_ids_that_are_not_resolved_are_counted_and_named(states):
    reloaded = states["reloaded"]
    messages = found(reloaded, 2021)
    assert set(messages) == {
        "SYMBOLS", "COUNTS", "MAX", "REFUSED", "NUMBERS", "MOUSE", "MOUSENUMBERS",
    }  # fmt: skip
    assert messages["SYMBOLS"] == (
        "of 7 gene ids not of Ensembl, 5 are resolved (2 by symbol, 2 by previous symbol,"
        " 1 by alias, 0 by Entrez id); ambiguous: 1 (as PET); unknown: 1 (as LOC100)"
    )
    assert reloaded.query(
        "select gene_id_form, ensembl_count, symbol_count, previous_symbol_count, alias_symbol_count,"
        " entrez_count, ambiguous_count, unknown_count, changed_count from meta.vw_gene_ids"
        " where study_accession_code in ('ENSEMBL', 'NUMBERS', 'SYMBOLS') order by study_accession_code"
    ) == [
        ("ENSEMBL_VERSIONED", 2, 0, 0, 0, 0, 0, 0, 0),
        ("ENTREZ", 0, 0, 0, 0, 2, 0, 2, 0),
        ("MIXED", 1, 2, 2, 1, 0, 1, 1, 0),
    ]


def test_what_is_read_is_what_is_kept_or_merged_after_a_reload(states):
    rows = states["reloaded"].query(
        "select b.study_accession_code, b.row_count, coalesce(b.merged_count, 0), b.null_count, count(*)"
        " from staging.batch as b inner join fact.fact_gene_expression as f on b.batch_id = f.batch_id"
        " where b.status = 'LOADED' group by all"
    )
    assert len(rows) == len(STUDIES) - 1
    for accession, read, merged, missing, kept in rows:
        assert read == kept + merged + missing, accession
        assert merged == (6 if accession in ("SYMBOLS", "COUNTS", "MAX") else 0)


def test_nothing_is_left_to_reload(states):
    assert changed(states["reloaded"]) == {}

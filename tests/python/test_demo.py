"""The simulated studies: same seed, same bytes; real downloads to the loader; pairs to be found."""

import csv
import dataclasses
import json
import re
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import WarehouseUnderTest
from warehouses import built_demo

from demo.__main__ import main
from demo.design import (
    CD86,
    CORRELATED_IN,
    GENES,
    HUMAN,
    MOUSE,
    MOUSE_PAIRS,
    MS4A4A,
    PLANTED_PAIRS,
    STUDIES,
    Study,
)
from demo.download import CONFIG_FILE, PLANTED_PAIRS_FILE, write_downloads
from demo.genes import symbol_of
from demo.pairs import TESTS, PairResult, discovery, ranked_pairs
from demo.simulate import simulate
from expression_warehouse.cli import main as commands
from expression_warehouse.core.config import PipelineConfig, StudyConfig
from expression_warehouse.core.warehouse.duckdb import DuckDBSession, DuckDBStudyLoad
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from expression_warehouse.core.warehouse.numbered_rows import MatrixKeys
from expression_warehouse.core.warehouse.study_load import UnitLabels, UnitVerdict
from loader.discovery import discover
from loader.source.download import FolderDownload
from loader.source.metadata import AggregatedMetadata

HUMAN_SLICES = ("SEPSIS MICROARRAY HOMO_SAPIENS", "SEPSIS RNA-SEQ HOMO_SAPIENS")
MOUSE_SLICE = "MOUSE_COLITIS RNA-SEQ MUS_MUSCULUS"

TOP_KEYS = (
    "aggregate_by created_at experiments samples ks_pvalue ks_statistic ks_warning "
    "num_experiments num_samples quant_sf_only quantile_normalized scale_by"
)
EXPERIMENT_KEYS = (
    "accession_code description has_publication organisms protocol_description publication_doi "
    "publication_title pubmed_id sample_accession_codes source_first_published "
    "source_last_modified submitter_institution technology title"
)
SAMPLE_KEYS = (
    "accession_code age annotations cell_line compound developmental_stage disease disease_stage "
    "genetic_information organism platform processed processor_id processor_name "
    "processor_version race sex source_archive_url source_database specimen_part subject time "
    "title treatment"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    write_downloads(folder, seed=1)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def matrix_genes(accession: str) -> tuple[str, ...]:
    (study,) = (study for study in STUDIES if study.accession == accession)
    return study.organism.genes


def average_ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, np.newaxis] > values).sum(axis=1)
    equal = (values[:, np.newaxis] == values).sum(axis=1)
    return below + (equal + 1) / 2


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    complete = ~np.isnan(x) & ~np.isnan(y)
    return np.corrcoef(average_ranks(x[complete]), average_ranks(y[complete]))[0, 1]


def test_same_seed_same_bytes(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["simulate", str(tmp_path / "new" / "again")])
    assert result.exit_code == 0, result.output
    assert files(tmp_path / "new" / "again") == files(folder)


def test_other_seed_other_values_same_truth(folder: Path, tmp_path: Path) -> None:
    write_downloads(tmp_path, seed=2)
    first, second = files(folder), files(tmp_path)
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] == second[name]} == {
        CONFIG_FILE,
        PLANTED_PAIRS_FILE,
        "annotation/gene_table.tsv",
        "annotation/HGNC_AllianceHomology.rpt",
    }


def test_layout(folder: Path) -> None:
    expected = {CONFIG_FILE, PLANTED_PAIRS_FILE}
    expected |= {"annotation/gene_table.tsv", "annotation/HGNC_AllianceHomology.rpt"}
    for study in STUDIES:
        home = study.accession
        expected |= {f"{home}/aggregated_metadata.json", f"{home}/{home}/{home}.tsv"}
    assert files(folder).keys() == expected


def test_planted_pairs_file_lists_the_truth(folder: Path) -> None:
    with (folder / PLANTED_PAIRS_FILE).open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file, delimiter="\t")]
    assert rows == [dataclasses.astuple(pair) for pair in (*PLANTED_PAIRS, *MOUSE_PAIRS)]
    assert (MS4A4A, CD86, "positive", "ss") in rows
    planted = {row[2:] for row in rows}
    assert planted == {(d, c) for d in ("positive", "negative") for c in ("ss", "sc", "cc")}
    for organism in (HUMAN, MOUSE):
        genes = [gene for pair in organism.planted for gene in pair.genes]
        assert len(set(genes)) == len(genes) == 2 * len(organism.planted)
        assert set(genes) <= set(organism.genes)


def test_slices_have_studies_enough_for_their_contrasts() -> None:
    """k_min is 3; the human slices have the studies that Hartung-Knapp's test needs."""
    assert not set(HUMAN.genes) & set(MOUSE.genes)
    for technology, organism, labels, count in (
        ("MICROARRAY", HUMAN, {"CONTROL", "SEPSIS", "SEPTIC_SHOCK"}, 7),
        ("RNA-SEQ", HUMAN, {"CONTROL", "SEPSIS", "SEPTIC_SHOCK"}, 7),
        ("RNA-SEQ", MOUSE, {"CONTROL", "COLITIS"}, 3),
    ):
        own = [s for s in STUDIES if (s.technology, s.organism) == (technology, organism)]
        assert len(own) == count
        assert all(labels <= set(study.cohorts) for study in own)


def test_real_genes_are_annotated() -> None:
    assert (symbol_of(MS4A4A), symbol_of(CD86)) == ("MS4A4A", "CD86")
    assert len(set(GENES)) == len({symbol_of(gene) for gene in GENES}) == 60


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.accession)
def test_metadata_have_the_keys_of_a_download(folder: Path, study: Study) -> None:
    text = (folder / study.accession / "aggregated_metadata.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert document.keys() == set(TOP_KEYS.split())
    assert document["created_at"] == study.created_at
    (experiment,) = document["experiments"].values()
    assert experiment.keys() == set(EXPERIMENT_KEYS.split())
    keys = {f"refinebio_{key}" for key in SAMPLE_KEYS.split()}
    assert all(sample.keys() == keys for sample in document["samples"].values())
    assert document["num_samples"] == len(document["samples"]) == study.sample_count


def test_one_experiment_lists_more_samples_than_it_has(folder: Path) -> None:
    surplus = []
    for (source,) in discover([folder], [], PipelineConfig())[0].values():
        study = source.find_metadata(StudyConfig())
        surplus.append(len(study.experiment["sample_accession_codes"]) - len(study.samples))
    assert sorted(surplus) == [0] * 16 + [9]


@pytest.mark.parametrize(
    ("accession", "unit"),
    [
        ("GSE900001", "ARRAY_LOG2"),
        ("GSE900002", "ARRAY_LOG2"),
        ("SRP900008", "TPM"),
        ("SRP900009", "COUNTS"),
        ("SRP900015", "TPM"),
    ],
)
def test_loader_reads_it_and_tells_the_unit(folder: Path, accession: str, unit: str) -> None:
    sources, *_ = discover([folder / accession], [], PipelineConfig())
    ((name, (source,)),) = sources.items()
    assert name == source.accession == accession
    metadata, matrix, _ = source.read(StudyConfig())
    assert set(matrix.header) == set(metadata.samples)

    summary = MatrixSummary(sample_count=len(matrix.samples))
    rows = sum(batch.num_rows for batch in matrix.melt(10_000, summary))
    assert rows == summary.row_count == len(matrix_genes(accession)) * len(matrix.samples)
    assert (summary.null_count > 0) == (accession == "GSE900001")
    assert (summary.zero_count > 0) == (unit in ("TPM", "COUNTS"))
    if unit == "ARRAY_LOG2":
        assert 2 <= summary.value_min < summary.value_max <= 16

    with duckdb.connect() as connection:
        load = DuckDBStudyLoad(DuckDBSession(connection), project_macros("duckdb"), MatrixKeys())
        technology = metadata.experiment["technology"]
        (processor,) = metadata.processor_names
        labels = UnitLabels(None, None, technology, processor, processor, metadata.scale_by)
        assert load.judge_unit(labels, summary) == UnitVerdict(unit, None, None, None)


def test_missing_values_have_two_spellings(folder: Path) -> None:
    text = (folder / "GSE900001" / "GSE900001" / "GSE900001.tsv").read_text(encoding="utf-8")
    cells = {cell for line in text.splitlines() for cell in line.split("\t")}
    assert {"", "NA"} <= cells
    assert "nan" not in cells


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.accession)
def test_titles_give_every_cohort_twelve_samples(folder: Path, study: Study) -> None:
    metadata = AggregatedMetadata(FolderDownload(folder / study.accession)).study(study.accession)
    endings = [sample["refinebio_title"].split(" ", 1)[1] for sample in metadata.samples.values()]
    words = ("healthy control", "sepsis", "septic shock")
    for ending in words if study.organism == HUMAN else ("healthy control", "DSS day 7"):
        assert endings.count(ending) >= 12
    assert ("non-sepsis" in endings) == ("NO_SEPSIS" in study.cohorts)


def test_planted_correlations_stand_in_the_latent_design() -> None:
    """Many samples, so that what is left is the design and its heterogeneity between studies."""
    studies = [
        dataclasses.replace(study, cohorts=dict.fromkeys(study.cohorts, 2000)) for study in STUDIES
    ]
    for simulated in simulate(1, studies):
        illness, organism = np.array(simulated.illness), simulated.study.organism
        row = {gene: i for i, gene in enumerate(organism.genes)}
        for pair in organism.planted:
            a, b = simulated.latent[[row[pair.gene_a], row[pair.gene_b]]]
            for label in simulated.study.cohorts:
                r = np.corrcoef(a[illness == label], b[illness == label])[0, 1]
                if label in CORRELATED_IN[pair.contrast]:
                    assert 0.8 < pair.sign * r < 0.97
                else:
                    assert abs(r) < 0.3


def test_other_correlations_are_the_same_in_all_cohorts_and_not_all_zero() -> None:
    many = dict.fromkeys(("SEPSIS", "SEPTIC_SHOCK"), 4000)
    (simulated,) = simulate(1, [dataclasses.replace(STUDIES[0], cohorts=many)])
    illness = np.array(simulated.illness)
    shock, sepsis = (np.corrcoef(simulated.latent[:, illness == label]) for label in reversed(many))
    row = {gene: i for i, gene in enumerate(GENES)}
    difference = np.abs(np.arctanh(np.tril(shock, -1)) - np.arctanh(np.tril(sepsis, -1)))
    for pair in PLANTED_PAIRS:
        places = [row[pair.gene_a], row[pair.gene_b]]
        difference[max(places), min(places)] = 0
    assert difference.max() < 0.15
    # Within modules: four of six genes each.
    assert (np.abs(np.tril(sepsis, -1)) > 0.1).sum() >= 4 * 15


def test_values_keep_the_order_of_the_latent_ones() -> None:
    for simulated in simulate(3):
        for latent, values in zip(simulated.latent, simulated.values, strict=True):
            ordered = values[np.argsort(latent)]
            ordered = ordered[~np.isnan(ordered)]
            assert all(x <= y for x, y in pairwise(ordered))


def result(pair: tuple[str, str], q_star: float) -> PairResult:
    names = ("SEPSIS", "MICROARRAY", "HOMO_SAPIENS")
    return PairResult(*names, 1, *pair, *pair, "ss", 1.0, 0.5, 1.5, 7, q_star)


def test_precision() -> None:
    planted = [(pair.gene_a, pair.gene_b) for pair in PLANTED_PAIRS]
    pairs = [
        result(planted[0], 0.05),
        result(planted[1][::-1], 0.01),
        result(planted[2], 0.051),
        result((planted[0][0], planted[1][0]), 0.04),
    ]
    found = discovery(pairs)
    assert (found.found, found.planted) == (3, 2)
    assert found.precision == pytest.approx(2 / 3)
    assert discovery([]).precision is None


@pytest.fixture(scope="module")
def built(copy_of, tmp_path_factory: pytest.TempPathFactory) -> WarehouseUnderTest:
    return copy_of(built_demo, tmp_path_factory.mktemp("built"))


def test_every_gene_has_its_name(built: WarehouseUnderTest) -> None:
    """Pairs have the names too; a mouse gene has its own, beside that of its human orthologue."""
    named = dict(built.query("select gene_id, gene_symbol from dim.dim_gene"))
    assert named == {gene: symbol_of(gene) for gene in (*HUMAN.genes, *MOUSE.genes)}
    assert built.query(
        "select count(*), count(gene_a_symbol), count(gene_b_symbol) from dim.dim_gene_pair"
    ) == [(n := 60 * 59 // 2 + 40 * 39 // 2, n, n)]
    assert built.query(
        "select gene_symbol, location, human_orthologues from analytics.vw_gene_annotation"
        " where gene_id in ('ENSG00000114013', 'ENSMUSG90000000007') order by 1"
    ) == [("CD86", "3:122055362-122121139:+", None), ("Demo7", "1:70000-75000:+", "DEMO7")]


def test_mouse_pairs_stand_beside_human_ones(built: WarehouseUnderTest) -> None:
    rows = built.query(
        "select gene_a_symbol, gene_b_symbol, human_gene_a_symbol, human_gene_b_symbol, human_technology"
        " from analytics.vw_pair_orthologue"
    )
    assert len(rows) == 2 * 40 * 39 // 2
    assert all((a.upper(), b.upper()) == (human_a, human_b) for a, b, human_a, human_b, _ in rows)
    assert {technology for *_, technology in rows} == {"MICROARRAY", "RNA-SEQ"}


@pytest.fixture
def by_test(built: WarehouseUnderTest) -> dict[str, dict[str, list[PairResult]]]:
    with duckdb.connect(str(built.path), read_only=True) as connection:
        connection.execute("set search_path = 'analytics'")
        return {test: ranked_pairs(connection, test) for test in TESTS}


def test_planted_pairs_are_found_in_their_contrast(by_test) -> None:
    """By the default test, in the human slices; three studies of mice are too few for it."""
    slices = by_test["hk"]
    assert set(slices) == {*HUMAN_SLICES, MOUSE_SLICE}
    for name in HUMAN_SLICES:
        assert len(slices[name]) == 60 * 59 // 2
        assert [pair.pair_rank for pair in slices[name]] == list(range(1, 60 * 59 // 2 + 1))
        found = discovery(slices[name])
        assert found.planted >= 11
        assert found.precision >= 0.8
        for pair in slices[name]:
            if pair.is_found and pair.planted:
                assert pair.contrast in {"ss": ("ss", "soth"), "sc": ("sc",)}[pair.planted.contrast]
                assert pair.effect * pair.planted.sign > 0
                assert pair.low < pair.effect < pair.high
    assert discovery(slices[MOUSE_SLICE]).found == 0
    first = sorted(slices[MOUSE_SLICE], key=lambda pair: pair.pair_rank)[:10]
    assert sum(pair.planted is not None for pair in first) >= 4
    assert {pair.contrast for pair in first} == {"cc"}


def test_the_default_view_has_rows(built: WarehouseUnderTest) -> None:
    rows = built.query(
        "select technology, count(*) from analytics.vw_pair_metrics_ranked group by all order by 1"
    )
    assert [technology for technology, _ in rows] == ["MICROARRAY", "RNA-SEQ"]
    assert all(count >= 11 for _, count in rows)


def test_the_report_says_what_was_found(
    built: WarehouseUnderTest, by_test, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in built.env.items():
        monkeypatch.setenv(name, value)
    report = CliRunner().invoke(main, ["report"])
    assert report.exit_code == 0, report.output
    assert "…" not in report.output
    closing = report.output.partition("What was found")[2].replace("\\\n      ", "")
    for name in HUMAN_SLICES:
        assert re.search(rf"  {name}, 7 studies: 1[0-9] of the 15 planted pairs", closing)
    assert f"  {MOUSE_SLICE}, 3 studies: 0 of the 5 planted pairs" in closing
    for pairs in by_test["hk"].values():
        for pair in (pair for pair in pairs if pair.planted or pair.is_found):
            assert pair.name in closing
    assert "correlated more positively in septic shock than in " in closing
    assert "correlated more negatively in septic shock than in " in closing
    assert "correlated more positively in sepsis than in controls:" in closing
    first = by_test["hk"][HUMAN_SLICES[0]][0]
    assert f"{first.effect:+.2f} ({first.low:+.2f} to {first.high:+.2f}), 7 studies" in closing
    assert "  hk         Hartung-Knapp, the default: the one to report." in closing
    assert_next_commands_work(closing, built)


def assert_next_commands_work(closing: str, warehouse: WarehouseUnderTest) -> None:
    """The commands that need no data of the reader's, as they are printed."""
    lines = [line.split() for line in closing.splitlines() if "/expression-warehouse " in line]
    assert [arguments[-1] for arguments in lines] == ["correlations.parquet", "health", "FOLDER"]
    for setting, _program, *arguments in lines[:2]:
        assert setting == f"EXPRESSION_WAREHOUSE_DB={warehouse.env['EXPRESSION_WAREHOUSE_DB']}"
        output = str(warehouse.env["DBT_TARGET_PATH"]) + ".parquet"
        arguments = [a.replace("correlations.parquet", output) for a in arguments]
        assert CliRunner().invoke(commands, arguments).exit_code == 0, arguments

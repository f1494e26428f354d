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

from demo.__main__ import main
from demo.design import CD86, GENES, MS4A4A, PLANTED_PAIRS, STUDIES, Study
from demo.download import CONFIG_FILE, PLANTED_PAIRS_FILE, write_downloads
from demo.pairs import PairResult, discovery, ranked_pairs
from demo.simulate import simulate
from expression_warehouse.cli import main as commands
from expression_warehouse.core.project import read_seed
from expression_warehouse.core.warehouse.duckdb import DuckDBStudyLoad
from expression_warehouse.core.warehouse.macros import project_macros
from expression_warehouse.core.warehouse.matrix_rows import MatrixSummary
from loader.source.download import FolderDownload, find_downloads, open_download
from loader.source.matrix import read_matrix
from loader.source.metadata import AggregatedMetadata

# Places among which the planted pairs are to be.
TOP = 10

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
    }


def test_layout(folder: Path) -> None:
    expected = {CONFIG_FILE, PLANTED_PAIRS_FILE}
    for study in STUDIES:
        home = study.accession
        expected |= {f"{home}/aggregated_metadata.json", f"{home}/{home}/{home}.tsv"}
    assert files(folder).keys() == expected


def test_planted_pairs_file_lists_the_truth(folder: Path) -> None:
    with (folder / PLANTED_PAIRS_FILE).open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file, delimiter="\t")]
    assert rows == [dataclasses.astuple(pair) for pair in PLANTED_PAIRS]
    assert (MS4A4A, CD86, "positive") in rows
    assert {direction for *_, direction in rows} == {"positive", "negative"}
    genes = [gene for row in rows for gene in row[:2]]
    assert len(set(genes)) == len(genes) == 20
    assert set(genes) <= set(GENES)


def test_real_genes_are_annotated() -> None:
    symbols = {row["gene_id"]: row["gene_symbol"] for row in read_seed("gene_annotation")}
    assert (symbols[MS4A4A], symbols[CD86]) == ("MS4A4A", "CD86")
    assert len(set(GENES)) == 200


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
    for download in map(open_download, find_downloads(folder)):
        metadata = AggregatedMetadata(download)
        study = metadata.study(metadata.accessions[0])
        surplus.append(len(study.experiment["sample_accession_codes"]) - len(study.samples))
    assert sorted(surplus) == [0, 0, 0, 9]


@pytest.mark.parametrize(
    ("accession", "unit"),
    [
        ("GSE900001", "ARRAY_LOG2"),
        ("GSE900002", "ARRAY_LOG2"),
        ("SRP900003", "TPM"),
        ("SRP900004", "COUNTS"),
    ],
)
def test_loader_reads_it_and_tells_the_unit(folder: Path, accession: str, unit: str) -> None:
    download = open_download(folder / accession)
    assert isinstance(download, FolderDownload)
    assert download.matrices() == [accession]
    metadata = AggregatedMetadata(download).study(accession)
    matrix = read_matrix(download, accession)
    assert set(matrix.header) == set(metadata.samples)

    summary = MatrixSummary(sample_count=len(matrix.samples))
    rows = sum(batch.num_rows for batch in matrix.melt(10_000, summary))
    assert rows == summary.row_count == len(GENES) * len(matrix.samples)
    assert (summary.null_count > 0) == (accession == "GSE900001")
    assert (summary.zero_count > 0) == (unit in ("TPM", "COUNTS"))
    if unit == "ARRAY_LOG2":
        assert 2 <= summary.value_min < summary.value_max <= 16

    with duckdb.connect() as connection:
        load = DuckDBStudyLoad(connection.cursor(), project_macros("duckdb"))
        technology = metadata.experiment["technology"]
        assert load.detect_unit(None, technology, metadata.processor_name, summary) == unit


def test_missing_values_have_two_spellings(folder: Path) -> None:
    text = (folder / "GSE900001" / "GSE900001" / "GSE900001.tsv").read_text(encoding="utf-8")
    cells = {cell for line in text.splitlines() for cell in line.split("\t")}
    assert {"", "NA"} <= cells
    assert "nan" not in cells


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.accession)
def test_titles_give_every_cohort_twelve_samples(folder: Path, study: Study) -> None:
    metadata = AggregatedMetadata(FolderDownload(folder / study.accession)).study(study.accession)
    endings = [sample["refinebio_title"].split(" ", 1)[1] for sample in metadata.samples.values()]
    for ending in ("healthy control", "sepsis", "septic shock"):
        assert endings.count(ending) >= 12
    assert ("non-sepsis" in endings) == ("NO_SEPSIS" in study.cohorts)


def test_planted_correlations_stand_in_the_latent_design() -> None:
    """Many samples, so that what is left is the design and its heterogeneity between studies."""
    many = dict.fromkeys(("CONTROL", "SEPSIS", "SEPTIC_SHOCK"), 2000)
    studies = [dataclasses.replace(study, cohorts=many) for study in STUDIES]
    row = {gene: i for i, gene in enumerate(GENES)}
    for simulated in simulate(1, studies):
        illness = np.array(simulated.illness)
        for pair in PLANTED_PAIRS:
            a, b = simulated.latent[[row[pair.gene_a], row[pair.gene_b]]]
            r = {
                label: np.corrcoef(a[illness == label], b[illness == label])[0, 1] for label in many
            }
            assert 0.7 < pair.sign * r["SEPTIC_SHOCK"] < 0.95
            assert abs(r["SEPSIS"]) < 0.45
            assert abs(r["CONTROL"]) < 0.45


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
    assert (np.abs(np.tril(sepsis, -1)) > 0.2).sum() > 1000


def test_values_keep_the_order_of_the_latent_ones() -> None:
    for simulated in simulate(3):
        for latent, values in zip(simulated.latent, simulated.values, strict=True):
            ordered = values[np.argsort(latent)]
            ordered = ordered[~np.isnan(ordered)]
            assert all(x <= y for x, y in pairwise(ordered))


def result(pair: tuple[str, str], q_ss: float | None) -> PairResult:
    genes = (*pair, *pair)
    return PairResult("MICROARRAY", 1, *genes, *[0.0] * 5, q_ss, None, None, None, 2)


def test_precision_and_recall() -> None:
    planted = [(pair.gene_a, pair.gene_b) for pair in PLANTED_PAIRS]
    pairs = [
        result(planted[0], 0.05),
        result(planted[1][::-1], 0.01),
        result(planted[2], 0.051),
        result(planted[3], None),
        result((planted[0][0], planted[1][0]), 0.04),
    ]
    found = discovery(pairs, lambda pair: pair.q_ss)
    assert (found.found, found.planted) == (3, 2)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 0.2
    assert discovery([], lambda pair: pair.q_ss).precision is None


def test_planted_pairs_come_out_on_top(
    folder: Path, warehouse: WarehouseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate, ingest, build, report: what `make demo` runs."""
    config = folder / CONFIG_FILE
    assert warehouse.loader("ingest", folder, "--config", config).exit_code == 0
    warehouse.dbt("build")
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        connection.execute("set search_path = 'analytics'")
        pairs = ranked_pairs(connection)
    for technology in ("MICROARRAY", "RNA-SEQ"):
        own = [pair for pair in pairs if pair.technology == technology]
        assert len(own) == 200 * 199 // 2
        assert [pair.pair_rank for pair in own] == list(range(1, len(own) + 1))
        assert sum(pair.is_planted for pair in own[:TOP]) >= 8
        contrast = discovery(own, lambda pair: pair.q_ss)
        combined = discovery(own, lambda pair: pair.q_combined_dependent)
        assert min(contrast.precision, combined.precision) >= 0.8
        assert min(contrast.recall, combined.recall) >= 0.7

    assert_screen_agrees(warehouse)

    for name, value in warehouse.env.items():
        monkeypatch.setenv(name, value)
    report = CliRunner().invoke(main, ["report"])
    assert report.exit_code == 0, report.output
    assert "q_combined_dependent" in report.output
    # In the table of planted pairs, and among those found or missed: once per technology.
    assert report.output.count("MS4A4A") == 4
    closing = report.output.partition("What was found")[2].replace("\\\n      ", "")
    for technology in ("MICROARRAY", "RNA-SEQ"):
        assert re.search(rf"  {technology}, 2 studies: (8|9|10) of the 10 planted pairs", closing)
    for pair in (pair for pair in pairs if pair.is_planted):
        assert closing.count(pair.name) == 2, pair
    assert "rise and fall together in septic shock, but not in sepsis: " in closing
    assert "move in opposite directions in septic shock, but not in sepsis: " in closing
    assert "  q_ss_hk  " in closing
    assert_next_commands_work(closing, warehouse)


def assert_next_commands_work(closing: str, warehouse: WarehouseUnderTest) -> None:
    """The commands that need no data of the reader's, as they are printed."""
    lines = [line.split() for line in closing.splitlines() if "/expression-warehouse " in line]
    assert [arguments[-1] for arguments in lines] == ["correlations.parquet", "health", "FOLDER"]
    for setting, _program, *arguments in lines[:2]:
        assert setting == f"EXPRESSION_WAREHOUSE_DB={warehouse.env['EXPRESSION_WAREHOUSE_DB']}"
        output = str(warehouse.env["DBT_TARGET_PATH"]) + ".parquet"
        arguments = [a.replace("correlations.parquet", output) for a in arguments]
        assert CliRunner().invoke(commands, arguments).exit_code == 0, arguments


def assert_screen_agrees(warehouse: WarehouseUnderTest) -> None:
    """The screen finds the planted pairs too; of each pair that it keeps it says what the SQL does
    that has computed all of them."""
    work = warehouse.path.parent / "work"
    screened = warehouse.pairs("screen", "--disease", "SEPSIS", "--keep", 50, "--work", work)
    assert screened.exit_code == 0, screened.output
    p_of = {"combined": "combined_p_value", "combined_dependent": "combined_p_dependent"}
    tests = ("ss", "soth", "ss_hk", "soth_hk", "combined", "combined_dependent")
    columns = [
        f"s.{what}_{test}, f.{p_of.get(test, f'p_{test}') if what == 'p' else f'q_{test}'}"
        for test in tests
        for what in "pq"
    ]
    rows = warehouse.query(
        f"select technology, a.gene_id, b.gene_id, s.q_combined_dependent, {', '.join(columns)}"
        " from staging.screened_pairs as s"
        " inner join dim.dim_gene_pair as p using (gene_a_key, gene_b_key)"
        " inner join fact.fact_gene_pair_metrics as f using (pair_key, technology)"
        " inner join dim.dim_gene as a on s.gene_a_key = a.gene_key"
        " inner join dim.dim_gene as b on s.gene_b_key = b.gene_key"
    )
    both = np.array([row[4:] for row in rows], float).reshape(len(rows), -1, 2)
    # The columns alternate between p and q; a screen's q is at most 1.001 times the exact one.
    np.testing.assert_allclose(both[:, 0::2, 0], both[:, 0::2, 1], rtol=1e-9)
    ratio = both[:, 1::2, 0] / both[:, 1::2, 1]
    assert (ratio >= 1 - 1e-9).all() and (ratio <= 1.001).all()
    assert not np.isnan(both).any()
    planted = {frozenset((pair.gene_a, pair.gene_b)) for pair in PLANTED_PAIRS}
    for technology in ("MICROARRAY", "RNA-SEQ"):
        found = {frozenset(row[1:3]) for row in rows if row[0] == technology and row[3] <= 0.05}
        assert len(found & planted) >= 8
        assert len(found - planted) <= 2

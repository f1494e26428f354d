"""The simulated studies: same seed, same bytes; real downloads to the loader; pairs to be found."""

import csv
import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner

from demo.__main__ import main
from demo.design import CD86, GENES, MS4A4A, PLANTED_PAIRS, STUDIES, Study
from demo.download import PLANTED_PAIRS_FILE, write_downloads
from demo.report import TOP, planted_among, top_pairs
from demo.simulate import simulate
from loader.download import FolderDownload, find_downloads, open_download
from loader.matrix import MatrixSummary, read_matrix
from loader.metadata import AggregatedMetadata
from loader.project import read_seed
from loader.warehouse.duckdb import DuckDBStudyLoad
from loader.warehouse.macros import project_macros

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
    assert {name for name in first if first[name] == second[name]} == {PLANTED_PAIRS_FILE}


def test_layout(folder: Path) -> None:
    expected = {PLANTED_PAIRS_FILE}
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
            assert 0.6 < pair.sign * r["SEPTIC_SHOCK"] < 0.95
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


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    """The one view that top_pairs.sql reads, filled with the simulated values."""
    connection = duckdb.connect()
    connection.execute(
        """
        create table vw_expression_long (
            study_key integer, study_accession_code varchar, illness_label varchar,
            sample_key integer, gene_key integer, gene_id varchar, gene_symbol varchar,
            expression_value double, exclude_from_analysis boolean
        )
        """
    )
    for study_key, simulated in enumerate(simulate(1)):
        frame = {
            "illness": np.tile(simulated.illness, len(GENES)),
            "sample": np.tile(np.arange(len(simulated.illness)), len(GENES)) + 1000 * study_key,
            "gene": np.repeat(np.arange(len(GENES)), len(simulated.illness)),
            "gene_id": np.repeat(GENES, len(simulated.illness)),
            "value": simulated.values.ravel(),
        }
        connection.register("frame", frame)
        connection.execute(
            """
            insert into vw_expression_long
            select ?, ?, illness, sample, gene, gene_id, null, value, false
            from frame
            where not isnan(value)
            """,
            [study_key, simulated.study.accession],
        )
        connection.unregister("frame")
    return connection


def test_planted_pairs_come_out_on_top(warehouse: duckdb.DuckDBPyConnection) -> None:
    pairs = top_pairs(warehouse)
    assert len(pairs) == 200 * 199 // 2
    assert [pair.place for pair in pairs] == list(range(1, len(pairs) + 1))
    planted = planted_among(pairs)
    assert len(planted) == len(PLANTED_PAIRS)
    assert sum(pair.place <= TOP for pair in planted) >= 8


def test_top_pairs_are_spearman_correlations(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Against numpy, over pairs with ties (zeros) and without; missing values differ a little."""
    studies = list(simulate(1))
    row = {gene: i for i, gene in enumerate(GENES)}

    def pooled(label: str, a: str, b: str) -> float:
        z, weights = [], []
        for simulated in studies:
            columns = np.array(simulated.illness) == label
            x, y = simulated.values[[row[a], row[b]]][:, columns]
            z.append(np.arctanh(spearman(x, y)))
            weights.append((~np.isnan(x) & ~np.isnan(y)).sum() - 3)
        return float(np.average(z, weights=weights))

    pairs = top_pairs(warehouse)
    for pair in pairs[:10] + pairs[:: len(pairs) // 200]:
        shock = pooled("SEPTIC_SHOCK", pair.gene_id_1, pair.gene_id_2)
        sepsis = pooled("SEPSIS", pair.gene_id_1, pair.gene_id_2)
        assert np.arctanh(pair.r_septic_shock) == pytest.approx(shock, abs=0.01)
        assert np.arctanh(pair.r_sepsis) == pytest.approx(sepsis, abs=0.01)
        assert pair.z_difference == pytest.approx(shock - sepsis, abs=0.02)

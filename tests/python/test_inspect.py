"""What inspect says of a download, without a warehouse, and what it says of a refused one."""

import json
from dataclasses import replace

from conftest import Study, events

G1, G2 = "ENSG00000000003", "ENSG00000000005"


def inspect(warehouse, *arguments):
    result = warehouse.loader("inspect", *arguments)
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def test_a_study_is_described_without_a_warehouse(warehouse, tmp_path):
    study = Study(
        genes=[f"{G1}.4", f"{G2}.1", "__no_feature"],
        values=[["1.5", "2", "3"], ["4", "NA", "6.25"], ["90", "80", "70"]],
        titles=["septic shock", "Sepsis", "volunteer"],
        extra_listed=["GSM9"],
    )
    folder = study.write(tmp_path / "d")
    document = json.loads((folder / "aggregated_metadata.json").read_text())
    document["samples"]["GSM9"] = {"refinebio_title": "healthy"}
    (folder / "aggregated_metadata.json").write_text(json.dumps(document))
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {illness_overrides: {GSM3: CONTROL}}}")

    result, (found,) = inspect(warehouse, folder, "--config", config)

    assert result.exit_code == 0
    warnings = [warning.split()[0] for warning in found.pop("warnings")]
    assert warnings == ["54011", "2013"]
    assert found == {
        "study": "GSE1",
        "errors": [],
        "file": str(study.matrix(folder)),
        "layout": "tab-separated",
        "matched_samples": 3,
        "samples_without_metadata": [],
        "samples_without_values": ["GSM9"],
        "cohorts": {"SEPTIC_SHOCK": 1, "SEPSIS": 1, "CONTROL": 1},
        "gene_id_form": "ENSEMBL_VERSIONED",
        "gene_count": 2,
        "sample_count": 3,
        "null_count": 1,
        "value_min": 1.5,
        "value_max": 6.25,
        "lines_left_out": {"summary lines of HTSeq or STAR": 1},
        "unit": "ARRAY_LOG2",
        "unit_reason": "MICROARRAY, no processor, values 1.5 to 6.25",
    }
    assert warehouse.staged() == {}


def test_cohorts_are_those_of_a_build(warehouse, tmp_path):
    titles = ["Non-septic", "no sepsis", "septic shock, day 1", "PBMC_healthy", "control", "x"]
    samples = [f"GSM{n}" for n in range(6)]
    study = Study(samples=samples, titles=titles, genes=[G1], values=[["6"] * 6])
    folder = study.write(tmp_path / "d")
    _, (found,) = inspect(warehouse, folder)
    warehouse.loader("ingest", folder)
    warehouse.build("--select", "+stg_sample_illness")
    built = warehouse.query(
        "select illness_label, count(*) from staging.stg_sample_illness group by 1"
    )
    assert found["cohorts"] == dict(built)


def test_what_an_ingest_refuses_is_an_error(warehouse, tmp_path):
    unknown = Study(genes=["1-Mar", "TP53"]).write(tmp_path / "d")
    result, (found,) = inspect(warehouse, unknown)
    assert result.exit_code == 1
    assert [error.split()[0] for error in found["errors"]] == ["2014"]
    result, (found,) = inspect(warehouse, tmp_path / "absent")
    assert result.exit_code == 1
    assert [error.split()[0] for error in found["errors"]] == ["1001"]


def test_a_matrix_without_samples_of_the_study_stops_no_other(warehouse, tmp_path):
    """Samples in rows, and columns that no sample has: said in few words, and the next study is
    shown."""
    genes = [f"ENSG{n:011}" for n in range(1, 31)]
    in_rows = Study(accession="GSE1", genes=["GSM1", "GSM2"], values=[["1.5"] * 30] * 2)
    others = Study(accession="GSE2", genes=genes, values=[["1.5"] * 30] * 30)
    folder = tmp_path / "d"
    renamed = Study(accession="GSE4", genes=["A", "B"], values=in_rows.values)
    columns_of = ((in_rows, genes), (renamed, genes), (others, [f"X{n}" for n in range(30)]))
    for study, columns in columns_of:
        path = study.write(folder / study.accession) / study.accession / f"{study.accession}.tsv"
        path.write_text(replace(study, samples=columns).tsv())
    Study(accession="GSE3").write(folder / "GSE3")

    result, found = inspect(warehouse, folder)

    assert result.exit_code == 1
    errors = {study["study"]: study["errors"] for study in found}
    assert [errors[study][0].split()[0] for study in ("GSE1", "GSE2")] == ["54010"] * 2
    assert "to do: Transpose the matrix" in errors["GSE1"][0]
    assert "to do: Transpose the matrix" in errors["GSE4"][0]
    assert "no sample in common; only the matrix has 30 samples: X0, " in errors["GSE2"][0]
    assert " and 10 more" in errors["GSE2"][0]
    assert errors["GSE3"] == []


def test_repeated_subjects_are_said(warehouse, tmp_path):
    """By ingest, too."""
    folder = tmp_path / "GSE1"
    folder.mkdir()
    (folder / "counts.tsv").write_text(f"gene\tS1\tS2\tS3\n{G1}\t1.5\t2\t3\n{G2}\t4\t5\t6.5\n")
    (folder / "samples.csv").write_text(
        "sample,patient_id,time point,platform,title\n"
        "S1,P1,day 1,Illumina NovaSeq,sepsis a\nS2,P1,day 3,Illumina NovaSeq,sepsis b\n"
        "S3,P2,day 1,Illumina NovaSeq,sepsis c\n"
    )
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {GSE1: {units: LOG2, organism: HOMO_SAPIENS}}")
    _, (found,) = inspect(warehouse, folder, "--config", config)
    assert found["errors"] == []
    (warning,) = [text for text in found["warnings"] if text.startswith("3007")]
    assert "2 samples seem to be of 1 subject, for example 'P1'" in warning
    assert "{subjects: refinebio_subject}" in warning
    result = warehouse.loader("ingest", folder, "--config", config)
    assert [warning] == [event["error"] for event in events(result, "doubted")]


def test_people_get_lines(warehouse, tmp_path):
    result = warehouse.loader("inspect", Study().write(tmp_path / "d"), "--log-format", "text")
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == [
        "GSE1", "file", "layout", "genes", "samples", "cohorts", "unit",
    ]  # fmt: skip
    assert lines[-1][1].startswith("ARRAY_LOG2: MICROARRAY")


def test_a_configured_study_that_is_not_in_the_downloads_is_named(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text("studies: {gse1: {units: TPM}, GSE1: {}, GSE7: {}}")
    result, found = inspect(warehouse, folder, "--config", config)
    assert result.exit_code == 0
    (warning,) = found[-1]["warnings"]
    assert (found[-1]["study"], found[-1]["file"]) == (None, str(config))
    assert warning.endswith(": GSE7, gse1 (did you mean GSE1?)")
    text = warehouse.loader("inspect", folder, "--config", config, "--log-format", "text").output
    assert f"{config}\n  warning  configures studies" in text
    assert len(inspect(warehouse, folder, "--study", "GSE1", "--config", config)[1]) == 1
    result = warehouse.loader("ingest", folder, "--config", config)
    (event,) = events(result, "studies_unknown")
    assert event["studies"] == "GSE7, gse1 (did you mean GSE1?)"


def test_settings_that_a_refinebio_download_does_not_use_are_named(warehouse, tmp_path):
    folder = Study().write(tmp_path / "d")
    config = tmp_path / "pipeline.yaml"
    config.write_text(
        "studies:\n  GSE1:\n    units: TPM\n    matrix: nofile.csv\n    sheet_columns: {sex: s}\n"
    )
    result, (found,) = inspect(warehouse, folder, "--config", config)
    assert result.exit_code == 0
    (warning,) = (text for text in found["warnings"] if text.startswith("54018"))
    assert f"{config}:4: matrix, sheet_columns of GSE1" in warning
    config.write_text("studies: {GSE1: {units: TPM}}")
    _, (found,) = inspect(warehouse, folder, "--config", config)
    assert not [text for text in found["warnings"] if text.startswith("54018")]

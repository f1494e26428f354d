"""Small inputs of the kinds that users really have, where they are at hand; each says in its
expected.md what should become of it."""

from pathlib import Path

import pytest
from conftest import SHARED_DATA, events

FIELD = SHARED_DATA / "field"

# Case → codes of errors and warnings; none: it loads without a word.
CASES: dict[str, list[int]] = {
    "01a-scale-standard-array": [54021],
    "01c-scale-robust-rnaseq": [54021],
    # Split by study; the values of the study of RNA-seq contradict its label.
    "02a-aggregate-species": [54020],
    "02b-aggregate-all": [54020],
    "03-quant-sf-only": [1001],
    "04-unsmashable-sample-listed": [54011],
    "06-no-matrix-for-one": [1001],
    "07b-R-header-one-short": [],
    "07c-R-quotes-default-write-table": [],
    "07d-quotes-everywhere": [],
    "07e-quotes-on-genes-only": [],
    "08c-trailing-tab-all-lines": [],
    "08f-utf16-excel-unicode-text": [],
    "08g-csv-named-tsv": [],
    "08h-semicolon-decimal-comma": [],
    "08i-tab-decimal-comma": [],
    "08j-gzip-named-tsv": [],
    "08k-comment-line-first": [],
    "08l-gct": [],
    "09b_Inf": [2016],
    "10a-version-suffix": [],
    "10d-excel-dates": [2014],
    "10e-excel-dates-twice": [2014],
    "10f-duplicate-symbols": [],
    "10j-empty-gene": [2013],
    "10l-htseq-summary-rows": [2013],
    "10n-long-gene-id": [2017],
    "11a-nfcore-two-id-columns": [],
    "11d-length-column": [],
    "13a-mas5-linear-array": [],
    "13c-small-counts": [],
    "13d-salmon-counts-fractional": [54020],
    "13e-log2tpm-labelled-tximport": [54020],
    "12a-titles-as-columns": [54012],
    "12b-columns-X-prefixed": [54012],
    "14a-old-download-unprefixed-keys": [],
    "14f-age-nan": [],
    "15c-nested-folders": [],
    "15d-refinebio-examples-layout": [1001],
    "15f-error-page-as-zip": [1006],
    "16-geo-files-directly": [1014],
    "17-one-study-in-two-downloads": [54015],
}

# Words that the message must have.
WORDS = {
    "03-quant-sf-only": "tximport",
    "06-no-matrix-for-one": "refine.bio made no matrix",
    "01a-scale-standard-array": "scale_by STANDARD",
    "01c-scale-robust-rnaseq": "scale_by ROBUST",
    "10d-excel-dates": "Excel",
    "10e-excel-dates-twice": "Excel",
    "13d-salmon-counts-fractional": "ESTIMATED_COUNTS",
    "13e-log2tpm-labelled-tximport": "perhaps they are logarithms already",
    "12a-titles-as-columns": "the title",
    "12b-columns-X-prefixed": "make.names",
    "16-geo-files-directly": "series matrix",
    "17-one-study-in-two-downloads": "9 and 9 samples",
    "15d-refinebio-examples-layout": "is in the zip of the same download",
    "15f-error-page-as-zip": "The link has probably expired",
}

UNITS = {
    "01a-scale-standard-array": "SCALED",
    "01c-scale-robust-rnaseq": "SCALED",
    "13a-mas5-linear-array": "INTENSITY",
    "13c-small-counts": "COUNTS",
}


@pytest.mark.skipif(not FIELD.is_dir(), reason="the folder of field cases is absent")
@pytest.mark.parametrize("case", CASES)
def test_field_case(warehouse, case):
    result = warehouse.loader("ingest", *_paths(FIELD / case))

    messages = [event["error"] for event in events(result, "doubted")]
    for event in events(result, "failed"):
        messages.append(f"{event['error_code']} {event['found']} {event['action']}")
    assert sorted(int(message.split()[0]) for message in messages) == CASES[case]
    assert WORDS.get(case, "") in " ".join(messages)
    has_failed = any(event["step"] == "failed" for event in events(result))
    assert result.exit_code == (1 if has_failed else 0)
    if not has_failed:
        (staged,) = events(result, "staged")
        assert staged["gene_count"] >= 55
        assert staged["unit_tag"] == UNITS.get(case, staged["unit_tag"])
        assert staged["unit_tag"] in ("ARRAY_LOG2", "TPM", *UNITS.values())


def _paths(case: Path) -> list[Path]:
    return sorted(case.glob("*.zip")) or [case]


# The same values in all layouts: the case that is in the plain layout is their measure.
SAME_VALUES = [name for name in CASES if name.startswith("08")]


@pytest.mark.skipif(not FIELD.is_dir(), reason="the folder of field cases is absent")
def test_field_layouts_have_the_same_values(warehouse, tmp_path):
    tables = []
    for case in SAME_VALUES:
        warehouse.loader("ingest", FIELD / case)
        tables.append(
            warehouse.query(
                "select gene_id, sample_accession_code, expression_value"
                " from staging.expression_rows where batch_id ="
                " (select arg_max(batch_id, staged_at) from staging.batch) order by all"
            )
        )
    assert len(tables[0]) == 60 * 18
    assert all(table == tables[0] for table in tables)


@pytest.mark.skipif(not FIELD.is_dir(), reason="the folder of field cases is absent")
def test_silent_values(warehouse):
    """Inputs that once gave wrong values silently now give right ones or are reported."""
    case = FIELD / "30-silent-values"
    result = warehouse.loader("run", case, "--config", case / "pipeline.yaml")

    # One study of arrays and sequencing.
    (failure,) = events(result, "failed")
    assert (result.exit_code, failure["study_accession"]) == (1, "GSE30H")
    assert "Affymetrix SCAN and Tximport" in failure["found"]

    values = (
        "select sample_title, gene_id, expression_value from analytics.vw_expression_long"
        " where study_accession_code = '{}' order by all"
    )
    counts = [warehouse.query(values.format(f"SRP30{letter}")) for letter in "ABC"]
    assert counts[0] == counts[1] == counts[2]
    units = dict(warehouse.query("select study_accession_code, study_unit_tag from dim.dim_study"))
    assert (units["GSE30E"], units["SRP30D"]) == ("SCALED", "SCALED")

    labels = (
        "select sample_title, illness_label from dim.dim_sample as s"
        " inner join dim.dim_illness as i on s.illness_key = i.illness_key"
        " where sample_accession_code like 'GSM30{}%'"
    )
    of_characteristics = [label for _, label in warehouse.query(labels.format("F"))]
    assert {label: of_characteristics.count(label) for label in of_characteristics} == {
        "CONTROL": 10, "SEPSIS": 10, "SEPTIC_SHOCK": 10,
    }  # fmt: skip
    assert dict(warehouse.query(labels.format("J"))) == {
        "Sepsis survivor, no shock": "SEPSIS",
        "Severe sepsis without shock": "SEPSIS",
        "non-septic ICU": "NO_SEPSIS",
        "SIRS": "NO_SEPSIS",
        "Healthy volunteers": "CONTROL",
        "HC_01": "CONTROL",
        "septicshock_d1": "SEPTIC_SHOCK",
        "septic_shock day 3 recovery": "SEPTIC_SHOCK",
        "uninfected": "UNKNOWN",
        "Patient with bacterial septicemia": "SEPSIS",
        "ctrl": "CONTROL",
        "controls": "CONTROL",
        "normal donor": "CONTROL",
        "Sepsis-3 criteria negative": "SEPSIS",
        "endotoxin shock": "SEPTIC_SHOCK",
    }
    assert warehouse.query(
        "select study_accession_code, finding from meta.vw_finding"
        " where validation_code = 'STUDY_SEVERAL_ORGANISMS'"
    ) == [("GSE30I", "HOMO_SAPIENS 15, MUS_MUSCULUS 15")]

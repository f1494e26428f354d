"""Each rule on data finds the study that breaks it, and no other; errors of a batch hold back that
batch alone. One warehouse: studies that are loaded and then broken, studies that come broken, and
two without fault.

Not here: 3003, whose rows would have to be staged while a build runs; rule_keys_resolve has its unit
test."""

import json
import random
import re
from dataclasses import dataclass, field

import duckdb
import pytest
import yaml
from conftest import PROJECT, Study, WarehouseUnderTest

GENES = [f"ENSG{n}" for n in range(1, 31)]
PLATFORM = "HG-U133 Plus 2.0 (GPL570)"


@dataclass
class KnownStudy(Study):
    """A study without fault: each gene's values differ a little, over samples of its own. The last
    decimal tells studies apart."""

    samples: list[str] = field(default_factory=list)
    genes: list[str] = field(default_factory=lambda: list(GENES))
    values: list[list[str]] = field(default_factory=list)
    platform: str = PLATFORM
    ks_warning: str | None = None

    def __post_init__(self) -> None:
        self.samples = self.samples or [f"{self.accession}-{n}" for n in range(1, 6)]
        dice = random.Random(self.accession)
        self.values = self.values or [
            [
                f"{5 + g % 7 + ((s + g) % 5) / 10 + dice.randrange(10) / 1000:.3f}"
                for s in range(len(self.samples))
            ]
            for g in range(len(self.genes))
        ]

    def metadata(self) -> dict[str, object]:
        return {**super().metadata(), "ks_warning": self.ks_warning}


def changed(accession: str, value: str, samples: int = 1, genes: int = len(GENES)) -> KnownStudy:
    """A study whose first samples have another value for the first genes."""
    study = KnownStudy(accession)
    for line in study.values[:genes]:
        line[:samples] = [value] * samples
    return study


def repeating(accession: str) -> KnownStudy:
    """A study of six samples, the last with the values of the first."""
    study = KnownStudy(accession, samples=[f"{accession}-{n}" for n in range(1, 7)])
    for line in study.values:
        line[-1] = line[0]
    return study


def two_scales(accession: str) -> KnownStudy:
    """A study whose first two samples are no logarithms, as the others are."""
    study = KnownStudy(accession)
    for line in study.values:
        line[:2] = [f"{2 ** float(value):.3f}" for value in line[:2]]
    return study


# Loaded by the first build; what is done to them then, and the code that finds it.
LOADED = {
    "LOADED_GOOD": (None, None),
    "FACT_LACKS_A_ROW": (
        4005,
        "delete from fact.fact_gene_expression where rowid in (select max(f.rowid)"
        " from fact.fact_gene_expression f inner join dim.dim_study using (study_key)"
        " where study_accession_code = 'FACT_LACKS_A_ROW')",
    ),
    "FACT_HAS_A_ROW_TWICE": (
        4002,
        "update fact.fact_gene_expression set gene_key = (select gene_key from dim.dim_gene"
        " where gene_id = 'ENSG1') where gene_key = (select gene_key from dim.dim_gene"
        " where gene_id = 'ENSG2') and sample_key = (select sample_key from dim.dim_sample"
        " where sample_accession_code = 'FACT_HAS_A_ROW_TWICE-1');"
        # As before the end of the build that loaded it: later builds do not search it.
        "update staging.batch set fact_checked_at = null"
        " where study_accession_code = 'FACT_HAS_A_ROW_TWICE'",
    ),
    "CONFIGURED_ANEW": (
        54003,
        'update staging.batch set config_snapshot = \'{"disease": "SEPTIC_SHOCK"}\''
        " where study_accession_code = 'CONFIGURED_ANEW'",
    ),
    "TWO_DISEASES": (
        54002,
        "insert into dim.study_disease_map by name select m.* replace (99 as study_disease_map_key)"
        " from dim.study_disease_map m inner join dim.dim_study using (study_key)"
        " where study_accession_code = 'TWO_DISEASES'",
    ),
}

# Staged before the second build: the study, its code, and what is done to its staged rows.
STAGED = {
    "STAGED_GOOD": (KnownStudy("STAGED_GOOD"), None, None),
    "FEW_GENES": (KnownStudy("FEW_GENES", genes=GENES[:14]), 2002, None),
    "MISSING_VALUES": (changed("MISSING_VALUES", "", 2), 2003, None),
    "SAMPLE_TWICE": (
        KnownStudy("SAMPLE_TWICE"), 2005,
        "update staging.matrix_value set sample_key = (select sample_key from staging.matrix_sample"
        " where sample_accession_code = 'SAMPLE_TWICE-1') where sample_key = (select sample_key from"
        " staging.matrix_sample where sample_accession_code = 'SAMPLE_TWICE-2') and line_key in"
        " (select line_key from staging.matrix_line where gene_id = 'ENSG3')",
    ),
    "BLANK_AFTER_GENE": (
        KnownStudy("BLANK_AFTER_GENE"), 2006,
        "update staging.matrix_line set gene_id = 'ENSG3 ' where gene_id = 'ENSG3' and batch_id ="
        " (select batch_id from staging.batch where study_accession_code = 'BLANK_AFTER_GENE')",
    ),
    # The loader finds this too, unless it was staged by another one.
    "TOO_LARGE_FOR_LOG": (
        KnownStudy("TOO_LARGE_FOR_LOG"), 2007,
        "update staging.batch set value_max = 65 where study_accession_code = 'TOO_LARGE_FOR_LOG'",
    ),
    "OTHER_SPECIES": (
        KnownStudy("OTHER_SPECIES", genes=[*GENES[:-1], "ENSMUSG00000000001"]), 2027, None,
    ),
    "TWO_SCALES": (two_scales("TWO_SCALES"), 2028, None),
    "KS_FAILED": (KnownStudy("KS_FAILED", ks_warning="Failed Kolmogorov Smirnov test!"), 2009, None),
    "OUTLYING_SAMPLE": (changed("OUTLYING_SAMPLE", "40", 1, 2), 2010, None),
    "UNKNOWN_ILLNESS": (KnownStudy("UNKNOWN_ILLNESS", titles=["Patient"] * 5), 3001, None),
    "UNKNOWN_MANUFACTURER": (
        KnownStudy("UNKNOWN_MANUFACTURER", platform="Array (GPL99999999)"), 3002, None,
    ),
    "ILLNESS_CONFLICT": (KnownStudy("ILLNESS_CONFLICT"), 3004, None),
    "SHARED_OVERRIDE": (
        KnownStudy(
            "SHARED_OVERRIDE",
            samples=["GSM1", "S1", "S2", "S3", "S4"],
            titles=["sepsis", *["healthy"] * 4],
        ),
        3005, None,
    ),
    "SHARED_LABEL": (
        KnownStudy(
            "SHARED_LABEL",
            samples=["GSM2", "S1", "S2", "S3", "S4"],
            titles=["sepsis", *["healthy"] * 4],
        ),
        3006, None,
    ),
    # The newer study of the shared samples, and the last by accession of equally large ones.
    "SHARED_SAMPLES": (
        KnownStudy(
            "SHARED_SAMPLES",
            samples=["GSM1", "GSM2", "S1", "S2", "S3"],
            created_at="2025-01-01T00:00:00",
        ),
        54102, None,
    ),
    "REPEATED_SUBJECT": (KnownStudy("REPEATED_SUBJECT"), 54103, None),
    # Its last sample has the values of the first.
    "DUPLICATE_SAMPLE": (repeating("DUPLICATE_SAMPLE"), 54104, None),
    "MERGED_GENES": (KnownStudy("MERGED_GENES", genes=["ENSG1", *GENES[:-1]]), 2012, None),
    "UNSHARED_GENES": (
        KnownStudy("UNSHARED_GENES", genes=[*GENES[:5], *(f"SYMBOL{n}" for n in range(25))]),
        54107, None,
    ),
    "REGISTER_DIFFERS": (
        KnownStudy("REGISTER_DIFFERS"), 4005,
        "update staging.batch set null_count = 1 where study_accession_code = 'REGISTER_DIFFERS'",
    ),
    "NO_DISEASE": (KnownStudy("NO_DISEASE"), 54001, None),
    "OTHER_SAMPLE": (
        KnownStudy("OTHER_SAMPLE"), 54010,
        "update staging.matrix_sample set sample_accession_code = 'STRANGER'"
        " where sample_accession_code = 'OTHER_SAMPLE-2'",
    ),
    "NO_UNIT": (
        KnownStudy("NO_UNIT", technology="RNA-SEQ"), 54020,
        "update staging.batch set config_snapshot = '{\"disease\": \"SEPSIS\"}'"
        " where study_accession_code = 'NO_UNIT'",
    ),
}  # fmt: skip

HELD_BACK = {2005, 2006, 2007, 2028, 54010, 54020}
# Findings of slices, not of studies: none of these studies has two cohorts.
CONTRAST_TOO_FEW_STUDIES = 54101
SLICE_WITHOUT_PAIRS = 54108
# The symbols would be resolved if annotation were loaded; a sample of outliers is unlike its cohort.
ALSO_FOUND = {("UNSHARED_GENES", 2022), ("OUTLYING_SAMPLE", 2026)}
OF_SLICES = {CONTRAST_TOO_FEW_STUDIES, SLICE_WITHOUT_PAIRS}
CONTRASTS = {
    *(f"SEPSIS MICROARRAY HOMO_SAPIENS {contrast}" for contrast in ("ss", "soth", "sc")),
    *(f"SEPTIC_SHOCK MICROARRAY HOMO_SAPIENS {contrast}" for contrast in ("ss", "soth")),
}
BROKEN = {**LOADED, **{name: (code, sql) for name, (_, code, sql) in STAGED.items()}}


def configuration() -> str:
    studies: dict[str, dict] = {name: {"disease": "SEPSIS", "units": "LOG2"} for name in BROKEN}
    del studies["NO_DISEASE"]["disease"]
    studies["TWO_SCALES"]["units"] = "INTENSITY"
    # In another slice: the meta-analysis cannot take a fact that has a value twice.
    studies["FACT_HAS_A_ROW_TWICE"]["disease"] = "SEPTIC_SHOCK"
    studies["ILLNESS_CONFLICT"]["illness_overrides"] = {"ILLNESS_CONFLICT-1": "SEPSIS"}
    studies["SHARED_OVERRIDE"]["illness_overrides"] = {"GSM1": "SEPSIS"}
    studies["SHARED_SAMPLES"]["illness_overrides"] = {"GSM1": "CONTROL"}
    subjects = {f"REPEATED_SUBJECT-{n}": "P1" for n in (1, 2)}
    studies["REPEATED_SUBJECT"]["subjects"] = subjects
    return yaml.dump({"studies": studies})


@dataclass
class Built:
    warehouse: WarehouseUnderTest
    output: str
    findings: list[dict]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    folder = tmp_path_factory.mktemp("rules")
    warehouse = WarehouseUnderTest(folder)
    (folder / "pipeline.yaml").write_text(configuration())

    def stage(studies: list[Study]) -> None:
        for study in studies:
            path = study.write(folder / study.accession)
            result = warehouse.loader("ingest", path, "--config", folder / "pipeline.yaml")
            assert result.exit_code == 0, result.output

    def break_data(statements: list[str | None]) -> None:
        with duckdb.connect(str(warehouse.path)) as connection:
            for sql in filter(None, statements):
                assert connection.execute(sql).fetchone()[0] > 0, sql

    stage([KnownStudy(name) for name in LOADED])
    warehouse.build()
    break_data([sql for _, sql in LOADED.values()])
    stage([study for study, _, _ in STAGED.values()])
    break_data([sql for _, _, sql in STAGED.values()])
    output = warehouse.dbt("build", succeeds=False)
    rows = warehouse.query(
        "select severity, batch_id, details from meta.meta_data_validation_log"
        " where run_id = (select arg_max(run_id, created_at) from meta.meta_data_validation_log)"
    )
    findings = [{"severity": s, "batch_id": b, **json.loads(d)} for s, b, d in rows]
    return Built(warehouse, output, findings)


def catalog(warehouse: WarehouseUnderTest) -> dict[int, tuple[str, str]]:
    rows = warehouse.query("select error_code, error_name, severity from meta.meta_error_code")
    return {code: (name, severity) for code, name, severity in rows}


def test_each_rule_finds_the_study_that_breaks_it_and_no_other(built):
    found = {(f["study_accession"], f["error_code"]) for f in built.findings}
    expected = {(name, code) for name, (code, _) in BROKEN.items() if code}
    assert found == expected | ALSO_FOUND | {(None, code) for code in OF_SLICES}


def test_contrasts_that_too_few_studies_can_answer_are_named(built):
    found = [
        (f["subject"], f["finding"])
        for f in built.findings
        if f["error_code"] == CONTRAST_TOO_FEW_STUDIES
    ]
    missing = (
        "0 of at least 3 studies (var k_min) have both sides; "
        "pairs have no false discovery rate for it"
    )
    assert sorted(found) == [(subject, missing) for subject in sorted(CONTRASTS)]


def test_slices_without_pairs_are_named_with_the_reason(built):
    found = {
        f["subject"]: f["finding"] for f in built.findings if f["error_code"] == SLICE_WITHOUT_PAIRS
    }
    reason = "no cohort has 8 labelled samples; the largest has 5"
    assert found == {
        "SEPSIS MICROARRAY HOMO_SAPIENS": reason,
        "SEPTIC_SHOCK MICROARRAY HOMO_SAPIENS": reason,
    }
    assert f"SEPSIS MICROARRAY HOMO_SAPIENS: no gene pairs: {reason}" in built.output


def test_a_batch_is_searched_for_values_that_occur_twice_until_it_has_none(built):
    unchecked = built.warehouse.query(
        "select study_accession_code from staging.batch"
        " where status = 'LOADED' and (fact_checked_at is null or fact_checked_at < loaded_at)"
    )
    assert unchecked == [("FACT_HAS_A_ROW_TWICE",)]


def test_only_rules_that_each_build_judges_anew_are_rules_on_the_warehouse():
    """Most int_ models have only what the build measured, so that a finding of theirs comes once."""
    models = PROJECT / "models"

    def once(findings: str) -> set[bool]:
        rules = re.findall(r"'(rule_\w+)'", (models / f"intermediate/{findings}.sql").read_text())
        return {"ref('int_" in (models / f"validation/{rule}.sql").read_text() for rule in rules}

    assert once("int_target_finding") == {False}
    assert once("int_value_finding") == {True}


def test_findings_have_the_severity_of_the_catalog(built):
    severities = {code: severity for code, (_, severity) in catalog(built.warehouse).items()}
    for finding in built.findings:
        assert finding["severity"] == severities[finding["error_code"]], finding


def test_errors_hold_back_their_batch_and_nothing_else(built):
    """A warning holds nothing up, nor does an error that is found in the fact afterwards."""
    names = {code: name for code, (name, _) in catalog(built.warehouse).items()}
    register = built.warehouse.query(
        "select b.study_accession_code, b.status, b.quarantine_reason, count(f.batch_id)"
        " from staging.batch b left join fact.fact_gene_expression f using (batch_id)"
        " group by all"
    )
    assert len(register) == len(BROKEN)
    for study, status, reason, fact_rows in register:
        code, _ = BROKEN[study]
        if code in HELD_BACK or study == "REGISTER_DIFFERS":
            assert (status, fact_rows) == ("QUARANTINED", 0), study
            assert reason.startswith(f"{code} {names[code]}: "), reason
        else:
            assert (status, reason) == ("LOADED", None), study
            assert fact_rows > 0, study


def test_what_is_found_is_said(built):
    said = {
        (f["error_code"], f["study_accession"]): (f["subject"], f["finding"])
        for f in built.findings
    }
    for where, what in {
        (2002, "FEW_GENES"): (
            "FEW_GENES",
            "14 genes; the other MICROARRAY studies have 30 (median)",
        ),
        (2003, "MISSING_VALUES"): ("MISSING_VALUES", "60 of 150 values are missing"),
        (2005, "SAMPLE_TWICE"): ("ENSG3", "5 rows of 4 samples; the batch has 5 samples"),
        (2006, "BLANK_AFTER_GENE"): ('"ENSG3 "', "gene id starts or ends with a blank"),
        (2010, "OUTLYING_SAMPLE"): ("OUTLYING_SAMPLE-1", "2 of 30 genes beyond 5 MAD"),
        (2012, "MERGED_GENES"): (
            "MERGED_GENES",
            "2 lines are 1 gene (mean, of counts the sum), for example ENSG1 on lines 2 and 3",
        ),
        (2027, "OTHER_SPECIES"): (
            "OTHER_SPECIES",
            "1 of 1 Ensembl ids are not of HOMO_SAPIENS, as ENSMUSG00000000001",
        ),
        (2028, "TWO_SCALES"): (
            "TWO_SCALES",
            "3 of 5 samples have no value above 25, as TWO_SCALES-3; "
            "2 have, as TWO_SCALES-1, up to 2717",
        ),
        (54107, "UNSHARED_GENES"): (
            "SEPSIS MICROARRAY HOMO_SAPIENS",
            "5 of its 30 genes are in another of the 18 studies; its gene ids are MIXED",
        ),
        (3002, "UNKNOWN_MANUFACTURER"): ("GPL99999999", "Array, 5 samples"),
        (4002, "FACT_HAS_A_ROW_TWICE"): ("FACT_HAS_A_ROW_TWICE-1", "has 1 gene more than once"),
    }.items():
        assert said[where] == what


def test_the_tests_of_these_rules_fail_or_warn_and_no_other(built):
    codes = catalog(built.warehouse)
    broken = {code for code, _ in BROKEN.values() if code} | OF_SLICES
    broken |= {code for _, code in ALSO_FOUND}
    for word, severity in (("Failure", "ERROR"), ("Warning", "WARNING")):
        tests = set(re.findall(rf"{word} in test (\S+)", built.output))
        assert tests == {f"{c}_{codes[c][0]}" for c in broken if codes[c][1] == severity}
    assert "SKIP=0" in built.output


def test_study_quality(built):
    """Each loaded study has a score; the outliers of those that the first build loaded are kept."""
    scores = dict(
        built.warehouse.query(
            "select study_accession_code, data_quality_score from meta.meta_study_qc"
            " inner join dim.dim_study using (study_key)"
        )
    )
    loaded = {
        study
        for (study,) in built.warehouse.query(
            "select study_accession_code from staging.batch where status = 'LOADED'"
        )
    }
    assert set(scores) == loaded
    assert scores["LOADED_GOOD"] == scores["STAGED_GOOD"] == 100
    assert scores["KS_FAILED"] == 85
    assert scores["UNKNOWN_ILLNESS"] == 75
    assert scores["UNKNOWN_MANUFACTURER"] == 85
    assert scores["MISSING_VALUES"] == 90
    # 2 of 150 values.
    assert scores["OUTLYING_SAMPLE"] == pytest.approx(100 - 20 * (2 / 150) / 0.05)

"""Matrices that cannot be right are found: each fault in one study of a slice, and no other study is named."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Study, WarehouseUnderTest, moved

GENES = [f"ENSG{n:011}" for n in range(1, 121)]
N = 10
Values = list[list[float]]


def values_of(accession: str) -> Values:
    """Genes at their own levels, which all studies share, and noise of the study."""
    dice = random.Random(accession)
    levels = random.Random("levels")
    return [
        [level + dice.gauss(0, 0.5) for _ in range(N)]
        for level in (levels.uniform(3, 13) for _ in GENES)
    ]


def shifted(values: Values) -> Values:
    """Each gene has the values of the next one."""
    return [*values[1:], values[0]]


def reversed_lines(values: Values) -> Values:
    return values[::-1]


def with_reversed_column(values: Values) -> Values:
    """The first column stands upside down."""
    return [[other[0], *line[1:]] for line, other in zip(values, reversed(values), strict=True)]


def with_shuffled_column(values: Values) -> Values:
    column = [line[0] for line in values]
    random.Random(1).shuffle(column)
    return [[first, *line[1:]] for first, line in zip(column, values, strict=True)]


def with_constant_column(values: Values) -> Values:
    return [[7.25, *line[1:]] for line in values]


def with_repeated_lines(values: Values) -> Values:
    """The last twelve genes have the values of the first."""
    return [*values[:-12], *[values[0]] * 12]


def centred(values: Values) -> Values:
    """Values of which nothing can be said: each gene's mean is 0, and a column is upside down."""
    means = [sum(line) / N for line in values]
    lines = [[x - mean for x in line] for line, mean in zip(values, means, strict=True)]
    return with_reversed_column(lines)


def at_a_floor(values: Values) -> Values:
    """A third of the genes are not expressed: each sample has a value of its own for them."""
    floors = [2 + n / 100 for n in range(N)]
    return [floors if place % 3 == 0 else line for place, line in enumerate(values)]


# Study → what is done to its values, and the findings that are expected, with their subjects.
FAULTS: dict[str, tuple[Callable[[Values], Values], set[tuple[int, str]]]] = {
    "GOOD1": (lambda values: values, set()),
    "GOOD2": (lambda values: values, set()),
    "GOOD3": (at_a_floor, set()),
    "CENTRED": (centred, set()),
    "SHIFTED": (shifted, {(54109, "SEPSIS MICROARRAY HOMO_SAPIENS")}),
    "REVERSED": (reversed_lines, {(54109, "SEPSIS MICROARRAY HOMO_SAPIENS")}),
    "COLUMN_REVERSED": (with_reversed_column, {(2026, "COLUMN_REVERSED-0")}),
    "COLUMN_SHUFFLED": (with_shuffled_column, {(2026, "COLUMN_SHUFFLED-0")}),
    "CONSTANT": (with_constant_column, {(2024, "CONSTANT-0")}),
    "REPEATED": (with_repeated_lines, {(2025, "REPEATED")}),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> WarehouseUnderTest:
    folder: Path = tmp_path_factory.mktemp("sanity")
    warehouse = WarehouseUnderTest(folder)
    config = folder / "pipeline.yaml"
    settings = "".join(f"  {name}: {{disease: SEPSIS, units: LOG2}}\n" for name in FAULTS)
    config.write_text(f"studies:\n{settings}")
    for name, (change, _) in FAULTS.items():
        Study(
            name,
            samples=[f"{name}-{n}" for n in range(N)],
            genes=GENES,
            values=[[repr(x) for x in line] for line in change(values_of(name))],
        ).write(folder / "downloads" / name)
    result = warehouse.loader("ingest", folder / "downloads", "--config", config)
    assert result.exit_code == 0, result.output
    warehouse.build("--select", "+validation_finding", "+vw_finding_current")
    return warehouse


def findings(warehouse: WarehouseUnderTest) -> dict[str, set[tuple[int, str]]]:
    """Study → codes and subjects of the findings on its values."""
    found: dict[str, set[tuple[int, str]]] = {}
    for study, code, subject in warehouse.query(
        "select study_accession_code, error_code, subject from validation.validation_finding"
        " where error_code in (2024, 2025, 2026, 54104, 54109)"
    ):
        found.setdefault(study, set()).add((code, subject))
    return found


def test_each_fault_is_found_in_its_study_and_nowhere_else(built):
    expected = {name: found for name, (_, found) in FAULTS.items() if found}
    assert findings(built) == expected


def test_findings_say_how_far_off_the_values_are(built):
    said = dict(
        built.query(
            "select study_accession_code, finding from validation.validation_finding"
            " where error_code in (2024, 2025, 54109)"
        )
    )
    assert said["CONSTANT"] == "all its values are 7.25"
    assert said["REPEATED"] == (
        "12 of 119 genes that vary have exactly the values of another gene, for example"
        f" {GENES[-12]}; 13 genes share the values of the largest group"
    )
    assert said["REVERSED"].endswith("with that in the other studies, over 120 common genes")


def test_findings_hold_until_a_build_no_longer_makes_them(built, tmp_path):
    """Rules on values judge a batch once; those on the warehouse judge in each build anew."""

    def current() -> set[tuple[str, int]]:
        return set(
            warehouse.query(
                "select study_accession_code, error_code from meta.vw_finding_current"
                " where error_code in (2024, 2025, 2026, 54109)"
            )
        )

    warehouse = moved(built, tmp_path)
    before = current()
    assert before == {(name, code) for name, (_, found) in FAULTS.items() for code, _ in found}
    warehouse.dbt(
        "run-operation", "upsert_study_disease_map", "--args", "{study: SHIFTED, disease: NONE}"
    )
    assert current() == before
    warehouse.build()
    assert current() == before - {("SHIFTED", 54109)}

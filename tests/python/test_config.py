"""pipeline.yaml: every mistake is named with its line."""

import cProfile
import pstats
from pathlib import Path

import pytest

from expression_warehouse.core.config import PipelineConfig, StudyConfig, load_config
from expression_warehouse.core.errors import UserError

PROJECT = Path(__file__).parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("studies:\n  GSE1:\n    unit: TPM\n", 3, "unknown key 'studies.GSE1.unit'"),
        ("studies:\n  GSE1:\n    unit: TPM\n", 3, "did you mean units?"),
        ("studies:\n  GSE1:\n    Disease: SEPSIS\n", 3, "did you mean disease?"),
        ("studies:\n  disease:\n    illness_override: {}\n", 3, "did you mean illness_overrides?"),
        ("diseases:\n  SEPSIS:\n    contrast: {}\n", 3, "did you mean contrasts?"),
        (
            "diseases: {A: {contrasts: {x: {case: [CASE], reference: [CONTROL], primary: true}}}}\n",
            1,
            "did you mean is_primary?",
        ),
        ("folders:\n  archiv: copies\n", 2, "did you mean archive?"),
        ("desease: SEPSIS\n", 1, "did you mean diseases?"),
        ("limits:\n  size: 1\n", 2, "the keys are matrix_gb, compression_ratio, columns"),
        ("studies:\n\tGSE1: {}\n", 2, "indent with blanks, not tabs"),
        ("default:\n  parallelism: 2\n", 1, "unknown key 'default'"),
        ("defaults:\n  memory_limit_mb: 8192\n", 2, "profiles.yml"),
        ("studies:\n  GSE1:\n    chunk_size: 5000\n", 3, "under defaults"),
        ("logging:\n  level: INFO\n", 1, "logs_days"),
        ("retention:\n  artifacts_worm: false\n", 2, "artifacts_worm"),
        ("defaults:\n  parallelism: two\n", 2, "defaults.parallelism"),
        ("defaults:\n  parallelism: 0\n", 2, "0 is less than 1"),
        ("defaults:\n  parallelism: 65\n", 2, "65 is greater than 64"),
        ("defaults:\n  parallelism: two\n", 2, "defaults.parallelism: 'two' is no whole number"),
        ("limits:\n  matrix_gb: 0\n", 2, "0 is not greater than 0"),
        ("limits:\n  matrix_gb: much\n", 2, "'much' is no number"),
        ("limits:\n  follow_links: 1\n", 2, "1 is neither true nor false"),
        ("studies:\n  GSE1: TPM\n", 2, "studies.GSE1: 'TPM' is no mapping"),
        ("studies:\n  GSE1:\n    organism: mouse\n", 3, "'mouse' is no name of a species"),
        ("studies:\n  GSE1:\n    organism: HUMAN\n", 3, "'HUMAN' is no name of a species"),
        ("studies:\n  GSE1:\n    subjects: 7\n", 3, "GSE1.subjects: 7 is neither a text nor a map"),
        ("studies:\n  GSE1:\n    matrix: ''\n", 3, "the text is empty"),
        (
            "studies:\n  GSE1:\n    duplicate_genes: min\n",
            3,
            "GSE1.duplicate_genes: 'min' is not 'mean', 'max' or 'refuse'",
        ),
        ("studies:\n  7: {}\n", 2, "7 is no text; put quotes around it"),
        ("studies:\n  GSE1:\n    units: [LOG2]\n", 3, "['LOG2'] is no single text"),
        (
            "studies:\n  GSE1:\n    exclude: GSM1\n",
            3,
            "'GSM1' is no list: put [ ] around its items",
        ),
        (
            "studies:\n  GSE1: {include: [A, B, C], exclude: [C, B]}\n",
            2,
            "studies.GSE1: B, C: both in include and in exclude",
        ),
        ("studies:\n  GSE1: {skip_samples: [A], exclude: [A]}\n", 2, "skip_samples and in exclude"),
        ("studies:\n  GSE1: {skip_samples: [A], include: [A]}\n", 2, "skip_samples and in include"),
        ("defaults:\n  chunk_size: 1.5\n", 2, "defaults.chunk_size"),
        ("studies:\n  GSE1:\n    units: LOG10\n", 3, "'LOG10' is not one of ARRAY_LOG2"),
        ("studies:\n  GSE1:\n    disease: FLU\n", 3, "'FLU' is not one of SEPSIS"),
        (
            "studies:\n  GSE1:\n    illness_overrides:\n      GSM1: CONTROL\n      GSM2: SICK\n",
            5,
            "'SICK' is not one of CONTROL",
        ),
        ("studies:\n  GSE1:\n    skip_samples: GSM1\n", 3, "skip_samples"),
        ("studies:\n  GSE1:\n    skip_samples:\n      - GSM1\n      - 7\n", 5, "7 is no text"),
        ("studies:\n  GSE1:\n    exclude: [A, B, A]\n", 3, "A is listed twice"),
        ("studies:\n  GSE1:\n    units: TPM\n    units: CPM\n", 4, "'units' occurs twice"),
        ("studies:\n  - GSE1\n", 1, "studies"),
        ("\nhello\n", 2, "not a mapping"),
        ("retention:\n  logs_days: 0\n", 2, "0 is less than 1"),
        ("retention:\n  staging_days: seven\n", 2, "retention.staging_days"),
        ("retention:\n  artifacts_days: 180\n", 2, "artifacts are never deleted"),
        ("retention:\n  days: 180\n", 2, "unknown key 'retention.days'"),
        ("defaults: {}\nfolders: {logs: a, artifacts: ./a/}\n", 2, "folders.logs"),
        ("defaults: {}\nfolders: {archive: a, artifacts: a/b}\n", 2, "folders.artifacts is"),
        ("defaults: {}\nfolders: {archive: artifacts/b}\n", 2, "folders.archive is"),
        ("defaults: {}\nfolders: {logs: .}\n", 2, "folders.artifacts is folders.logs, or lies"),
        ("defaults: {}\nfolders: {logs: b/../artifacts}\n", 2, "lies in it"),
        ("folders: {logs: ''}\n", 1, "folders.logs"),
        ("folders: {artifacts: null}\n", 1, "folders.artifacts"),
        ("studies: {GSE1: {units: [}\n", 1, "not valid YAML"),
        ("studies: &a {b: *a}\n", None, "not valid YAML"),
        ("a: \x07\n", None, "not valid YAML"),
        ("? [1, 2]\n: 3\n", 1, "a key is a list"),
        ("defaults: {chunk_size: !!python/object:x 1}\n", 1, "not valid YAML"),
        ("defaults: {chunk_size: !!int two}\n", None, "not valid YAML"),
        ("defaults: {chunk_size: 2020-01-02}\n", 1, "'2020-01-02' is no whole number"),
        ("a:\n\t- b\n", 2, "not valid YAML"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, line, found):
    with pytest.raises(UserError) as caught:
        load_config(write(tmp_path, text))
    assert caught.value.name == "CONFIG_INVALID"
    assert caught.value.line == line
    assert found in caught.value.found


def test_what_looks_like_a_date_is_a_name(tmp_path):
    text = "studies:\n  2024-01-02:\n    exclude: [2024-01-03, 2024-01-02 10:00:00]\n"
    study = load_config(write(tmp_path, text)).study("2024-01-02")
    assert study.exclude == ["2024-01-03", "2024-01-02 10:00:00"]


@pytest.mark.parametrize(("name", "found"), [("none.yaml", "no such file"), ("", "a folder")])
def test_a_path_that_is_no_file_is_named(tmp_path, name, found):
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / name)
    assert caught.value.code == 54030
    assert found in caught.value.found


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(b"studies: \xff\n")
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert caught.value.code == 1003


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "studies: {}\n",
        "studies:\n#  GSE1: {units: TPM}\n",
        "defaults:\nlimits:\nfolders:\nretention:\ndiseases:\n",
    ],
)
def test_an_empty_file_means_the_defaults(tmp_path, text):
    assert load_config(write(tmp_path, text)).model_dump() == load_config(None).model_dump()


def test_an_empty_list_or_study_means_none(tmp_path):
    text = "studies:\n  GSE1:\n  GSE2:\n    exclude:\n    #  - GSM1\n    times:\n"
    config = load_config(write(tmp_path, text))
    assert config.studies == {"GSE1": StudyConfig(), "GSE2": StudyConfig()}


def test_no_message_is_in_the_words_of_pydantic(tmp_path):
    """Each setting with values of all kinds of types."""
    sections = {
        name: section.annotation
        for name, section in PipelineConfig.model_fields.items()
        if name not in ("studies", "diseases")
    }
    sections["studies: {GSE1"] = StudyConfig
    for section, model in sections.items():
        for field in model.model_fields:
            for value in ("7", "1.5", "text", "[]", "[1]", "{a: []}", "true", "null", "''"):
                text = f"{section}: {{{field}: {value}}}" + "}" * section.count("{")
                try:
                    load_config(write(tmp_path, text))
                except UserError as error:
                    assert error.code == 54030
                    assert "should" not in error.found and "nput" not in error.found, text


def test_folders_are_relative_to_the_file(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    config = load_config(write(tmp_path, f"folders: {{logs: l, archive: '{elsewhere}'}}\n"))
    assert config.folder("logs") == tmp_path / "l"
    assert config.folder("archive") == elsewhere
    assert config.folder("artifacts") == tmp_path / "artifacts"
    assert load_config(None).folder("archive") is None


def test_a_folder_with_a_longer_name_is_another_one(tmp_path):
    assert load_config(write(tmp_path, "folders: {logs: a, artifacts: ab}\n")).folders.logs == "a"


def test_equal_configurations_have_equal_snapshots():
    a = StudyConfig(illness_overrides={"A": "CONTROL", "B": "SEPSIS"})
    b = StudyConfig(illness_overrides={"B": "SEPSIS", "A": "CONTROL"})
    assert a.snapshot() == b.snapshot()
    assert StudyConfig.model_validate_json(a.snapshot()) == a


def test_the_example_is_valid():
    assert load_config(PROJECT / "pipeline.example.yaml").studies


def test_aliases_that_stand_for_more_than_memory_holds(tmp_path):
    """332 bytes that stand for 10^9 values, as a few lines of aliases can."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "pipeline.yaml"
    path.write_text("\n".join(lines))
    profile = cProfile.Profile()
    with pytest.raises(UserError, match="aliases stand for more than 1,000,000"):
        profile.runcall(load_config, path)
    assert pstats.Stats(profile).total_calls < 100_000
    path.write_text("studies: &a {GSE1: *a}")
    with pytest.raises(UserError, match="54030"):
        load_config(path)


def test_an_alias_is_its_value(tmp_path):
    path = tmp_path / "pipeline.yaml"
    path.write_text("studies: {GSE1: &s {disease: SEPSIS}, GSE2: *s}")
    assert load_config(path).study("GSE2").disease == "SEPSIS"

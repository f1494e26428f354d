"""What people see: on a terminal with progress bars, no message is lost; --help is quick and has an
example; ingest and run end with one line that says what each study needs."""

import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping

import click
import pyte
import pytest
from conftest import PROJECT, Study, WarehouseUnderTest, events

from expression_warehouse.core.listed import counted
from expression_warehouse.core.text_reporter import TextReporter
from loader.summary import Outcomes

HEAVY = {
    "dbt", "duckdb", "numba", "numpy", "pyarrow", "pydantic", "rich", "scipy", "sklearn", "structlog",
    "tenacity",
}  # fmt: skip


def commands() -> list[list[str]]:
    """The arguments that lead to each command and group."""
    from expression_warehouse.cli import main

    def below(command: click.Command, path: list[str]) -> list[list[str]]:
        inner = getattr(command, "commands", {})
        return [path, *(p for name, sub in inner.items() for p in below(sub, [*path, name]))]

    return below(main, [])


# --- counts


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (1, "pair", "1 pair"),
        (0, "pair", "0 pairs"),
        (2000, "archived study", "2,000 archived studies"),
        (1, "archived study", "1 archived study"),
        (2, "day", "2 days"),
        (3, "batch", "3 batches"),
    ],
)
def test_a_count_agrees_with_its_noun(count, noun, said):
    assert counted(count, noun) == said


def test_no_sentence_has_a_plural_after_a_count():
    """`{count:,} rows` would say `1 rows`."""
    for step, sentence in TextReporter._SENTENCES.items():
        count = r"\{(?:\w+_count|days|draws|attempts)(?::,)?\}"
        assert not re.search(rf"{count} (\w+ )?[a-z]+s\b", sentence), step


NOUNS = (
    "batches|bytes|columns|draws|files|genes|ids|lines|pairs|publications|rows|runs|samples|studies"
    "|values"
)
# In `3 of its 5 genes`, a plural follows any number.
OF = r"\bof (?:at least |its |the )?"


@pytest.mark.parametrize(
    ("globs", "count"),
    [
        (("loader/**/*.py", "expression_warehouse/**/*.py"),
         r"\{[^{}]*(?:count\b|len\(|length|size|received|written)[^{}]*\} "),
        (("expression_warehouse/**/*.html",), r"\{\{[^{}]*(?:count|length|size)[^{}]*\}\} "),
        (("models/**/*.sql",), r"\b(?:\w+\()?[\w.]*count(?:\([^()]*\))?[^'()]*\)?,\s+' "),
    ],
)  # fmt: skip
def test_no_message_has_a_plural_after_a_count(globs, count):
    """`1 genes`: what is counted comes from `counted`, in Python, templates and SQL."""
    plural = re.compile(rf"(?P<is_of>{OF}(?:', )?)?{count}(?:(?!without)\w+ )?(?:{NOUNS})\b")
    texts = [path.read_text() for glob in globs for path in PROJECT.glob(glob)]
    found = [match[0] for text in texts for match in plural.finditer(text) if not match["is_of"]]
    assert texts and not found


def test_sentences_are_singular_for_one(capsys):
    reporter = TextReporter()
    reporter.step(
        None,
        "pairs_staged",
        file="x.csv",
        row_count=1,
        disease="SEPSIS",
        replaced_count=0,
        seconds=1,
    )
    reporter.warned("rows_repeated", file="x.csv", row_count=1)
    reporter.step(None, "rebuilt", file="x", batch_count=2, archive="a", seconds=1, kept="k")
    reporter.close()
    said = capsys.readouterr()
    assert "staged 1 pair of SEPSIS" in said.out
    assert "rebuilt 2 batches" in said.out
    assert "left out 1 row as" in said.err


# --- help


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_help_has_an_example_and_imports_nothing_heavy(path):
    code = (
        "import sys\n"
        "from expression_warehouse.cli import main\n"
        f"try: main([*{path!r}, '--help'], prog_name='expression-warehouse')\n"
        "except SystemExit as error: assert error.code == 0\n"
        "print('modules', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True
    ).stdout
    said, _, modules = output.rpartition("modules ")
    assert HEAVY & set(modules.split()) == set()
    assert "Example" in said
    command = " ".join(["expression-warehouse", *path])
    assert f"  {command} " in said.replace("\n", " \n").partition("Example")[2]


def test_the_group_lists_the_exit_codes():
    output = subprocess.run(
        [sys.executable, "-m", "loader", "--help"],
        capture_output=True, text=True, cwd=PROJECT, check=True,
    ).stdout  # fmt: skip
    assert "130, 143" in output


def test_wrong_usage_exits_with_2(warehouse):
    assert warehouse.loader("ingest").exit_code == 2


# --- the terminal


def on_a_terminal(warehouse: WarehouseUnderTest, *arguments: object, **streams: int) -> list[str]:
    """The lines on the screen of a terminal after a command has ended.

    streams  stdout and stderr, if they are not to be the terminal
    """
    return on_the_screen(["-m", "loader", *map(str, arguments)], warehouse.env, **streams)


def on_the_screen(arguments: list[str], env: Mapping[str, str], **streams: int) -> list[str]:
    """The same of Python with these arguments."""
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**env, "TERM": "xterm-256color", "COLUMNS": "300", "LINES": "300"},
        cwd=PROJECT, stdin=slave, **{"stdout": slave, "stderr": slave, **streams},
    )  # fmt: skip
    os.close(slave)
    screen = pyte.Screen(300, 300)
    stream = pyte.ByteStream(screen)
    # The system ends a terminal that no process has open with an error.
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 65536):
            stream.feed(data)
    process.wait()
    os.close(terminal)
    return [line.rstrip() for line in screen.display if line.strip()]


@pytest.fixture
def downloads(tmp_path):
    """A study that takes a while, so that its bar is alive when the other three fail."""
    folder = tmp_path / "d"
    genes = [f"ENSG{i:011d}" for i in range(4000)]
    samples = [f"S{i}" for i in range(100)]
    Study("GSE1", samples, genes, [["6.25"] * 100] * 4000).write(folder / "good")
    for number in (2, 3, 4):
        study = Study(f"GSE{number}", [f"{number}{c}" for c in "abc"])
        study.values[1][2] = f"bad{number}"
        study.write(folder / f"broken{number}")
    return folder


def assert_all_is_told(lines: list[str]) -> None:
    text = "\n".join(lines)
    for number in (2, 3, 4):
        assert f"sample {number}c has the value 'bad{number}'" in text, text
        assert f"GSE{number} 1004 EXTRACTION_PARSE_ERROR" in text, text
    assert text.count("to do: ") == 3


def test_errors_outlive_the_progress_bars(warehouse, downloads):
    lines = on_a_terminal(warehouse, "ingest", downloads)
    assert_all_is_told(lines)
    assert any(line.startswith("GSE1         staged 400,000 values") for line in lines)
    assert lines[-1].startswith(
        "4 studies: 1 staged, 3 failed with 1004 EXTRACTION_PARSE_ERROR: GSE2, GSE3, GSE4; next"
    )


def test_errors_are_on_the_terminal_even_if_the_steps_are_in_a_file(warehouse, downloads, tmp_path):
    with (tmp_path / "out").open("w") as file:
        lines = on_a_terminal(
            warehouse, "ingest", downloads, "--log-format", "text", stdout=file.fileno()
        )
    assert_all_is_told(lines)
    assert "staged" not in "\n".join(lines)
    assert "1 staged" in (tmp_path / "out").read_text()


def test_no_line_is_lost_between_bars_that_come_and_go():
    """Threads have a bar for each study and write a line about it."""
    code = """if True:
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from expression_warehouse.core.text_reporter import TextReporter

        def load(number):
            bar = reporter.begin(f"GSE{number}", "values")
            reporter.advance(bar, 3)
            reporter.waiting(f"line {number}")
            reporter.end(bar)

        sys.setswitchinterval(1e-5)
        reporter = TextReporter()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(load, range(250)))
        reporter.close()
    """
    lines = on_the_screen(["-c", code], os.environ)
    assert sorted(lines) == sorted(f"line {number}" for number in range(250))


# --- the closing line


def test_the_closing_line_says_what_each_study_needs():
    outcomes = Outcomes(
        staged=[f"GSE{i}" for i in range(7)],
        unchanged=["GSE7"],
        failed={"GSE9": "UNIT_UNDETECTED", "GSE8": "UNIT_UNDETECTED", "GSE10": "STUDY_NOT_FOUND"},
        downloads=["EXTRACTION_CORRUPT_ARCHIVE"],
    )
    assert outcomes.describe(is_built=True) == (
        "11 studies: 8 loaded, 1 not found: GSE10, 2 need units: GSE8, GSE9,"
        " 1 download unreadable: 1006 EXTRACTION_CORRUPT_ARCHIVE"
    )
    outcomes.hold_back({"GSE7": "2007 VALIDATION_EXPRESSION_DOMAIN: GSM1: -3 is negative"})
    assert outcomes.describe(is_built=False) == (
        "11 studies: 7 staged, 1 not found: GSE10, 2 need units: GSE8, GSE9,"
        " 1 needs other units, or a release: GSE7,"
        " 1 download unreadable: 1006 EXTRACTION_CORRUPT_ARCHIVE"
    )


def test_long_lists_of_studies_are_cut():
    outcomes = Outcomes(failed={f"GSE{i}": "UNIT_UNDETECTED" for i in range(1, 8)})
    assert outcomes.describe(is_built=True) == (
        "7 studies: 7 need units: GSE1, GSE2, GSE3, GSE4, GSE5 and 2 more"
    )


def test_a_quarantined_study_is_counted_by_its_first_error(warehouse, tmp_path):
    folder = Study("GSE1", technology="RNA-SEQ").write(tmp_path / "d")
    for _ in range(2):
        (ended,) = events(warehouse.loader("ingest", folder), "ingest_ended")
        assert ended["summary"] == "1 study: 1 needs units: GSE1"
        assert ended["failed"] == {"UNIT_UNDETECTED": ["GSE1"]}


def test_a_locale_without_the_signs_of_messages(warehouse, tmp_path):
    warehouse.env["PYTHONIOENCODING"] = "ascii"
    folder = Study().write(tmp_path / "Grün")
    process = warehouse.loader_process("ingest", "--log-format", "text", folder)
    output, errors = process.communicate()
    assert (process.returncode, "Traceback" in errors) == (0, False), errors
    assert "staged" in output

"""Every command and query that README.md and the tutorial show is run, in order, in a fresh copy of the
project, and prints what they show; the queries of the operations page run too. Every command that any
page names exists, with its options; every link between pages leads somewhere.

In a code block `console`, lines with `$ ` are commands, the others their output, if it is shown; a line `…`
stands for any lines. Durations, ids and hashes may differ, and so may the order of lines, since studies load in parallel.
A table directly below a block `sql` shows its result.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import duckdb
import pytest
from conftest import PROJECT, SHARED_DATA, TARGET

from expression_warehouse.cli import main

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
GENUINE = SHARED_DATA / "refinebio" / "SRP164913.zip"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n((?:^\|[^\n]*\n)+))?", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ANY_LINES = "…"
_VARIES = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"^\d\d:\d\d:\d\d  "), ""),
    (re.compile(r"\b\d+\.\d s\b"), "(seconds)"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b"), "(id)"),
    (re.compile(r"_[0-9a-f]{16}\b"), "_(hash)"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "(time)"),
)


@dataclass(frozen=True)
class Example:
    """A command or query, and what the page says that it gives; None if it doesn't say."""

    language: str
    code: str
    shown: list[str] | None


def examples(text: str) -> list[Example]:
    """The commands and queries of a page, in order."""
    found = []
    for language, code, table in _BLOCK.findall(text):
        if language == "console":
            for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
                command, *output = part.strip().splitlines()
                found.append(Example("bash", command, output or None))
        elif language == "bash":
            commands = code.replace("\\\n", "").splitlines()
            found += [Example("bash", _uncommented(line), None) for line in commands if line]
        elif language == "sql":
            found.append(Example("sql", code, table.splitlines() if table else None))
        elif language == "yaml":
            found.append(Example("yaml", code, None))
    return found


def _uncommented(line: str) -> str:
    return line.split("  #")[0].strip()


class Session:
    """A shell in a copy of the project, as a reader of the page would have it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = (".git", ".venv", "target", "logs", "data", "warehouse.duckdb*", "__pycache__")
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*ignored))
        (folder / "profiles.yml").unlink(missing_ok=True)
        _link_environment(folder / ".venv")
        self._exports: list[str] = []
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("DBT_", "EXPRESSION_"))
        }
        self._env = {
            **inherited,
            "PATH": f"{folder / '.venv' / 'bin'}:{inherited['PATH']}",
            "PYTHONPATH": str(folder),
            "DBT_USE_COLORS": "false",
        }

    def run(self, command: str) -> list[str]:
        """Run a command to its end, successfully; return the lines that it printed."""
        if command.startswith("export "):
            self._exports.append(command)
            return []
        result = subprocess.run(
            ["bash", "-c", "\n".join([*self._exports, _as_test(command)])],
            cwd=self.folder, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}\n{result.stdout}"
        return result.stdout.splitlines()

    def query(self, sql: str) -> list[tuple]:
        """The rows of the last statement."""
        exports = dict(line.removeprefix("export ").split("=", 1) for line in self._exports)
        path = exports.get("EXPRESSION_WAREHOUSE_DB", "warehouse.duckdb")
        with duckdb.connect(str(self.folder / path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def _link_environment(venv: Path) -> None:
    """This environment under the path that `make` expects, marked as installed."""
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".installed":
            (venv / entry.name).symlink_to(entry)
    (venv / ".installed").touch()


def _as_test(command: str) -> str:
    """The command with the text of a terminal; what takes long or never ends is only listed."""
    if command == "make explore":
        return "make --dry-run explore"
    if command == "make test":
        return "make --dry-run test"
    if command == "expression-warehouse annotation update":
        # A test downloads no file.
        command = f"{command} --from {SHARED_DATA / 'annotation' / 'ensembl_gencode'}"
    if command.startswith(("python -m loader ", "expression-warehouse ")):
        return f"{command} --log-format text"
    return command


def _comparable(line: str) -> str:
    for pattern, replacement in _VARIES:
        line = pattern.sub(replacement, line)
    return line.strip()


def assert_prints(command: str, shown: list[str], printed: list[str]) -> None:
    expected = Counter(map(_comparable, (line for line in shown if line != _ANY_LINES)))
    actual = Counter(filter(None, map(_comparable, printed)))
    assert not expected - actual, (command, printed)
    if _ANY_LINES not in shown:
        assert expected == actual, (command, printed)


def assert_gives(sql: str, table: list[str], rows: list[tuple]) -> None:
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    assert shown == [["" if cell is None else str(cell) for cell in row] for row in rows], sql


def follow(session: Session, text: str) -> None:
    """Do what a page says, and compare."""
    for example in examples(text):
        if example.language == "yaml":
            (session.folder / "pipeline.yaml").write_text(example.code, encoding="utf-8")
        elif example.language == "sql":
            rows = session.query(example.code)
            if example.shown:
                assert_gives(example.code, example.shown, rows)
        else:
            printed = session.run(example.code)
            if example.shown is not None:
                assert_prints(example.code, example.shown, printed)


def sections(page: str) -> dict[str, str]:
    """Heading → text; the text before the first heading under ''."""
    parts = _HEADING.split((PROJECT / page).read_text(encoding="utf-8"))
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


needs_duckdb = pytest.mark.skipif(TARGET != "duckdb", reason="the pages show DuckDB")


@needs_duckdb
def test_readme_and_tutorial_show_what_happens(tmp_path):
    """On the demo's warehouse. The reader's own download is the next test's."""
    session = Session(tmp_path / "project")
    for heading, text in sections("README.md").items():
        if heading != "Your own download":
            follow(session, text)
    follow(session, (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    operations = examples((PROJECT / "docs" / "operations.md").read_text(encoding="utf-8"))
    for example in operations:
        if example.language == "sql":
            session.query(example.code)


@needs_duckdb
@pytest.mark.skipif(not GENUINE.is_file(), reason="needs a genuine download")
def test_readme_shows_what_happens_to_a_genuine_download(tmp_path):
    session = Session(tmp_path / "project")
    (session.folder / GENUINE.name).symlink_to(GENUINE)
    follow(session, sections("README.md")["Your own download"])


def test_readme_is_short():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere(page):
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), link


def _anchors(page: Path) -> set[str]:
    """The ids that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_commands_and_options_exist(page):
    for words in _commands(page.read_text(encoding="utf-8")):
        command = main
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name = words.pop(0)
            command = command.get_command(click.Context(command), name)
            assert command, f"{page.name}: no command {name}"
        options = {option for parameter in command.params for option in parameter.opts}
        named = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert named <= options | {"--help"}, (page.name, command.name)


def _commands(text: str) -> list[list[str]]:
    """The words after the program's name, of each command in code."""
    found = []
    blocks = "\n".join(code for language, code, _ in _BLOCK.findall(text) if language != "text")
    spans = re.findall(r"`([^`\n]+)`", _BLOCK.sub("", text))
    for line in [*blocks.replace("\\\n", "").splitlines(), *spans]:
        program = re.match(r"(?:\$ )?(?:python -m loader|expression-warehouse) ([a-z-].*)", line)
        if program:
            found.append(shlex.split(re.split(r"  #|[|;&]", program[1])[0].replace("…", "")))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_make_targets_exist(page):
    targets = re.findall(r"^([a-z-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:^|`|\$ )make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    assert set(named) <= set(targets)

"""requirements.lock: every package that pyproject.toml asks for, each file with its hash."""

import re
import tomllib

import pytest
from conftest import PROJECT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = PROJECT / "requirements.lock"


@pytest.fixture(scope="module")
def locked() -> dict[str, list[Requirement]]:
    """Name → its lines; a package can have several, for different platforms."""
    text = re.sub(r" *\\\n *--hash=sha256:[0-9a-f]{64}", " #", LOCK.read_text())
    found: dict[str, list[Requirement]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        written, *hashes = line.split(" #")
        assert hashes, f"{written} has no hash"
        requirement = Requirement(written)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def test_each_line_is_one_version_of_a_package(locked):
    for lines in locked.values():
        for requirement in lines:
            assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), requirement
            assert requirement.url is None
    assert not re.search(r"://|^-", LOCK.read_text(), re.MULTILINE), "it names an index or a file"


def test_the_ranges_of_the_project_hold(locked):
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        asked = Requirement(text)
        versions = [
            next(iter(line.specifier)).version for line in locked[canonicalize_name(asked.name)]
        ]
        assert versions, text
        assert all(asked.specifier.contains(version) for version in versions), (text, versions)

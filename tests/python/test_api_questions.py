"""A researcher's ten questions of docs/api.md: each address answers with what the table promises, in at
most three clicks from the start page."""

import os
import re
from collections.abc import Iterator
from unittest import mock

import pytest
from conftest import PROJECT
from fastapi.testclient import TestClient
from warehouses import built_demo

from expression_warehouse.api.app import create_app
from expression_warehouse.api.service_files import service_files
from expression_warehouse.api.store import open_store
from expression_warehouse.core.snapshot import publish

pytestmark = pytest.mark.skipif(
    os.environ.get("EXPRESSION_TEST_TARGET") == "sqlserver", reason="serves a snapshot"
)


def questions() -> list[tuple[str, list[str], list[str]]]:
    """Question, its addresses, and the words in quotes, which the first address shows."""
    text = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    table = text.split("## Ten questions")[1].split("##")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [
        (question, re.findall(r"`(/[^`]*)`", answer), re.findall("“([^”]*)”", answer))
        for question, answer in rows[1:]
    ]


@pytest.fixture(scope="module")
def client(copy_of, tmp_path_factory) -> Iterator[TestClient]:
    demo = copy_of(built_demo, tmp_path_factory.mktemp("questions"))
    publish(demo.path, print)
    with mock.patch.dict(os.environ, demo.env, clear=True):
        app = create_app(open_store(None), service_files(None))
        yield TestClient(app, base_url="http://127.0.0.1:8000")


@pytest.fixture(scope="module")
def names(client) -> dict[str, str]:
    """What the table's K and GSE1 stand for: the best pair, and the first study."""
    best = client.get("/api/v1/pairs?disease=SEPSIS&limit=1").json()[0]["pair_key"]
    study = client.get("/api/v1/studies").json()[0]["study_accession_code"]
    return {"/K": f"/{best}", "GSE1": study}


@pytest.fixture(scope="module")
def clicks(client) -> dict[str, int]:
    """Kind of page → links from the start page to one of it."""
    found, pages = {"": 0}, ["/"]
    for depth in range(1, 4):
        linked = {}
        for page in pages:
            for link in re.findall(r'href="(/[^"#]*)', client.get(page).text):
                linked.setdefault(kind(link), link.replace("&amp;", "&"))
        pages = [link for name, link in linked.items() if name not in found]
        found |= {name: depth for name in linked if name not in found}
    return found


def kind(address: str) -> str:
    """/pairs/17?disease=SEPSIS → pairs/*"""
    first, *rest = address.partition("?")[0].strip("/").split("/")
    return first + "/*" * len(rest)


def test_there_are_ten_questions():
    assert len(questions()) == 10


@pytest.mark.parametrize("question", questions(), ids=lambda question: question[0])
def test_a_question_is_answered_in_three_clicks(client, names, clicks, question):
    _, addresses, words = question
    assert addresses
    assert words
    for number, address in enumerate(addresses):
        for name, value in names.items():
            address = address.replace(name, value)
        page = client.get(address)
        assert page.status_code == 200
        assert 'role="alert"' not in page.text
        assert "No pair meets these settings" not in page.text
        assert clicks[kind(address)] <= 3
        for word in words if number == 0 else ():
            assert word in page.text, word

"""The pages in a real browser: usable without a script, on a phone and on a wide screen, and without
serious faults for users of assistive technology."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import duckdb
import httpx
import pytest
import uvicorn
from warehouses import built_demo

from expression_warehouse.api.app import create_app
from expression_warehouse.api.keys import KeyFile
from expression_warehouse.api.service_files import service_files
from expression_warehouse.api.store import open_store
from expression_warehouse.core.snapshot import publish

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium: apt-get install chromium"),
    pytest.mark.skipif(
        os.environ.get("EXPRESSION_TEST_TARGET") == "sqlserver", reason="serves a snapshot"
    ),
]
# Where the screens are kept to look at; by default, a folder of pytest.
SCREENS = os.environ.get("EXPRESSION_TEST_SCREENS")
WIDTHS = (360, 1600)


@pytest.fixture(scope="module")
def service(copy_of, tmp_path_factory) -> Iterator[tuple[str, list[str]]]:
    """The address of the demo's service, and its pages."""
    demo = copy_of(built_demo, tmp_path_factory.mktemp("demo"))
    publish(demo.path, print)
    with duckdb.connect(str(demo.path), read_only=True) as connection:
        (key,) = connection.execute(
            "select pair_key from dim.dim_gene_pair where gene_a_symbol = 'MS4A4A' and"
            " gene_b_symbol = 'CD86' or gene_a_symbol = 'CD86' and gene_b_symbol = 'MS4A4A'"
        ).fetchone()
        (study,) = connection.execute(
            "select min(study_accession_code) from dim.dim_study"
        ).fetchone()
    pair = f"/pairs/{key}?disease=SEPSIS&technology=MICROARRAY&organism=HOMO_SAPIENS"
    pages = [
        "/", "/pairs?q=0.2", "/pairs?q=0", pair, f"{pair}&without={study}", "/genes/CD86",
        f"/studies/{study}", "/runs", "/search?q=DEMO", "/search?q=nobody", "/genes/nobody",
    ]  # fmt: skip
    with mock.patch.dict(os.environ, demo.env, clear=True), socket.socket() as listening:
        files = service_files(None)
        app = create_app(open_store(None), files)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.05)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        review(address, key, KeyFile(files.keys).create("test", ("review",)))
        yield address, pages
        server.should_exit = True
        thread.join()


def review(address: str, pair_key: int, key: str) -> None:
    httpx.post(
        f"{address}/api/v1/analytics/pairs/{pair_key}/review",
        json={"verdict": "SUPPORTED", "rationale": "Seven studies agree.", "reviewer": "Ada"},
        headers={"Authorization": f"Bearer {key}"},
    ).raise_for_status()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def screens(tmp_path) -> Path:
    folder = Path(SCREENS) if SCREENS else tmp_path
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_serious_fault_of_accessibility_and_fit(
    service, browser, screens, width, scheme
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    address, pages = service
    # The policy of the pages forbids axe itself.
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    for number, path in enumerate(pages):
        page.goto(address + path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.screenshot(path=screens / f"{number}-{scheme}-{width}.png", full_page=True)
        found = axe.run(page).response["violations"]
        serious = [
            (fault["id"], [node["target"] for node in fault["nodes"]][:3])
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]
        assert not serious, (path, width, scheme)
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, (path, width)
    assert errors == []
    context.close()


def test_everything_works_without_a_script(service, browser):
    address, pages = service
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "/pairs")
    page.get_by_label("gene", exact=True).fill("CD86")
    page.get_by_label("q at most").fill("1")
    page.get_by_label("I² at most").fill("100")
    page.get_by_role("button", name="Show").click()
    rows = page.locator("tbody tr")
    assert rows.count() > 50
    assert all("CD86" in text for text in rows.all_inner_texts())
    page.get_by_label("rows").fill("10")
    page.get_by_role("button", name="Show").click()
    first = rows.first.inner_text()
    page.get_by_role("link", name="Next page").first.click()
    assert page.locator("tbody tr").count() == 10
    assert page.locator("tbody tr").first.inner_text() != first
    page.get_by_placeholder("gene or study").fill("ms4a4a")
    page.get_by_role("button", name="Go").click()
    assert page.get_by_role("heading", level=1).inner_text() == "MS4A4A"
    page.goto(address + pages[3])
    before = page.locator("svg.forest").first.inner_html()
    page.locator("summary").first.click()
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Pool again").click()
    assert "without=" in page.url
    assert "no longer valid" in page.get_by_role("status").inner_text()
    assert page.locator("svg.forest").first.inner_html() != before
    context.close()


def test_keyboard_reaches_the_content_first(service, browser):
    address, _ = service
    page = browser.new_page()
    page.goto(address + "/pairs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.close()


def test_the_page_of_the_rest_api_needs_no_other_host(service, browser):
    address, _ = service
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + "/docs")
    page.get_by_text("The best pairs of each slice").first.wait_for()
    assert asked and all(url.startswith((address, "data:")) for url in asked)
    context.close()

"""`annotation update`: what it loads, from servers that misbehave and folders of files; what is damaged or
worse never replaces what is loaded."""

import datetime
import functools
import gzip
import json
import multiprocessing
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result
from conftest import PROJECT, SHARED_DATA, events
from file_server import (
    FileServer,
    Served,
    ignoring_range,
    serving,
    silent,
    status,
    truncated,
    web_page,
)
from small_catalog import small_catalog, table

from expression_warehouse.annotation import cache as cache_module
from expression_warehouse.annotation import catalog, download, update
from expression_warehouse.cli import main
from expression_warehouse.core import signals

REAL = SHARED_DATA / "annotation"
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def lab(warehouse, server, tmp_path, monkeypatch) -> "Lab":
    """A warehouse, a cache, and a server with a file of each kind."""
    monkeypatch.setattr(download, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(download, "_INTERVAL_S", 0.0)
    server.files = {"/scores.tsv": Served(table(300)), "/names.tsv": Served(table(200, 50))}
    lab = Lab(warehouse, server, tmp_path)
    with small_catalog({name: server.url(f"/{name}.tsv") for name in ("scores", "names")}):
        yield lab


class Lab:
    def __init__(self, warehouse, server: FileServer, folder: Path) -> None:
        self.warehouse = warehouse
        self.server = server
        self.cache = folder / "cache"
        self.env = {
            **warehouse.env,
            "EXPRESSION_ANNOTATION_CACHE": str(self.cache),
            "NO_PROXY": "*",
            "NCBI_API_KEY": "",
        }

    def run(self, *arguments: object) -> Result:
        result = CliRunner().invoke(main, ["annotation", *map(str, arguments)], env=self.env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    def update(self, *arguments: object) -> Result:
        return self.run("update", *arguments)

    def updated(self, *arguments: object) -> list[dict]:
        """The JSON lines of an update that succeeds."""
        result = self.update(*arguments)
        assert result.exit_code == 0, result.output
        return events(result)

    def failed(self, *arguments: object) -> list[dict]:
        """The errors of an update that fails."""
        result = self.update(*arguments)
        assert result.exit_code == 1, result.output
        return events(result, "failed")

    def serve(self, name: str, content: bytes, etag: str = '"2"') -> None:
        """A new version of a file."""
        last_modified = "Thu, 02 Jan 2025 00:00:00 GMT"
        self.server.files[f"/{name}.tsv"] = Served(content, etag, last_modified)

    def forget(self, hours: float = 169) -> None:
        """Let the downloads be older than they are; by a negative time, the clock was set back."""
        for path in (self.cache / "index").glob("*.json"):
            row = json.loads(path.read_text())
            asked_at = datetime.datetime.fromisoformat(row["asked_at"])
            row["asked_at"] = (asked_at - datetime.timedelta(hours=hours)).isoformat()
            path.write_text(json.dumps(row))

    def values(self, kind: str = "scores") -> list[tuple]:
        return self.warehouse.query(
            "select id_type, gene_ref, attribute, item, value, number from staging.annotation_value"
            f" where bulk_file = '{kind}' order by all"
        )

    def register(self, *columns: str) -> list[tuple]:
        return self.warehouse.query(
            f"select {', '.join(columns)} from staging.annotation_file order by bulk_file"
        )

    def findings(self) -> list[tuple]:
        query = "select validation_code, severity from meta.meta_data_validation_log order by all"
        return self.warehouse.query(query)


def expected(count: int, first: int = 0, score: float = 0.5) -> list[tuple]:
    """The values of `table`."""
    rows = []
    for number in range(first, first + count):
        gene, value = f"ENSG{number:011d}", score + number
        rows.append(("ENSEMBL", gene, "score", "", str(value), value))
        rows.append(("ENSEMBL", gene, "symbol", "", f"SYM{number}", None))
    return rows


def test_files_are_downloaded_once_and_loaded(lab):
    lines = lab.updated()
    assert (lab.values("scores"), lab.values("names")) == (expected(300), expected(200, 50))
    assert lines[-1]["loaded_count"] == 2
    assert lab.register(
        "bulk_file", "file_name", "file_size", "url", "published_at", "value_count", "gene_count"
    ) == [
        ("names", "names.tsv", len(table(200, 50)), lab.server.url("/names.tsv"), datetime.datetime(2025, 1, 1), 400, 200),
        ("scores", "scores.tsv", len(table(300)), lab.server.url("/scores.tsv"), datetime.datetime(2025, 1, 1), 600, 300),
    ]  # fmt: skip
    before = lab.register("*")
    lines = lab.updated()
    assert [line["step"] for line in lines] == ["annotation_unchanged"] * 2 + ["annotation_updated"]
    assert lab.server.statuses() == [200, 200]
    assert lab.register("*") == before
    assert lab.findings() == []


def test_after_a_week_the_server_is_asked_whether_the_file_changed(lab):
    lab.updated()
    before = lab.register("*")
    lab.forget(hours=167)
    lab.updated()
    assert lab.server.statuses() == [200, 200]
    lab.forget(hours=2)
    lab.updated()
    assert lab.server.statuses() == [200, 200, 304, 304]
    assert lab.register("*") == before
    lab.updated()
    assert len(lab.server.requests) == 4, "the answer holds for another week"
    lab.forget()
    lab.serve("scores", table(310))
    lab.updated()
    assert lab.server.statuses()[4:] == [200, 304]
    assert lab.values() == expected(310)
    assert [path.name for path in (lab.cache / "files").glob("*/scores.tsv")] == ["scores.tsv"]


def test_a_clock_that_was_set_back_lets_the_server_be_asked(lab):
    lab.updated("scores")
    lab.forget(hours=-1000)
    lab.updated("scores")
    assert lab.server.statuses() == [200, 304]


def test_a_server_without_validators_is_asked_for_the_whole_file(lab):
    served = Served(table(300), etag=None, last_modified=None)
    lab.server.files["/scores.tsv"] = served
    lab.updated("scores")
    lab.forget()
    lines = lab.updated("scores")
    assert lab.server.statuses() == [200, 200]
    assert lines[-1]["unchanged_count"] == 1


def test_a_source_is_named_in_any_case(lab):
    lab.updated("lab")
    assert lab.register("bulk_file") == [("scores",)]
    (error,) = lab.failed("LAB", "nowhere")
    assert (error["error_code"], error["expected"]) == (54030, "one of BOOK, LAB")


def test_a_file_on_request_is_downloaded_only_if_it_is_named(lab):
    urls = {name: lab.server.url(f"/{name}.tsv") for name in ("scores", "names")}
    with small_catalog(urls, on_request=["names"]):
        lab.updated()
        assert [request.path for request in lab.server.requests] == ["/scores.tsv"]
        lab.updated("book")
        assert lab.register("bulk_file") == [("names",), ("scores",)]


def test_a_named_source_needs_one_of_its_forms(lab, tmp_path):
    """`names` is another form of `scores`, which is the source's default."""
    urls = {"scores": lab.server.url("/scores.tsv")}
    for kind in ("scores", "names"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{kind}.tsv").write_bytes(table(300))
    (tmp_path / "none").mkdir()
    with small_catalog(urls, on_request=["names"], sources={"scores": "LAB", "names": "LAB"}):
        lines = lab.updated("LAB")
        assert [line["step"] for line in lines][-2:] == ["annotation_loaded", "annotation_updated"]
        assert [request.path for request in lab.server.requests] == ["/scores.tsv"]
        assert lab.register("bulk_file") == [("scores",)]
        lines = lab.updated("LAB", "--from", tmp_path / "scores")
        assert [line["step"] for line in lines] == ["annotation_unchanged", "annotation_updated"]
        lines = lab.updated("LAB", "--from", tmp_path / "names")
        assert [line.get("files") for line in lines] == [None, "scores", None]
        assert lab.register("bulk_file") == [("names",), ("scores",)]
        (error,) = lab.failed("LAB", "--from", tmp_path / "none")
        assert error["found"] == "there is no file of scores, names"
        assert "without --from and --offline" in error["action"]
        (error,) = lab.failed("names", "--from", tmp_path / "scores")
        assert error["found"] == "there is no file of names"
        assert "without" not in error["action"], "it has no address"


def test_many_absent_files_are_not_all_named(lab, tmp_path):
    (error,) = lab.failed("--from", tmp_path)
    assert error["found"] == "there is no file of scores, names"
    kinds = catalog.annotation_files()
    with mock.patch.object(update, "annotation_files", lambda: kinds * 4):
        (error,) = lab.failed("--from", tmp_path)
        assert error["found"].endswith(" and 3 more")
        (tmp_path / "names.tsv").write_bytes(table(10))
        (line,) = events(lab.update("--from", tmp_path), "annotation_absent")
        assert line["files"] == "scores, scores, scores, scores"


def test_all_default_files_take_at_most_20_requests():
    kinds = [file for file in catalog.annotation_files() if file.url and file.is_default]
    assert len(kinds) <= 20
    by_default = set().union(*(catalog.core_attributes(kind.source) for kind in kinds))
    for kind in catalog.annotation_files():
        assert catalog.core_attributes(kind.source) <= by_default, kind.bulk_file


def test_a_busy_server_is_asked_again_when_it_says(lab):
    lab.server.files["/scores.tsv"].faults = [
        status(429, Retry_After="1"),
        status(500),
        status(503),
    ]
    lab.updated("scores")
    assert lab.server.statuses() == [429, 500, 503, 200]
    times = [request.at for request in lab.server.requests]
    assert 1.0 <= times[1] - times[0] < 3.0
    assert lab.values() == expected(300)


def test_a_date_says_when_to_ask_again():
    now = datetime.datetime.now(datetime.UTC)
    due = (now + datetime.timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert 57 < download._retry_after(due) <= 60
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert download._retry_after(past) == 0
    assert [download._retry_after(text) for text in ("", "soon", "Wed, 99 Oct")] == [None] * 3


def test_a_server_that_asks_for_a_long_pause_fails_at_once(lab):
    lab.server.files["/scores.tsv"].faults = [status(429, Retry_After="3600")]
    (error,) = lab.failed("scores")
    assert error["error_code"] == 54502
    assert error["found"] == "the server answered 429 Too Many Requests and asks to wait 3,600 s"
    assert lab.server.statuses() == [429]


def test_a_source_that_fails_stops_no_other(lab):
    lab.server.files["/scores.tsv"].faults = [status(500)] * 5
    (error,) = lab.failed()
    assert (error["error_code"], error["file"]) == (54502, lab.server.url("/scores.tsv"))
    assert error["found"] == "the server answered 500 Internal Server Error"
    assert lab.server.statuses() == [500] * 5 + [200]
    assert lab.register("bulk_file") == [("names",)]
    log = lab.warehouse.query(
        "select step, status, error_code, rows_written from meta.meta_etl_process_log order by all"
    )
    assert log == [
        ("annotation update", "FAILED", 54502, 400), ("annotation_load", "SUCCESS", None, 400),
    ]  # fmt: skip


def test_an_address_that_is_gone_is_not_asked_again(lab):
    del lab.server.files["/scores.tsv"]
    (error,) = lab.failed("scores")
    assert (error["error_code"], error["found"]) == (54502, "the server answered 404 Not Found")
    assert lab.server.statuses() == [404]


def test_a_server_that_cannot_be_reached(lab):
    """The second file on the same host fails at once."""
    urls = {"scores": "http://127.0.0.1:9/scores.tsv", "names": "http://127.0.0.1:9/names.tsv"}
    with small_catalog(urls):
        errors = lab.failed()
    assert [(error["error_code"], error["file"]) for error in errors] == [
        (54502, urls["scores"]), (54502, urls["names"]),
    ]  # fmt: skip
    assert "ConnectError" in errors[0]["found"]
    assert errors[0]["found"] == errors[1]["found"]


def test_a_download_that_breaks_off_is_resumed(lab):
    lab.server.files["/scores.tsv"].faults = [truncated(3000), truncated(2000)]
    lab.updated("scores")
    assert lab.server.statuses() == [200, 206, 206]
    wanted = [request.headers.get("Range") for request in lab.server.requests]
    assert wanted == [None, "bytes=3000-", "bytes=5000-"]
    assert lab.server.requests[1].headers["If-Range"] == '"1"'
    assert lab.values() == expected(300)


def test_the_next_command_resumes_a_download(lab):
    lab.server.files["/scores.tsv"].faults = [truncated(1000)] * 5
    (error,) = lab.failed("scores")
    size = len(table(300))
    assert error["found"].startswith("RemoteProtocolError: peer closed connection")
    lab.updated("scores")
    assert lab.server.requests[-1].headers["Range"] == "bytes=5000-"
    assert lab.server.statuses()[-1] == 206
    assert lab.register("file_size") == [(size,)]


def test_a_file_that_changes_in_the_meantime_is_downloaded_from_its_beginning(lab):
    lab.server.files["/scores.tsv"].faults = [truncated(1000)] * 5
    lab.failed("scores")
    lab.serve("scores", table(299, score=0.25))
    lab.updated("scores")
    assert lab.server.requests[-1].headers["If-Range"] == '"1"'
    assert lab.server.statuses()[-1] == 200
    assert lab.values() == expected(299, score=0.25)


def test_a_server_that_ignores_ranges_sends_the_whole_file(lab):
    lab.server.files["/scores.tsv"].faults = [truncated(1000), ignoring_range]
    lab.updated("scores")
    assert lab.server.statuses() == [200, 200]
    assert lab.values() == expected(300)


def test_a_weak_etag_does_not_resume(lab):
    """It says that the content is the same, not that the bytes are."""
    lab.server.files["/scores.tsv"] = Served(
        table(300), etag='W/"1"', last_modified=None, faults=[truncated(1000)]
    )
    lab.updated("scores")
    assert "Range" not in lab.server.requests[1].headers
    assert lab.values() == expected(300)


def test_a_silent_server_is_asked_again(lab, monkeypatch):
    monkeypatch.setattr(download, "_SILENCE_S", 0.3)
    lab.server.files["/scores.tsv"].faults = [silent(1.0)]
    lab.updated("scores")
    assert lab.values() == expected(300)


def test_a_server_that_drips_is_asked_again(lab, monkeypatch):
    monkeypatch.setattr(download, "_SILENCE_S", 0.2)
    monkeypatch.setattr(download, "_SLOWEST_BYTES_PER_S", 1_000_000)
    lab.server.seconds_per_chunk = 0.15
    lab.serve("scores", table(3000))
    (error,) = lab.failed("scores")
    assert error["error_code"] == 54502
    assert "bytes in 0 s" in error["found"]
    wanted = [request.headers.get("Range") for request in lab.server.requests]
    assert wanted[0] is None
    assert all(wanted[1:])


def test_redirects_are_followed(lab):
    lab.server.files["/moved.tsv"] = lab.server.files["/scores.tsv"]
    lab.server.files["/scores.tsv"] = Served(b"", redirect=lab.server.url("/moved.tsv"))
    lab.updated("scores")
    assert lab.values() == expected(300)


def test_a_file_has_the_name_that_the_server_gives_it(lab):
    lab.server.files["/scores.tsv"].name = "../../scores_v1.5.tsv"
    lab.updated("scores")
    assert lab.register("file_name", "version") == [("scores_v1.5.tsv", "1.5")]


def test_a_compressed_file_without_a_suffix_gets_one(lab):
    lab.serve("scores", gzip.compress(table(300)))
    lab.updated("scores")
    assert lab.register("file_name") == [("scores.tsv.gz",)]
    assert lab.values() == expected(300)


def test_requests_to_a_host_keep_their_distance(lab, monkeypatch):
    monkeypatch.setattr(download, "_INTERVAL_S", 0.4)
    lab.updated()
    first, second = (request.at for request in lab.server.requests)
    assert second - first >= 0.3


def test_the_key_goes_to_the_utilities_of_ncbi_alone(monkeypatch):
    monkeypatch.setenv("NCBI_API_KEY", "secret")
    asked = {}
    for url in (
        "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/esummary.fcgi?db=gene",
        "https://ftp.ncbi.nlm.nih.gov/gene/DATA/gene2pubmed.gz",
        "https://example.org/entrez/eutils/esummary.fcgi",
    ):
        request = download.httpx.Request("GET", url)
        asked[url.split("/")[2]] = str(next(download._NcbiKey().auth_flow(request)).url)
    assert [host for host, url in asked.items() if "secret" in url] == ["eutils.ncbi.nlm.nih.gov"]
    assert asked["eutils.ncbi.nlm.nih.gov"].endswith("db=gene&api_key=secret")


DAMAGED = {
    "HTML with status 200": (b"<html><body>Log in</body></html>", 54504, "it is a web page, not the file"),
    "HTML compressed": (gzip.compress(b"<!DOCTYPE html>"), 54504, "it is a web page, not the file"),
    "truncated gzip": (gzip.compress(table(300))[:-50], 54504, "the gzip file is truncated"),
    "gzip without its end": (gzip.compress(table(300))[:-8], 54504, "the gzip file is truncated"),
    "truncated second member": (
        gzip.compress(table(300)) + gzip.compress(b"more")[:-1], 54504, "the gzip file is truncated",
    ),
    "empty": (b"", 54504, "the file is empty"),
    "changed header": (
        table(300, header="id\tname\tscore"), 54500, "the header is ['id', 'name', 'score']",
    ),
    "half a line": (table(300)[:-10], 54501, "2 cells"),
    "not UTF-8": (table(300) + b"ENSG1\t\xff\t1\n", 54501, None),
    "header alone": (table(0), 54503, "the file has no values"),
    "half a file": (
        table(150), 54503, "the file has 150 genes; the loaded file scores.tsv has 300",
    ),
    "a core value gone": (
        b"gene\tsymbol\n" + b"".join(b"ENSG%011d\tS\n" % number for number in range(300)), 54503,
        "the file has no values of score",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGED)
@pytest.mark.parametrize("way", ["download", "folder"])
def test_a_damaged_or_worse_file_leaves_what_is_loaded(lab, how, way, tmp_path):
    content, code, found = DAMAGED[how]
    lab.updated()
    before = lab.register("*"), lab.values("scores"), lab.values("names")
    if way == "download":
        lab.forget()
        lab.serve("scores", content)
        (error,) = lab.failed()
        where = lab.server.url("/scores.tsv")
        assert error["file"] == where or error["file"].startswith(str(lab.cache))
    else:
        (tmp_path / "by_hand").mkdir()
        path = tmp_path / "by_hand" / "scores.tsv"
        path.write_bytes(content)
        (error,) = lab.failed("--from", path.parent)
        assert error["file"] == str(path)
    assert error["error_code"] == code
    assert found is None or error["found"] == found
    assert (lab.register("*"), lab.values("scores"), lab.values("names")) == before
    name = error["error_name"]
    assert lab.findings() == [(name, "WARNING" if code == 54503 else "ERROR")]
    lab.serve("scores", table(310), etag='"3"')
    lab.forget()
    lab.updated()
    assert lab.values() == expected(310)


def test_a_first_file_without_a_core_value_is_refused(lab):
    lab.serve("scores", b"gene\tsymbol\nENSG1\tS\n")
    (error,) = lab.failed("scores")
    assert (error["error_code"], error["found"]) == (54503, "the file has no values of score")
    assert lab.register("bulk_file") == []


def test_a_web_page_instead_of_the_file_is_told(lab):
    lab.server.files["/scores.tsv"].faults = [web_page]
    (error,) = lab.failed("scores")
    assert (error["error_code"], error["file"]) == (54504, lab.server.url("/scores.tsv"))
    lab.updated("scores")


def test_a_bgzip_file_needs_its_last_block(lab):
    block = gzip.compress(table(300))
    # The extra field of BGZF, with the size of the block.
    extra = b"\x06\x00BC\x02\x00" + (len(block) + 7).to_bytes(2, "little")
    bgzf = block[:3] + b"\x04" + block[4:10] + extra + block[10:]
    lab.serve("scores", bgzf)
    (error,) = lab.failed("scores")
    assert error["found"] == "the bgzip file is truncated: its last block is missing"
    lab.serve("scores", bgzf + BGZF_END, etag='"3"')
    lab.updated("scores")
    assert lab.values() == expected(300)


def test_a_value_too_long_for_its_column(lab):
    lab.serve("scores", table(3).replace(b"SYM1", b"S" * 4001))
    (error,) = lab.failed("scores")
    assert error["error_code"] == 54501
    assert error["found"] == "a value of column value has 4001 characters"


def test_files_by_hand(lab, tmp_path):
    """In subfolders, compressed or not, with a version in the name; a file of no kind is ignored."""
    folder = tmp_path / "by hand"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "Scores_v2.tsv.gz").write_bytes(gzip.compress(table(300)))
    (folder / "readme.txt").write_text("no annotation")
    lines = lab.updated("--from", folder)
    assert lab.values() == expected(300)
    assert lab.register("file_name", "version", "url", "published_at") == [
        ("Scores_v2.tsv.gz", "2", None, None)
    ]
    assert lines[-2]["step"] == "annotation_absent"
    assert lines[-2]["files"] == "names"
    assert lab.server.requests == []
    assert not lab.cache.exists()
    lines = lab.updated("--from", folder)
    assert lines[-1]["unchanged_count"] == 1


def test_the_newest_of_several_files_by_hand(lab, tmp_path):
    for version, count in (("4.9", 100), ("4.10", 120), ("4.1", 110)):
        (tmp_path / f"scores_v{version}.tsv").write_bytes(table(count))
    lab.updated("--from", tmp_path)
    assert lab.register("version", "gene_count") == [("4.10", 120)]


@pytest.mark.parametrize(
    "names", [("scores.tsv", "scores (1).tsv"), ("scores_v2.tsv", "scores_v2.tsv.gz")]
)
def test_several_files_by_hand_of_which_none_is_the_newest(lab, tmp_path, names):
    folder = tmp_path / "by_hand"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(table(100))
    (error,) = lab.failed("--from", folder)
    assert error["error_code"] == 54505
    assert all(str(folder / name) in error["found"] for name in names)


def test_a_folder_without_files(lab, tmp_path):
    (error,) = lab.failed("--from", tmp_path / "nowhere")
    assert (error["error_code"], error["file"]) == (1001, str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    (error,) = lab.failed("--from", tmp_path / "empty")
    assert error["error_code"] == 54506
    (tmp_path / "scores.tsv").write_bytes(table(100))
    (error,) = lab.failed("names", "scores", "--from", tmp_path)
    assert (error["error_code"], error["found"]) == (54506, "there is no file of names")
    assert "names*.tsv" in error["expected"]
    assert lab.register("bulk_file") == [("scores",)]


def test_offline_takes_the_cache(lab, tmp_path):
    (error,) = lab.failed("--offline")
    assert error["error_code"] == 54506
    lab.updated()
    lab.warehouse.query_write(
        "delete from staging.annotation_file", "delete from staging.annotation_value"
    )
    lab.forget(10_000)
    (tmp_path / "by_hand").mkdir()
    (tmp_path / "by_hand" / "names.tsv").write_bytes(table(10))
    lab.updated("--offline", "--from", tmp_path / "by_hand")
    assert lab.server.statuses() == [200, 200]
    assert lab.register("bulk_file", "gene_count", "url") == [
        ("names", 10, None), ("scores", 300, lab.server.url("/scores.tsv")),
    ]  # fmt: skip


def test_a_file_in_the_cache_that_was_changed(lab):
    lab.updated("scores")
    (path,) = (lab.cache / "files").glob("*/scores.tsv")
    path.write_bytes(path.read_bytes().replace(b"SYM1\t", b"SYM9\t"))
    (error,) = lab.failed("scores", "--offline")
    assert (error["error_code"], error["found"]) == (54504, "the file in the cache was changed")
    lab.updated("scores")
    assert lab.server.statuses() == [200, 200]
    assert "If-None-Match" not in lab.server.requests[1].headers
    assert path.read_bytes() == table(300)


def test_a_damaged_index_is_downloaded_anew(lab):
    lab.updated("scores")
    (lab.cache / "index" / "scores.json").write_text("{")
    lab.updated("scores")
    assert lab.server.statuses() == [200, 200]


def test_an_upgrade_that_reads_files_in_another_way_reads_them_again(lab, monkeypatch):
    lab.updated("scores")
    monkeypatch.setattr("expression_warehouse.annotation.load.parser_hash", lambda: "other")
    lines = lab.updated("scores")
    assert lines[-1]["loaded_count"] == 1
    assert lab.register("parser_hash") == [("other",)]
    assert lab.server.statuses() == [200]


def test_a_file_that_changes_while_it_is_read(lab, tmp_path, monkeypatch):
    path = tmp_path / "scores.tsv"
    path.write_bytes(table(100))
    measure = update.measure

    def measure_too_early(path):
        whole = measure(path)
        with path.open("ab") as file:
            file.write(table(1, 100).splitlines(keepends=True)[1])
        return whole

    monkeypatch.setattr(update, "measure", measure_too_early)
    (error,) = lab.failed("--from", tmp_path)
    assert (error["error_code"], error["found"]) == (54504, "the file changed while it was read")
    assert lab.values() == []


def test_a_cache_that_cannot_be_written(lab, tmp_path):
    (tmp_path / "file").write_text("")
    lab.env["EXPRESSION_ANNOTATION_CACHE"] = str(tmp_path / "file" / "cache")
    (error,) = lab.failed()
    assert (error["error_code"], error["found"]) == (54302, "Not a directory")
    assert lab.server.requests == [], "no silent fallback"


def test_a_read_only_cache(lab, monkeypatch):
    """Also of root, who can write to any folder. Offline, a cache that cannot be written is enough."""
    lab.updated()

    acquire = cache_module.filelock.FileLock.acquire

    def refuse(lock, *arguments, **options):
        if ".duckdb" in Path(lock.lock_file).name:
            return acquire(lock, *arguments, **options)
        raise OSError(30, "Read-only file system")

    lab.forget()
    monkeypatch.setattr(cache_module.filelock.FileLock, "acquire", refuse)
    (error,) = lab.failed()
    assert (error["error_code"], error["found"]) == (54302, "Read-only file system")
    assert lab.server.statuses() == [200, 200]
    lab.updated("--offline")


def test_a_full_disk(lab, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    lab.updated()
    before = lab.register("*"), lab.values()
    lab.forget()
    lab.serve("scores", table(310))
    with monkeypatch.context() as patched:
        patched.setattr(download.os, "fsync", full)
        (error,) = lab.failed("scores")
    assert (error["error_code"], error["found"]) == (54302, "No space left on device")
    assert (lab.register("*"), lab.values()) == before
    lab.updated("scores")
    assert lab.values() == expected(310)


def test_a_disk_that_is_really_full(lab, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        lab.env["EXPRESSION_ANNOTATION_CACHE"] = str(folder)
        lab.serve("scores", table(10_000))
        (error,) = lab.failed("scores")
        assert (error["error_code"], error["found"]) == (54302, "No space left on device")
        lab.updated("names")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _update_in_process(env: dict[str, str], urls: dict[str, str]) -> None:
    """A process that can be killed."""
    os.environ.update(env)
    os.chdir(PROJECT)
    download._INTERVAL_S = 0.0
    with small_catalog(urls):
        main(["annotation", "update"])


@pytest.mark.parametrize("count", [8, pytest.param(20, marks=pytest.mark.long)])
def test_killed_at_any_moment(lab, count):
    """After SIGKILL the old values are loaded, or the new ones; one more run loads the new ones."""
    forks = multiprocessing.get_context("spawn" if os.name == "nt" else "fork")
    urls = {name: lab.server.url(f"/{name}.tsv") for name in ("scores", "names")}
    lab.updated()
    lab.server.seconds_per_chunk = 0.002

    def run(seconds: float | None) -> float:
        begin = time.monotonic()
        process = forks.Process(target=_update_in_process, args=(lab.env, urls))
        process.start()
        process.join(seconds)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        return time.monotonic() - begin

    lab.forget()
    lab.serve("scores", table(3000, score=1.5))
    duration = run(None)
    assert lab.values() == expected(3000, score=1.5)
    moments = [duration * number / count for number in range(count)]
    random.Random(18).shuffle(moments)
    score, seen = 1.5, set()
    for number, moment in enumerate(moments):
        lab.forget()
        lab.serve("scores", table(3000, score=score + 1), etag=f'"k{number}"')
        run(moment)
        found = lab.values()
        is_new = found == expected(3000, score=score + 1)
        assert is_new or found == expected(3000, score=score), moment
        assert lab.register("bulk_file", "gene_count") == [("names", 200), ("scores", 3000)]
        seen.add(is_new)
        lab.updated()
        score += 1
        assert lab.values() == expected(3000, score=score), moment
        assert not list((lab.cache / "unfinished").iterdir())
    assert False in seen
    steps = lab.warehouse.query(
        "select distinct status from meta.meta_etl_process_log order by all"
    )
    assert ("SUCCESS",) in steps


def _update_as_command(env: dict[str, str], urls: dict[str, str]) -> None:
    """A process that handles signals."""
    os.environ.update(env)
    os.chdir(PROJECT)
    with small_catalog(urls):
        signals.run_command_line(
            lambda: functools.partial(main, ["annotation", "update"]), "expression-warehouse"
        )


def test_stopped_by_ctrl_c(lab):
    """The download under way is resumed by the next command."""
    lab.updated("names")
    lab.serve("scores", table(3000))
    lab.server.seconds_per_chunk = 0.1
    urls = {"scores": lab.server.url("/scores.tsv")}
    process = multiprocessing.get_context("fork").Process(
        target=_update_as_command, args=(lab.env, urls)
    )
    process.start()
    part = lab.cache / "unfinished" / "scores"
    while not part.exists() or part.stat().st_size < 3000:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.join(20)
    assert process.exitcode == 130
    statuses = lab.warehouse.query(
        "select step, status from meta.meta_etl_process_log order by started_at desc limit 1"
    )
    assert statuses == [("annotation update", "FAILED")]
    lab.server.seconds_per_chunk = 0
    size = part.stat().st_size
    lab.updated("scores")
    assert lab.server.requests[-1].headers["Range"] == f"bytes={size}-"
    assert lab.values() == expected(3000)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs real files")
def test_real_files(warehouse, tmp_path):
    """All at hand are loaded, each value once, under an attribute of the catalog."""
    env = {**warehouse.env, "EXPRESSION_ANNOTATION_CACHE": str(tmp_path / "cache")}
    command = ["annotation", "update", "--from", str(REAL)]
    result = CliRunner().invoke(main, command, env=env)
    assert result.exit_code == 0, result.output
    files = dict(warehouse.query("select bulk_file, value_count from staging.annotation_file"))
    assert len(files) >= 15
    assert files == dict(
        warehouse.query(
            "select bulk_file, count(*) from ("
            "select distinct bulk_file, id_type, gene_ref, attribute, item"
            " from staging.annotation_value) group by all"
        )
    )
    sources = {file.bulk_file: file.source for file in catalog.annotation_files()}
    known = {(each.source, each.attribute) for each in catalog.attributes()}
    loaded = warehouse.query("select distinct bulk_file, attribute from staging.annotation_value")
    assert {(sources[name], attribute) for name, attribute in loaded} <= known
    again = CliRunner().invoke(main, command, env=env)
    assert events(again)[-1]["unchanged_count"] == len(files)


def test_sources_say_what_is_loaded(lab):
    assert "loaded    no" in lab.run("sources").output
    lab.updated("scores")
    text = lab.run("sources").output
    assert "scores  LAB, HOMO_SAPIENS\n  licence   CC0\n  cite      LAB 2025\n" in text
    assert "loaded    scores.tsv, 300 genes, 600 values" in text
    rows = json.loads(lab.run("sources", "--format", "json").output)
    assert [(row["bulk_file"], bool(row["loaded"])) for row in rows] == [
        ("scores", True),
        ("names", False),
    ]


def test_cache_shows_and_clears(lab):
    lab.updated()
    rows = json.loads(lab.run("cache", "--format", "json").output)
    assert rows["folder"] == str(lab.cache)
    assert [(row["bulk_file"], row["size"]) for row in rows["files"]] == [
        ("names", len(table(200, 50))), ("scores", len(table(300))),
    ]  # fmt: skip
    assert f"{lab.cache}: 2 files" in lab.run("cache").output
    assert lab.run("cache", "--clear").exit_code == 0
    assert json.loads(lab.run("cache", "--format", "json").output)["files"] == []
    lab.updated()
    assert lab.server.statuses() == [200] * 4


def test_two_commands_do_not_write_the_cache_at_once(lab):
    cache = cache_module.Cache(lab.cache)
    with cache.locked(print):
        process = multiprocessing.get_context("fork").Process(
            target=_update_in_process,
            args=(lab.env, {name: lab.server.url(f"/{name}.tsv") for name in ("scores", "names")}),
        )
        process.start()
        process.join(4)
        assert process.is_alive()
        assert lab.server.requests == []
    process.join()
    assert process.exitcode == 0
    assert lab.register("bulk_file") == [("names",), ("scores",)]

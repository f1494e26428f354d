"""`annotation snapshot` and `annotation compare`: planted edits are found exactly, all of them, and no
others."""

import json
import random

import pytest
from click.testing import CliRunner
from conftest import WarehouseUnderTest
from small_catalog import small_catalog, table

from expression_warehouse.annotation import compare
from expression_warehouse.cli import main

COUNT = 2000


def run(env: dict[str, str], *arguments: object):
    return CliRunner().invoke(main, ["annotation", *map(str, arguments)], env=env)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A snapshot of two files, and the environment of its warehouse."""
    folder = tmp_path_factory.mktemp("before")
    warehouse = WarehouseUnderTest(folder)
    (folder / "by_hand").mkdir()
    (folder / "by_hand" / "scores_v2.tsv").write_bytes(table(COUNT))
    (folder / "by_hand" / "names.tsv").write_bytes(table(100))
    with small_catalog({}):
        assert run(warehouse.env, "update", "--from", folder / "by_hand").exit_code == 0
        path = folder / "before.json"
        assert run(warehouse.env, "snapshot", path).exit_code == 0
        yield path, warehouse.env


def edited(path, folder, edit):
    """A copy of the snapshot with edited records, in another order and layout of lines."""
    document = json.loads(path.read_text())
    records = {(record["source"], record["gene"]): record for record in document["genes"]}
    edit(records)
    shuffled = list(records.values())
    random.Random(3).shuffle(shuffled)
    copy = folder / "after.json"
    lines = ",\n".join(json.dumps(record) for record in shuffled)
    copy.write_text(
        f'{{"metadata": {json.dumps(document["metadata"])},\n"genes": [\n{lines}\n]}}\n'
    )
    return copy


def differences(env, before, after) -> list[tuple]:
    result = run(env, "compare", before, after, "--format", "json")
    document = json.loads(result.stdout)
    rows = [
        tuple(row[name] for name in ("difference", "source", "gene", "attribute", "item", "value_before", "value_after"))
        for row in document["differences"]
    ]  # fmt: skip
    assert result.exit_code == (1 if rows else 0)
    assert sum(row["count"] for row in document["counts"]) == len(rows)
    return rows


def test_a_snapshot_has_the_core_values_and_the_files_apart(before):
    path, _ = before
    document = json.loads(path.read_text())
    assert set(document["metadata"]["files"]) == {"scores", "names"}
    scores = document["metadata"]["files"]["scores"]
    assert (scores["file_name"], scores["version"], len(scores["file_hash"])) == (
        "scores_v2.tsv",
        "2",
        64,
    )
    assert len(document["genes"]) == COUNT + 100
    of_source = {
        record["source"]: record
        for record in document["genes"]
        if record["gene"] == f"ENSG{7:011d}"
    }
    assert of_source == {
        "LAB": {
            "source": "LAB", "file": "scores", "id_type": "ENSEMBL", "gene": f"ENSG{7:011d}",
            "values": {"score": {"": 7.5}, "symbol": {"": "SYM7"}},
        },
        # Its score is no core value.
        "BOOK": {
            "source": "BOOK", "file": "names", "id_type": "ENSEMBL", "gene": f"ENSG{7:011d}",
            "values": {"symbol": {"": "SYM7"}},
        },
    }  # fmt: skip


def test_equal_snapshots(before, tmp_path):
    path, env = before
    again = tmp_path / "again.json"
    assert run(env, "snapshot", again).exit_code == 0
    assert path.read_text().split("\n", 1)[1] == again.read_text().split("\n", 1)[1]
    result = run(env, "compare", path, again)
    assert (result.exit_code, result.stdout) == (
        0, "# 2,100 genes by file before, 2,100 after\n# no value differs\n",
    )  # fmt: skip
    assert differences(env, path, edited(path, tmp_path, lambda _: None)) == []


def test_planted_edits_are_found_exactly(before, tmp_path):
    path, env = before
    dice = random.Random(18)
    genes = dice.sample([f"ENSG{number:011d}" for number in range(100, COUNT)], 400)
    planted = []

    def edit(records):
        for number, gene in enumerate(genes):
            values = records["LAB", gene]["values"]
            score, symbol = values["score"][""], values["symbol"][""]
            if number < 100:
                values["score"][""] = score * (1 + 0.9e-6)
            elif number < 200:
                values["score"][""] = score * (1 + 1.1e-6)
                planted.append(
                    ("CHANGED", "LAB", gene, "score", "", repr(score), repr(values["score"][""]))
                )
            elif number < 250:
                del records["LAB", gene]
                planted.append(("MISSING", "LAB", gene, "score", "", repr(score), None))
                planted.append(("MISSING", "LAB", gene, "symbol", "", symbol, None))
            elif number < 300:
                del values["score"]
                planted.append(("MISSING", "LAB", gene, "score", "", repr(score), None))
            elif number < 350:
                values["symbol"] = {"": symbol.lower()}
                planted.append(("CHANGED", "LAB", gene, "symbol", "", symbol, symbol.lower()))
            else:
                values["symbol"]["extra"] = "ext'ra\té"
                planted.append(("NEW", "LAB", gene, "symbol", "extra", None, "ext'ra\té"))
        new = {
            "source": "LAB",
            "file": "scores",
            "id_type": "ENSEMBL",
            "gene": "ENSG9",
            "values": {"score": {"": 1.5}},
        }
        records["LAB", "ENSG9"] = new
        planted.append(("NEW", "LAB", "ENSG9", "score", "", None, "1.5"))
        # A number that became text, and a text that became a number.
        records["LAB", f"ENSG{1:011d}"]["values"]["score"][""] = "1.5?"
        planted.append(("CHANGED", "LAB", f"ENSG{1:011d}", "score", "", "1.5", "1.5?"))

    after = edited(path, tmp_path, edit)
    found = differences(env, path, after)
    assert len(found) == len(planted) == 100 + 100 + 50 + 50 + 50 + 2
    assert sorted(found, key=repr) == sorted(planted, key=repr)
    swapped = {"MISSING": "NEW", "NEW": "MISSING", "CHANGED": "CHANGED"}
    assert sorted(differences(env, after, path), key=repr) == sorted(
        [(swapped[kind], *rest, new, old) for kind, *rest, old, new in planted], key=repr
    )


def test_lists_have_no_order(before, tmp_path):
    """Only the value that left a list and the one that joined it are differences."""
    path, env = before
    gene = f"ENSG{5:011d}"
    one, other = ({"a": "a", "b": "b", "c": "c"}, {"d": "d", "c": "c", "b": "b"})

    def with_list(items):
        def edit(records):
            records["BOOK", gene]["values"]["symbol"] = items

        return edit

    before_list = edited(path, tmp_path, with_list(one)).rename(tmp_path / "one.json")
    after_list = edited(path, tmp_path, with_list(dict(reversed(one.items())))).rename(
        tmp_path / "two.json"
    )
    assert differences(env, before_list, after_list) == []
    after_list = edited(path, tmp_path, with_list(other))
    assert differences(env, before_list, after_list) == [
        ("MISSING", "BOOK", gene, "symbol", "a", "a", None), ("NEW", "BOOK", gene, "symbol", "d", None, "d"),
    ]  # fmt: skip


def test_the_table_has_all_rows_and_the_files(before, tmp_path):
    path, env = before

    def edit(records):
        for (source, _), record in records.items():
            if source == "LAB":
                record["values"]["score"][""] += 1

    after = edited(path, tmp_path, edit)
    after.write_text(after.read_text().replace('"file_hash": "', '"file_hash": "other', 1))
    result = run(env, "compare", path, after)
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0].startswith("# file ")
    assert lines[2] == f"# {COUNT:,} CHANGED: score of LAB"
    assert lines[3].split("\t")[0] == "difference"
    assert lines[4] == f"CHANGED\tLAB\tENSEMBL\tENSG{0:011d}\tscore\t\t0.5\t1.5"
    assert len(lines) == 4 + COUNT


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]\n",
        '{"metadata": {},\n"genes": [\n]}\n',
        '{"metadata": {"files": {}},\n{"a": 1}\n',
    ],
)
def test_a_file_that_is_no_snapshot(before, tmp_path, content):
    path, env = before
    (tmp_path / "other.json").write_text(content)
    result = run(env, "compare", path, tmp_path / "other.json")
    assert result.exit_code == 1
    assert "54507 ANNOTATION_SNAPSHOT_INVALID" in result.stderr


def test_a_file_that_does_not_exist(before, tmp_path):
    path, env = before
    result = run(env, "compare", path, tmp_path / "nowhere.json")
    assert result.exit_code == 1
    assert "1007 EXTRACTION_FILE_UNREADABLE" in result.stderr


def test_a_snapshot_that_cannot_be_written(before, tmp_path):
    _, env = before
    result = run(env, "snapshot", tmp_path / "nowhere" / "a.json")
    assert result.exit_code == 1
    assert "FOLDER_NOT_WRITABLE" in result.stdout


def test_genes_that_are_equal_are_not_looked_at(before, tmp_path, monkeypatch):
    """It takes seconds, whatever the number of genes."""
    path, _ = before
    after = edited(path, tmp_path, lambda records: records.pop(("BOOK", f"ENSG{3:011d}")))
    seen = []
    row = compare._row
    monkeypatch.setattr(
        compare, "_row", lambda *arguments: seen.append(row(*arguments)) or seen[-1]
    )
    with compare.compared(path, after) as comparison:
        assert [row["difference"] for row in comparison.differences()] == ["MISSING"]
    assert len(seen) == 1

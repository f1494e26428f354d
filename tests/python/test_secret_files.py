"""Secrets from files: EXPRESSION_NAME_FILE."""

import os

import pytest

from expression_warehouse.core.secret_files import read_secret_files


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "password"
    path.write_text("p;w}} \n")
    monkeypatch.delenv("EXPRESSION_SQLSERVER_PASSWORD", raising=False)
    monkeypatch.setenv("EXPRESSION_SQLSERVER_PASSWORD_FILE", str(path))
    return path


def test_the_text_of_the_file_without_its_line_end(file):
    read_secret_files()
    assert os.environ.pop("EXPRESSION_SQLSERVER_PASSWORD") == "p;w}} "


def test_a_file_and_a_value_are_refused(file, monkeypatch):
    monkeypatch.setenv("EXPRESSION_SQLSERVER_PASSWORD", "other")
    with pytest.raises(SystemExit, match=r"EXPRESSION_SQLSERVER_PASSWORD are both set") as refused:
        read_secret_files()
    assert "other" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(file):
    file.unlink()
    with pytest.raises(SystemExit, match=f"{file} cannot be read"):
        read_secret_files()

"""`arcinvert classes`: a table, JSON, and what is not found."""

import json
from pathlib import Path

import pytest

from tests.arcinvert.cli.commands import assert_one_line, run
from tests.conftest import TINY_NAMES


def test_the_table_has_each_class(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("classes", "--model", tiny_model) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "id"
    assert [line.split()[0] for line in lines] == ["0", "1", "2", "3", "4"]
    assert all(line.endswith(name) for line, name in zip(lines, TINY_NAMES, strict=True))


def test_search_limit_and_json(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("classes", "--model", tiny_model, "--search", "CAT-charlie", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"] == 1
    (only,) = found["classes"]
    assert (only["id"], only["name"], only["photographs"]) == (2, "Cat Charlie", None)
    assert 0 < only["nearest_degrees"] <= 180
    assert run("classes", "--model", tiny_model, "--limit", 2) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "... and 3 more; --limit lists more of them"
    assert run("classes", "--model", tiny_model, "--search", "nobody") == 0
    assert capsys.readouterr().out == "No class of tiny has a name with 'nobody'.\n"


def test_a_limit_out_of_range_is_one_line(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("classes", "--model", tiny_model, "--limit", 0) == 2
    error = capsys.readouterr().err
    assert "limit: expected 1 or more classes, got 0" in error
    assert_one_line(error)

"""`arcinvert inspect`: facts as lines and as JSON, and options that cannot be used."""

import json
from pathlib import Path

import pytest

from tests.arcinvert.cli.commands import assert_one_line, run
from tests.arcinvert.colours import make_people


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_people(tmp_path_factory.mktemp("coloured"))


def test_inspect_says_what_a_network_is(
    tiny_model: Path, coloured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", str(tiny_model), "--json", "--images", str(coloured)) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["embedding"] == "32 dimensions"
    assert described["centres"] == "5 classes, with names"
    assert described["statistics"] == "30 BatchNorm layers"
    assert described["because"] == "saved with the network"
    assert described["self_check"]["pairs"] == [8, 56]
    assert run("inspect", str(tiny_model)) == 0
    assert "self-check: not made; give --images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "none"], "expected a folder of one folder per identity"),
        (["--pairs", "none"], "expected --images with --pairs"),
        (["--preset", "none"], "tiny.safetensors: preset: expected one of"),
    ],
)
def test_unusable_options_are_one_line(
    arguments: list[str], message: str, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", str(tiny_model), *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert_one_line(error)

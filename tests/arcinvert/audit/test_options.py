"""Options of an audit: budgets, the configuration file, ranges."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from arcinvert.audit.report.content import options_toml

from arcinvert.audit.options import BUDGETS, AuditOptions, parse_attack, read_config
from arcinvert.cli.audit import _options
from recognition.errors import InputError
from tests.arcinvert.audit.test_cli import parsed


def test_a_budget_fills_what_is_left_open() -> None:
    quick = AuditOptions(images="x", budget="quick", steps=7).resolved()
    assert quick.steps == 7
    assert (quick.people, quick.samples) == (BUDGETS["quick"]["people"], BUDGETS["quick"]["samples"])


def test_every_option_goes_through_a_file_and_back(tmp_path: Path) -> None:
    options = AuditOptions(
        model="m.onnx",
        images='a "quoted" \\ path',
        aligned=True,
        judges=("dlib", "b.onnx"),
        fmr=(0.01, 0.001),
        max_sar=0.25,
        minutes=3.5,
        people=4,
        attack={"prior": "none", "shift": 1, "flip": False, "tv_weight": 0.5},
    )
    (tmp_path / "audit.toml").write_text(options_toml(options.described()))
    assert AuditOptions(**read_config(str(tmp_path / "audit.toml"))) == options


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(
        'images = "x"\nsteps = 5\nseed = 3\n[attack]\nshift = 1\nscale = 0.1\n'
    )
    given = parsed(
        "--config",
        tmp_path / "audit.toml",
        "--steps",
        9,
        "--attack",
        "shift=0",
        "--fmr",
        0.01,
        "--max-sar",
        1,
        "--policy-fmr",
        0.01,
    )
    options = _options(given)
    assert (options.images, options.steps, options.seed) == ("x", 9, 3)
    assert options.attack == {"shift": 0, "scale": 0.1}
    assert options.fmr == (0.01,)


def test_defaults_are_those_of_the_options() -> None:
    assert _options(parsed("--images", "x")) == AuditOptions(images="x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("images = ", "expected TOML"),
        ("imges = 'x'", "the nearest is 'images'"),
        ("steps = 'many'", "steps: expected int, got 'many'"),
        ("aligned = 1", "aligned: expected bool"),
        ("fmr = 0.1", "fmr: expected a list"),
        ("judges = [3]", "judges: expected str, got 3"),
        ("people = true", "people: expected int, got True"),
    ],
)
def test_refused_files(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(content)
    with pytest.raises(InputError, match=said):
        read_config(str(tmp_path / "a.toml"))
    with pytest.raises(InputError, match="cannot be read"):
        read_config(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "either --images DIR or --templates FILE"),
        ({"templates": "t.npy"}, "either --images DIR or --templates FILE"),
        ({"photos": "x"}, "expected it with --templates"),
        ({"images": None, "templates": "t.npy", "target": "centres"}, "got centres"),
        ({"fmr": (0.0,)}, "fractions between 0 and 1"),
        ({"max_sar": 2.0}, "at most 1"),
        ({"max_sar": 0.1, "policy_fmr": 0.5}, "expected one of --fmr"),
        ({"steps": 0}, "steps: expected a number from 1 up"),
        ({"budget": "endless"}, "budget: expected one of quick, standard, thorough"),
        ({"variants": ("smooth",)}, "expected NAME=MODEL"),
        ({"minutes": float("nan")}, "minutes: expected a number"),
    ],
)
def test_refused_values(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(AuditOptions(images="x"), **changes)


@pytest.mark.parametrize("pair", ["shift", "speed=3", "shift=much", "shift="])
def test_refused_attack_options(pair: str) -> None:
    with pytest.raises(InputError, match="attack: "):
        parse_attack([pair])
    assert parse_attack(["flip=false", "tv-weight=2.5", "prior=none", "recipe=paper", "shift=3"]) == {
        "flip": False,
        "tv_weight": 2.5,
        "prior": "none",
        "recipe": "paper",
        "shift": 3,
    }

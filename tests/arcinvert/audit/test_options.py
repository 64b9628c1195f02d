"""Options of an audit: budgets, the configuration file, ranges."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arcinvert.audit.attack import attack_options
from arcinvert.audit.options import BUDGETS, AuditOptions
from arcinvert.audit.report.text import options_toml
from arcinvert.options import AttackOptions
from recognition.config import gather, read_toml, to_json
from recognition.errors import InputError
from tests.arcinvert.audit.test_cli import parsed

FACES = Path("x")


def gathered(*arguments: object) -> AuditOptions:
    given = parsed(*arguments)
    return AuditOptions(**gather(AuditOptions, given, file=given.config))


def test_a_budget_fills_what_is_not_given() -> None:
    quick = AuditOptions(images=FACES, budget="quick", steps=7).with_budget()
    assert quick.steps == 7
    assert (quick.people, quick.samples) == (BUDGETS["quick"]["people"], BUDGETS["quick"]["samples"])
    assert AuditOptions(images=FACES, budget="thorough").with_budget().people is None


def test_every_option_goes_through_a_file_and_back(tmp_path: Path) -> None:
    options = AuditOptions(
        model="m.onnx",
        images=Path('a "quoted" \\ path'),
        judges=("dlib", "b.onnx"),
        fmr=(0.01, 0.001),
        max_sar=0.25,
        minutes=3.5,
        people=4,
        attack=AttackOptions(recipe="paper", shift=1, flip=False, penalty={"tv": 0.5, "l2": 0.0}),
    )
    (tmp_path / "audit.toml").write_text(options_toml(to_json(options)))
    assert AuditOptions(**read_toml(AuditOptions, tmp_path / "audit.toml")) == options


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(
        'images = "x"\nsteps = 5\nseed = 3\n[attack]\nshift = 1\nscale = 0.1\n'
    )
    options = gathered(
        *("--config", tmp_path / "audit.toml", "--steps", 9, "--attack", "shift=0", "--fmr", 0.01),
        *("--max-sar", 1, "--policy-fmr", 0.01),
    )
    assert (options.images, options.steps, options.seed) == (FACES, 9, 3)
    assert options.attack == AttackOptions(shift=0, scale=0.1)
    assert options.fmr == (0.01,)


def test_defaults_are_those_of_the_options() -> None:
    assert gathered("--images", "x") == AuditOptions(images=FACES)


def test_options_of_the_attack_come_first() -> None:
    options = AuditOptions(images=FACES, budget="quick", steps=7, seed=3).with_budget()
    assert attack_options(options) == {"seed": 3, "samples": 1, "steps": 7}
    further = replace(options, attack=AttackOptions(knowledge="weights", steps=9, restarts=2))
    assert attack_options(further) == {
        "seed": 3,
        "samples": 1,
        "steps": 9,
        "restarts": 2,
        "recipe": "arcinvert",
        "knowledge": "weights",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("images = ", "expected TOML"),
        ("imges = 'x'", "the nearest is 'images'"),
        ("steps = 'many'", "steps: expected a whole number, got 'many'"),
        ("aligned = 1", "expected a known option, got 'aligned'"),
        ("fmr = 0.1", "fmr: expected several values"),
        ("judges = [3]", "judges: expected a text, got 3"),
        ("people = true", "people: expected a whole number, got True"),
        ("people = 0", "people: expected a whole number from 1 up, got 0"),
        ("[attack]\nspeed = 9", "got 'speed'"),
        ("[attack]\nsteps = 1.5", "steps: expected a whole number, got 1.5"),
    ],
)
def test_refused_files(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(content)
    with pytest.raises(InputError, match=said):
        gathered("--images", "x", "--config", tmp_path / "a.toml")
    with pytest.raises(InputError, match="found no such file"):
        gathered("--config", tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "either --images DIR or --templates FILE, got none"),
        ({"templates": "t.npy"}, "either --images DIR or --templates FILE, got both"),
        ({"photos": "x"}, "expected it with --templates"),
        ({"images": None, "templates": "t.npy", "target": "centres"}, "got centres"),
        ({"fmr": (0.0,)}, "fmr: expected a finite number above 0"),
        ({"fmr": ()}, "at least one false match rate"),
        ({"max_sar": 2.0}, "from 0 to 1, got 2"),
        ({"max_sar": 0.1, "policy_fmr": 0.5}, "expected one of --fmr"),
        ({"steps": 0}, "steps: expected a whole number from 1 up"),
        ({"budget": "endless"}, "budget: expected one of quick, standard, thorough"),
        ({"variants": ("smooth",)}, "expected NAME=MODEL"),
        ({"variants": ("a=x", "b=x", "a=y")}, "variants: expected different names, got 'a' twice"),
        ({"minutes": float("nan")}, "minutes: expected a finite number"),
        ({"attack": {"size": 224}}, "no size in an audit, got 224: faces are judged and shown at 112 pixels"),
        ({"attack": {"samples": 3}}, "samples and seed as options of the audit"),
    ],
)
def test_refused_values(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(AuditOptions(images=FACES), **changes)


@pytest.mark.parametrize("pair", ["shift", "speed=3", "shift=much", "shift="])
def test_refused_attack_options(pair: str) -> None:
    with pytest.raises(InputError, match="attack: "):
        gathered("--images", "x", "--attack", pair)
    found = gathered("--images", "x", "--attack", "flip=false", "penalty=tv=2.5", "recipe=paper", "shift=3")
    assert found.attack == AttackOptions(flip=False, penalty={"tv": 2.5}, recipe="paper", shift=3)

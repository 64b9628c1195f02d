"""The options of an attack: what is refused, and that every choice exists."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.targets import LOSSES
from arcinvert.options import AttackOptions
from arcinvert.recipes import RECIPES
from recognition.config import kinds
from recognition.errors import InputError


@pytest.mark.parametrize(
    "option",
    [
        {"samples": 0},
        {"samples": True},
        {"steps": -1},
        {"steps": -5},
        {"steps": 1.5},
        {"batch_size": 0},
        {"seed": -1},
        {"seed": 2**63},
        {"restarts": 0},
        {"restarts": -1},
        {"restart_steps": 0},
        {"learning_rate": -1.0},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"warm_up": 1.5},
        {"warm_up": 1.0},
        {"low_resolution": 1.0},
        {"low_resolution": -0.1},
        {"average": 1.0},
        {"average": -0.1},
        {"early_stopping": -0.1},
        {"early_stopping": float("nan")},
        {"regression_blend": -0.5},
        {"regression_blend": 1.5},
        {"loss_scale": 0},
        {"loss_margin": -0.5},
        {"whiten": 1},
        {"flip": "yes"},
        {"yaw": 41.0},
        {"size": 160},
        {"size": "224"},
        {"size": 224.0},
        {"yaw": float("nan")},
        {"pitch": -26.0},
        {"expression": "grin"},
        {"age": 19.0},
        {"age": 76.0},
        {"shift": -2},
        {"shift": 10**6},
        {"shift": 0.5},
        {"scale": -0.1},
        {"scale": 1.0},
        {"scale": float("nan")},
        {"feature_dropout": -0.5},
        {"feature_dropout": 1.0},
        {"initialisation": "middle"},
        {"parametrisation": "wavelets"},
        {"loss": "softmax"},
        {"recipe": "soup"},
        {"recipe": None},
        {"knowledge": "all"},
        {"penalty": 3},
        {"penalty": None},
        {"penalty": {"best": 1.0}},
    ],
    ids=lambda option: "-".join(f"{key}-{value}" for key, value in option.items()),
)
def test_options_are_refused_by_name(option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(InputError, match=f"^{name}: expected") as refused:
        AttackOptions(**option)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["tv", "colour-tv", "l2", "bn"])
@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf"), "1", True])
def test_weights_of_penalties_are_refused_by_name(name: str, weight: Any) -> None:
    with pytest.raises(InputError, match=f"^penalty {name}: expected a"):
        AttackOptions(penalty={name: weight})


def test_refusals_say_what_was_expected_and_what_came() -> None:
    for option, message in (
        ({"samples": 0}, "samples: expected a whole number from 1 up, got 0"),
        ({"steps": 1.5}, "steps: expected a whole number, got 1.5"),
        ({"loss": "softmax"}, "loss: expected one of arcface, cosine, euclidean, got 'softmax'"),
        ({"recipe": "soup"}, "recipe: expected one of arcinvert, paper, deepinversion, got 'soup'"),
    ):
        with pytest.raises(InputError) as refused:
            AttackOptions(**option)
        assert str(refused.value) == message
    with pytest.raises(InputError, match=r"^penalty: expected one of tv, .*bn-deepinversion, got 'best'$"):
        AttackOptions(penalty={"best": 1.0})


def test_options_at_their_limits_are_taken() -> None:
    options = AttackOptions(
        samples=1,
        seed=2**63 - 1,
        steps=1,
        restarts=1,
        batch_size=1,
        penalty={"bn": 0.0, "tv": 0, "colour-tv": None},
        loss_margin=0,
        regression_blend=1,
        warm_up=0,
        early_stopping=0,
        shift=56,
        scale=0.0,
    )
    assert options.seed == 2**63 - 1
    assert options.penalty == {"bn": 0.0, "tv": 0.0, "colour-tv": None}


def test_numbers_of_numpy_are_taken() -> None:
    options = AttackOptions(samples=np.int64(3), learning_rate=np.float32(0.5))  # type: ignore[arg-type]
    assert (type(options.samples), type(options.learning_rate)) == (int, float)


def test_choices_are_the_parts_there_are() -> None:
    choices = {name: kind.choices for name, kind in kinds(AttackOptions).items()}
    assert choices["initialisation"] == tuple(INITIALISATIONS)
    assert choices["parametrisation"] == tuple(PARAMETRISATIONS)
    assert choices["loss"] == tuple(LOSSES)
    assert choices["recipe"] == tuple(RECIPES)
    assert choices["steps"] == ()


def test_every_option_says_what_it_is_and_is_in_a_group() -> None:
    assert fields(AttackOptions)
    for option in fields(AttackOptions):
        assert len(option.metadata["help"].split()) >= 4
        assert option.metadata["group"] != "options"
        # `help()` adds the full stop.
        assert not option.metadata["help"].endswith(".")


def test_given_are_the_options_that_are_not_none_and_of_a_recipe() -> None:
    assert AttackOptions().given() == {}
    assert AttackOptions(recipe="paper", knowledge="weights", samples=3, seed=4).given() == {}
    options = AttackOptions(steps=3, flip=False, penalty={"bn": 0}, early_stopping=0)
    assert options.given() == {"steps": 3, "flip": False, "penalty": {"bn": 0.0}, "early_stopping": 0.0}

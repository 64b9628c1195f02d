"""The options of an attack: what is refused, and that every choice exists."""

from dataclasses import fields
from typing import Any

import pytest
from arcinvert.inversion.penalties.batchnorm import PRIORS

from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.options import AttackOptions, choices
from recognition.errors import InputError


@pytest.mark.parametrize(
    "option",
    [
        {"samples": 0},
        {"steps": -5},
        {"batch_size": 0},
        {"seed": -1},
        {"seed": 2**63},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"prior_weight": -0.1},
        {"prior_weight": float("nan")},
        {"prior_weight": float("inf")},
        {"tv_weight": -1.0},
        {"tv_weight": float("inf")},
        {"colour_weight": -0.5},
        {"l2_weight": float("nan")},
        {"shift": -2},
        {"shift": 10**6},
        {"scale": -0.1},
        {"feature_dropout": -0.5},
        {"steps": -1},
        {"scale": 1.0},
        {"feature_dropout": 1.0},
        {"average": 1.0},
        {"average": -0.1},
        {"restarts": -1},
        {"regression_share": -0.5},
        {"regression_share": 1.5},
        {"scale": float("nan")},
        {"start": "middle"},
        {"parametrisation": "wavelets"},
        {"loss": "softmax"},
        {"prior": "best"},
        {"precision": "float16"},
    ],
    ids=lambda option: "-".join(f"{key}-{value}" for key, value in option.items()),
)
def test_options_are_refused_by_name(option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(InputError, match=f"{name}: expected"):
        AttackOptions(**option)


def test_options_at_their_limits_are_taken() -> None:
    options = AttackOptions(
        samples=1,
        seed=2**63 - 1,
        steps=1,
        batch_size=1,
        prior_weight=0.0,
        tv_weight=0.0,
        colour_weight=0.0,
        l2_weight=0.0,
        learning_rate=0.0,
        shift=0,
        scale=0.0,
    )
    assert options.seed == 2**63 - 1


def test_choices_are_the_parts_there_are() -> None:
    assert set(choices("parametrisation")) == {"auto", *PARAMETRISATIONS}
    assert set(choices("prior")) == {*PRIORS, "none"}
    assert choices("steps") == ()


def test_every_option_says_what_it_is() -> None:
    assert fields(AttackOptions)
    assert all(option.metadata["help"] for option in fields(AttackOptions))


def test_refusals_name_what_came_and_what_goes() -> None:
    with pytest.raises(InputError, match=r"^samples: expected .* 1 .* got 0$"):
        AttackOptions(samples=0)
    with pytest.raises(InputError, match=r"^prior: expected one of .*scale-free.*none, got 'best'$"):
        AttackOptions(prior="best")  # type: ignore[arg-type]

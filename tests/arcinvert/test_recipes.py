"""The recipes: complete, of published figures, overridden by what is given, contradictions refused."""

from dataclasses import fields, replace
from typing import Any

import pytest

from arcinvert.options import AttackOptions
from arcinvert.recipes import RECIPES, Setting, knowledge_of, preset
from recognition.errors import InputError

LEVELS = [(name, level) for name, recipe in RECIPES.items() for level in recipe.presets]
#: Options that no recipe decides.
NOT_OF_RECIPES = {"recipe", "knowledge", "samples", "seed", "settle", "statistics", "precision"}


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_a_preset_is_a_whole_attack(name: Any, level: Any) -> None:
    values = preset(name, level)
    assert set(values) == {option.name for option in fields(AttackOptions)} - NOT_OF_RECIPES
    assert all(
        isinstance(setting, Setting) and setting.source for setting in RECIPES[name].presets[level].values()
    )
    options = AttackOptions(recipe=name, knowledge=level)
    assert {key: getattr(options, key) for key in values} == values
    # As typed as if it were given: result.json has the same kinds of values for all recipes.
    assert {key: type(value) for key, value in values.items()} == {
        key: type(getattr(AttackOptions(), key)) for key in values
    }
    assert options.changes() == {}


def test_what_is_not_asked_for() -> None:
    assert AttackOptions() == AttackOptions(recipe="arcinvert", knowledge="public-faces")
    assert AttackOptions(recipe="paper").knowledge == "weights"
    assert {name: knowledge_of(name) for name in RECIPES} == {
        "arcinvert": "public-faces",
        "paper": "weights",
        "deepinversion": "weights",
    }


def test_the_papers_figures() -> None:
    paper = AttackOptions(recipe="paper")
    assert (paper.steps, paper.batch_size) == (20_000, 256)
    assert (paper.loss, paper.loss_scale, paper.loss_margin) == ("paper", 64, 0.5)
    assert (paper.prior, paper.prior_weight) == ("paper", 0.05)
    assert (paper.tv_weight, paper.l2_weight) == (1e-3, 1e-4)
    # 0.25 in the network's units: -1..1 is twice as wide as 0..1.
    assert paper.learning_rate == 0.25 / 2
    assert (paper.start, paper.parametrisation, paper.coarse) == ("noise", "pixels", 0)


def test_deepinversions_figures() -> None:
    theirs = AttackOptions(recipe="deepinversion")
    assert (theirs.steps, theirs.batch_size) == (3000, 84)
    assert theirs.steps * theirs.coarse == pytest.approx(2000)
    assert theirs.steps * theirs.warm_up == pytest.approx(100)
    assert (theirs.prior, theirs.prior_weight) == ("deepinversion", 0.01)
    assert (theirs.image_prior, theirs.tv_weight, theirs.l2_weight) == ("norm", 1e-4, 1e-5)
    assert (theirs.loss, theirs.loss_scale, theirs.loss_margin) == ("paper", 64, 0)
    assert theirs.learning_rate == 0.25 / 2
    # 30 of 224 pixels.
    assert theirs.shift / 112 == 30 / 224
    assert (theirs.flip, theirs.wrap) == (True, True)


@pytest.mark.parametrize("name", ["paper", "deepinversion"])
def test_published_recipes_have_nothing_of_ours(name: Any) -> None:
    options = AttackOptions(recipe=name)
    ours = ("colour_weight", "coordinate_weight", "scale", "feature_dropout")
    assert all(getattr(options, key) == 0 for key in ours)
    assert options.start == "noise"


def test_what_is_given_wins() -> None:
    given = {"steps": 7, "tv_weight": 0.0, "flip": False, "prior": "none", "coarse": 0.25}
    options = AttackOptions(recipe="deepinversion", **given)  # type: ignore[arg-type]
    assert options.changes() == given
    assert options.l2_weight == 1e-5
    assert AttackOptions(recipe="paper", steps=20_000).changes() == {}


def test_a_change_of_options_keeps_the_rest() -> None:
    options = replace(AttackOptions(recipe="paper", tv_weight=0.5), steps=9)
    assert options.changes() == {"tv_weight": 0.5, "steps": 9}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "soup"}, "^recipe: expected one of arcinvert, paper, deepinversion, got 'soup'$"),
        ({"knowledge": "all"}, "^knowledge: expected public-faces or weights .*arcinvert, got 'all'$"),
        ({"recipe": "paper", "knowledge": "public-faces"}, "^knowledge: expected weights for recipe paper"),
        ({"knowledge": "weights", "start": "mean"}, "^start: expected dream or noise .* got mean"),
        ({"recipe": "paper", "start": "mean"}, "^start: expected dream or noise .* got mean"),
        (
            {"knowledge": "weights", "parametrisation": "eigenfaces"},
            "^parametrisation: expected pixels or fourier .* got eigenfaces",
        ),
        (
            {"knowledge": "weights", "statistics": "faces.safetensors"},
            "^statistics: expected none .* got faces",
        ),
        (
            {"knowledge": "weights", "prior": "per-location"},
            "^prior: expected another .* got per-location, which is made of public faces$",
        ),
        ({"coarse": 1.0}, "^coarse: expected less than 1"),
        ({"warm_up": 1.5}, "^warm_up: expected less than 1"),
        ({"loss_margin": -0.5}, "^loss_margin: expected a number from 0 up"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        AttackOptions(**options)
    assert "\n" not in str(refused.value)

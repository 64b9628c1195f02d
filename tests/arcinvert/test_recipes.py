"""The recipes: complete, and of the published figures."""

from dataclasses import fields
from typing import Any

import pytest

from arcinvert.inversion.penalties import PENALTIES
from arcinvert.options import AttackOptions
from arcinvert.recipes import RECIPES, preset
from recognition.errors import InputError

LEVELS = [(name, level) for name, recipe in RECIPES.items() for level in recipe.presets]
#: Options that no recipe decides.
NOT_OF_RECIPES = {
    "recipe",
    "knowledge",
    "samples",
    "seed",
    "early_stopping",
    "yaw",
    "pitch",
    "expression",
    "age",
    "size",
}
TARGETS: tuple[Any, ...] = ("class", "template")


def values(name: Any, target: Any = "class") -> dict[str, Any]:
    _, chosen = preset(name)
    return chosen.values(target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_a_preset_is_a_whole_attack(name: Any, level: Any, target: Any) -> None:
    chosen = RECIPES[name].presets[level]
    decided = chosen.values(target)
    assert set(decided) == {option.name for option in fields(AttackOptions)} - NOT_OF_RECIPES
    settings = [*chosen.settings.values(), *chosen.penalties.values(), *chosen.losses.values()]
    assert all(setting.source for setting in settings)
    assert set(chosen.penalties) <= set(PENALTIES)
    # A preset can be given as options, and is then what it was.
    options = AttackOptions(recipe=name, knowledge=level, **decided)
    assert {key: getattr(options, key) for key in decided} == decided
    assert {key: type(getattr(options, key)) for key in decided} == {
        key: type(value) for key, value in decided.items()
    }


def test_the_default_level_of_each_recipe() -> None:
    assert {name: preset(name)[0] for name in RECIPES} == {
        "arcinvert": "public-faces",
        "paper": "weights",
        "deepinversion": "weights",
    }
    assert preset("arcinvert", "weights")[0] == "weights"
    assert AttackOptions().recipe == "arcinvert"


def test_the_papers_figures() -> None:
    paper = values("paper")
    assert (paper["steps"], paper["batch_size"]) == (20_000, 256)
    assert (paper["loss_scale"], paper["loss_margin"]) == (64, 0.5)
    assert (paper["loss"], values("paper", "template")["loss"]) == ("arcface", "euclidean")
    assert paper["penalty"] == {"tv-norm": 1e-3, "l2-norm": 1e-4, "bn-arcface": 0.05}
    # 0.25 in the network's units: -1..1 is twice as wide as 0..1.
    assert paper["learning_rate"] == 0.25 / 2
    assert (paper["initialisation"], paper["parametrisation"], paper["low_resolution"]) == (
        "noise",
        "pixels",
        0,
    )


def test_deepinversions_figures() -> None:
    theirs = values("deepinversion")
    assert (theirs["steps"], theirs["batch_size"]) == (3000, 84)
    assert theirs["steps"] * theirs["low_resolution"] == pytest.approx(2000)
    assert theirs["steps"] * theirs["warm_up"] == pytest.approx(100)
    assert theirs["penalty"] == {"tv-norm": 1e-4, "l2-norm": 1e-5, "bn-deepinversion": 0.01}
    assert (theirs["loss_scale"], theirs["loss_margin"]) == (64, 0)
    assert (theirs["loss"], values("deepinversion", "template")["loss"]) == ("arcface", "euclidean")
    assert theirs["learning_rate"] == 0.25 / 2
    # 30 of 224 pixels.
    assert theirs["shift"] / 112 == 30 / 224
    assert (theirs["flip"], theirs["wrap"]) == (True, True)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["paper", "deepinversion"])
def test_published_recipes_have_nothing_of_ours(name: Any, target: Any) -> None:
    published = values(name, target)
    assert {"tv", "colour-tv", "pca-prior", "bn"} & set(published["penalty"]) == set()
    assert [published[key] for key in ("scale", "feature_dropout", "average", "regression_blend")] == [0] * 4
    assert (published["initialisation"], published["restarts"], published["whiten"]) == ("noise", 1, False)
    # They leave nothing open; a single restart is always whole.
    assert {name for name, value in published.items() if value is None} == {"restart_steps"}
    assert None not in published["penalty"].values()


def test_presets_are_not_shared() -> None:
    values("paper")["penalty"]["tv-norm"] = 5.0
    values("paper")["steps"] = 5
    assert values("paper")["penalty"]["tv-norm"] == 1e-3
    assert values("paper")["steps"] == 20_000


def test_recipes_and_levels_that_do_not_exist_are_refused() -> None:
    for given, message in (
        (("soup", None), "recipe: expected one of arcinvert, paper, deepinversion, got 'soup'"),
        (("arcinvert", "all"), "knowledge: expected public-faces or weights for recipe arcinvert, got 'all'"),
        (("paper", "public-faces"), "knowledge: expected weights for recipe paper, got 'public-faces'"),
    ):
        with pytest.raises(InputError) as refused:
            preset(*given)  # type: ignore[arg-type]
        assert str(refused.value) == message

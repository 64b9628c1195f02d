"""Recipes and their pictures by step."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.comparison import Comparison, recipe_list, side_by_side
from app.jobs import Job
from app.recipes import VARIANTS
from arcinvert import AttackOptions
from arcinvert.recipes import RECIPES


def test_a_choice_of_pictures_by_step() -> None:
    pictures = [{step: np.full((2, 2, 3), step, np.uint8) for step in (1, 4, 8)} for _ in range(2)]
    comparison = Comparison(8, pictures)
    assert re.findall("step (\\d)<", side_by_side(comparison, 5)) == ["4", "4"]
    assert re.findall("step (\\d)<", side_by_side(comparison, 8)) == ["8", "8"]
    assert Comparison(100).every == 5
    assert Comparison(3).every == 1


def test_recipes_are_options_of_an_attack() -> None:
    assert len({variant.title for variant in VARIANTS}) == len(VARIANTS)
    for variant in VARIANTS:
        AttackOptions(**variant.options)
    assert AttackOptions(**VARIANTS[0].options) == AttackOptions()
    assert {AttackOptions(**variant.options).recipe for variant in VARIANTS} == set(RECIPES)


def test_a_comparison_runs_every_recipe_until_it_is_stopped() -> None:
    given: list[dict[str, Any]] = []
    parts: list[int] = []
    job: Any = SimpleNamespace(begin_part=parts.append, stopped=False)

    def attack(job: Job, **options: Any) -> Any:
        given.append(options)
        job.stopped = len(given) == 7  # type: ignore[misc]  (the second recipe of the second comparison)
        return len(given)

    whole = Comparison(3)
    whole.run(job, attack, {"seed": 1})
    assert given == [{"seed": 1} | variant.options for variant in VARIANTS]
    assert parts == [0, 1, 2, 3, 4]
    assert whole.runs == [1, 2, 3, 4, 5]
    stopped = Comparison(3)
    stopped.run(job, attack, {})
    assert stopped.runs == [6, 7]
    assert len(stopped.pictures) == 2


def test_every_recipe_is_listed() -> None:
    assert re.findall("<b>(.*?)</b>", recipe_list()) == [variant.title for variant in VARIANTS]

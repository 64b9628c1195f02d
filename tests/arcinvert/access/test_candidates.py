"""Candidates of an image: what they are, and that the one with the highest answer is preferred."""

import numpy as np
import torch
from torch import Tensor

from arcinvert.access.black_box import Answers
from arcinvert.access.candidates import FINISHED, candidates, preferred
from arcinvert.access.meter import BudgetSpentError


def grey(value: float, side: int = 8) -> Tensor:
    return torch.full((3, side, side), value)


def lightness(images: Tensor) -> Answers:
    return np.asarray(images.double().mean((1, 2, 3)).numpy())


def test_the_end_comes_first_and_all_have_eight_bits() -> None:
    found = candidates(grey(0.2), grey(0.8), grey(0.6, 4), 5)
    wanted = {
        "finished": 51,
        "halfway from regression": 102,
        "regression": 153,
        "halfway from initial": 128,
        "initial": 204,
    }
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name].shape == (3, 8, 8)
        torch.testing.assert_close(255 * found[name], 255 * grey(value / 255), atol=0.51, rtol=0)
        assert torch.equal((255 * found[name]).round() / 255, found[name])


def test_fewer_are_the_first_ones_and_a_regression_may_be_missing() -> None:
    assert list(candidates(grey(0.2), grey(0.8), grey(0.6), 2)) == [FINISHED, "halfway from regression"]
    assert list(candidates(grey(0.2), grey(0.8), None, 5)) == [FINISHED, "halfway from initial", "initial"]
    assert list(candidates(grey(0.2), grey(0.8), grey(0.6), 1)) == [FINISHED]


def test_the_highest_answer_is_preferred() -> None:
    shown = candidates(grey(0.2), grey(0.8), grey(0.6), 5)
    assert preferred(shown, lightness) == ("initial", float(lightness(shown["initial"][None])[0]))
    assert preferred(shown, lambda images: -lightness(images))[0] == FINISHED


def test_what_was_answered_before_the_budget_ended_decides() -> None:
    shown = candidates(grey(0.2), grey(0.8), grey(0.6), 5)

    def ask(images: Tensor, answered: int) -> Answers:
        error = BudgetSpentError(len(images), answered)
        error.answers = lightness(images[:answered])
        raise error

    assert preferred(shown, lambda images: ask(images, 3))[0] == "regression"
    assert preferred(shown, lambda images: ask(images, 0)) == (FINISHED, None)

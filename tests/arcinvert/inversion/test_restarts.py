"""Restarts: the attacked network's choice, on runs that are made up."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.restarts import best_of, under_views
from arcinvert.inversion.result import Inversion, LossParts, Step
from tests.arcinvert.inversion.test_engine import linear_recogniser, start, templates

STEPS = 4


def made_up(brightness: list[float], stopped: bool = False) -> Inversion:
    """A run whose images are plain, each of its own brightness."""
    images = torch.tensor(brightness)[:, None, None, None].expand(-1, 3, 2, 2)
    return Inversion(images, images / 2, images[:, 0, 0, 0] / 4, {}, 1 if stopped else STEPS, stopped)


class Runs:
    """Stands for an attack: gives runs that are made up, and tells a callback of their steps."""

    def __init__(self, *runs: Inversion) -> None:
        self.runs = runs
        self.numbers: list[int] = []
        self.scored = 0

    def run(self, number: int, heard: Callable[[Step], None]) -> Inversion:
        self.numbers.append(number)
        run = self.runs[number]
        for step in range(1, run.steps + 1):
            heard(Step(step, STEPS, LossParts((), torch.zeros(0)), lambda: run.images))
        return run

    def score(self, images: Tensor) -> Tensor:
        """The nearer to 0.5 the better."""
        self.scored += 1
        return -(images.mean((1, 2, 3)) - 0.5).abs()


def test_of_each_image_the_best_is_kept() -> None:
    attack = Runs(made_up([0.1, 0.5, 0.7]), made_up([0.4, 0.9, 0.2]), made_up([0.2, 0.6, 0.45]))
    heard: list[tuple[int, int]] = []
    kept = best_of(3, attack.run, attack.score, lambda step: heard.append((step.number, step.steps)))
    assert attack.numbers == [0, 1, 2]
    assert attack.scored == 3
    assert kept.images[:, 0, 0, 0].tolist() == pytest.approx([0.4, 0.5, 0.45])
    assert kept.start[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.25, 0.225])
    assert kept.similarity.tolist() == pytest.approx([0.1, 0.125, 0.1125])
    assert heard == [(number, 3 * STEPS) for number in range(1, 3 * STEPS + 1)]
    assert (kept.steps, kept.stopped) == (3 * STEPS, False)


def test_one_alone_is_not_scored() -> None:
    attack = Runs(made_up([0.1]))
    kept = best_of(1, attack.run, attack.score, lambda step: None)
    assert torch.equal(kept.images, attack.runs[0].images)
    assert attack.scored == 0


def test_a_stopped_one_is_the_last_and_counts_where_it_is_all_there_is() -> None:
    half = made_up([0.5, 0.5], stopped=True)
    attack = Runs(made_up([0.1, 0.3]), half, made_up([0.5, 0.5]))
    kept = best_of(3, attack.run, attack.score, lambda step: None)
    assert attack.numbers == [0, 1]
    assert torch.equal(kept.images, attack.runs[0].images)
    assert (kept.steps, kept.stopped) == (STEPS + 1, True)
    alone = best_of(3, Runs(half).run, attack.score, lambda step: None)
    assert torch.equal(alone.images, half.images)
    assert alone.stopped


def test_an_error_ends_all() -> None:
    def stop(step: Step) -> None:
        raise KeyError("end")

    attack = Runs(made_up([0.1]), made_up([0.2]))
    with pytest.raises(KeyError, match="end"):
        best_of(2, attack.run, attack.score, stop)


def test_similarity_under_views_is_of_shifted_and_mirrored_images_the_same_each_time() -> None:
    recogniser, images = linear_recogniser(), start()
    values = under_views(recogniser, images, templates())
    assert values.shape == (3,)
    assert torch.equal(values, under_views(recogniser, images, templates()))
    plain = (recogniser(images) * templates()).sum(1)
    assert not torch.allclose(values, plain)
    # A plain picture looks the same from everywhere.
    flat = torch.full_like(images, 0.3)
    torch.testing.assert_close(
        under_views(recogniser, flat, templates()), (recogniser(flat) * templates()).sum(1)
    )

"""Restarts: the attacked network's choice among runs that are made up."""

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.restarts import augmented_similarity, best_of
from arcinvert.inversion.result import Inversion
from tests.arcinvert.inversion.networks import linear_recogniser, start, templates

STEPS = 4


def made_up(brightness: list[float], *, stopped: bool = False, loss: float = 0.0) -> Inversion:
    """Return a run of uniform images, each of its own brightness."""
    images = torch.tensor(brightness)[:, None, None, None].expand(-1, 3, 2, 2)
    steps = 1 if stopped else STEPS
    return Inversion(images, images / 2, images[:, 0, 0, 0] / 4, {"identity": loss}, steps, stopped)


class Runs:
    """Stands for an attack: returns runs that are made up, and counts what is called."""

    def __init__(self, *runs: Inversion) -> None:
        self.runs = runs
        self.numbers: list[int] = []
        self.scored = 0

    def run(self, number: int) -> Inversion:
        self.numbers.append(number)
        return self.runs[number]

    def score(self, images: Tensor) -> Tensor:
        """Return scores that are the higher the nearer the brightness is to one half."""
        self.scored += 1
        return -(images.mean((1, 2, 3)) - 0.5).abs()


def test_the_best_of_each_image_is_kept() -> None:
    attack = Runs(made_up([0.1, 0.5, 0.7]), made_up([0.4, 0.9, 0.2]), made_up([0.2, 0.6, 0.45], loss=3.0))
    kept = best_of(3, attack.run, attack.score)
    assert attack.numbers == [0, 1, 2]
    assert attack.scored == 3
    assert kept.images[:, 0, 0, 0].tolist() == pytest.approx([0.4, 0.5, 0.45])
    assert kept.start[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.25, 0.225])
    assert kept.similarity.tolist() == pytest.approx([0.1, 0.125, 0.1125])
    assert (kept.steps, kept.stopped) == (3 * STEPS, False)
    assert kept.losses == {"identity": 3.0}


def test_one_alone_is_not_scored() -> None:
    attack = Runs(made_up([0.1]))
    kept = best_of(1, attack.run, attack.score)
    assert torch.equal(kept.images, attack.runs[0].images)
    assert attack.scored == 0


def test_a_stopped_run_is_the_last_and_counts_only_where_none_is_complete() -> None:
    half = made_up([0.5, 0.5], stopped=True)
    attack = Runs(made_up([0.1, 0.3]), half, made_up([0.5, 0.5]))
    kept = best_of(3, attack.run, attack.score)
    assert attack.numbers == [0, 1]
    assert torch.equal(kept.images, attack.runs[0].images)
    assert (kept.steps, kept.stopped) == (STEPS + 1, True)
    alone = best_of(3, Runs(half).run, attack.score)
    assert torch.equal(alone.images, half.images)
    assert alone.stopped


def test_an_error_ends_all() -> None:
    def run(number: int) -> Inversion:
        numbers.append(number)
        raise KeyError("end")

    numbers: list[int] = []
    with pytest.raises(KeyError, match="end"):
        best_of(2, run, Runs().score)
    assert numbers == [0]


def test_augmented_similarity_is_of_changed_copies_and_the_same_each_time() -> None:
    recogniser, images = linear_recogniser(), start()
    values = augmented_similarity(recogniser, images, templates())
    assert values.shape == (3,)
    assert torch.equal(values, augmented_similarity(recogniser, images, templates()))
    plain = (recogniser(images) * templates()).sum(1)
    assert not torch.allclose(values, plain)
    # Augmentation does not change a uniform image.
    uniform = torch.full_like(images, 0.3)
    torch.testing.assert_close(
        augmented_similarity(recogniser, uniform, templates()), (recogniser(uniform) * templates()).sum(1)
    )

"""Further attempts: which images are attacked again, and what is kept."""

import pytest
import torch

from arcinvert.inversion.result import Inversion
from arcinvert.inversion.retries import UNLIKE, unlike, with_retry


def made_up(
    similarity: list[float], brightness: float, *, steps: int = 4, stopped: bool = False
) -> Inversion:
    """Return an attempt that ended at uniform images, with the similarities."""
    images = torch.full((len(similarity), 3, 2, 2), brightness)
    return Inversion(images, images / 2, torch.tensor(similarity), {"identity": brightness}, steps, stopped)


def brightness(images: torch.Tensor) -> list[float]:
    return images[:, 0, 0, 0].tolist()


def test_images_below_the_threshold_are_unlike() -> None:
    found = unlike(made_up([UNLIKE - 0.001, UNLIKE, 1.0, -0.5], 0.1))
    assert found.tolist() == [True, False, False, True]


def test_the_more_similar_attempt_of_each_image_is_kept() -> None:
    first = made_up([0.9, 0.98, 0.7, 0.8], 0.25)
    kept = with_retry(first, made_up([0.85, 0.95, 0.75], 0.75), torch.tensor([True, False, True, True]))
    assert brightness(kept.images) == [0.25, 0.25, 0.75, 0.25]
    assert brightness(kept.start) == [0.125, 0.125, 0.375, 0.125]
    assert kept.similarity.tolist() == pytest.approx([0.9, 0.98, 0.95, 0.8])
    # The first attempt is as it was.
    assert brightness(first.images) == [0.25] * 4


def test_the_steps_of_all_attempts_are_counted_for_each_image() -> None:
    first = made_up([0.9, 0.98, 0.7], 0.25)
    assert first.steps_of_each == [4, 4, 4]
    once = with_retry(first, made_up([0.95, 0.75], 0.5, steps=6), torch.tensor([True, False, True]))
    assert once.steps_of_each == [10, 4, 10]
    twice = with_retry(once, made_up([0.75], 0.75, steps=3), torch.tensor([False, False, True]))
    assert (twice.steps_of_each, twice.steps) == ([10, 4, 13], 4)


def test_an_attempt_that_was_stopped_leaves_the_better_images() -> None:
    kept = with_retry(
        made_up([0.9, 0.98], 0.25), made_up([0.3], 0.5, steps=1, stopped=True), torch.tensor([True, False])
    )
    assert (brightness(kept.images), kept.stopped) == ([0.25, 0.25], True)
    assert kept.steps_of_each == [5, 4]

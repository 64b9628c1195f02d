"""Early stopping: when a batch has converged."""

import pytest
import torch

from arcinvert.inversion.early_stopping import WINDOW, EarlyStopping


def decisions(windows: list[list[float]], tolerance: float) -> list[bool]:
    """Return the decision at each step of windows in which each image has a constant similarity."""
    stopping = EarlyStopping(tolerance)
    return [stopping.converged(torch.tensor(window)) for window in windows for _ in range(WINDOW)]


def test_it_decides_at_the_end_of_a_window_and_needs_two() -> None:
    decided = decisions([[0.5, 0.6], [0.5, 0.6], [0.5, 0.6]], 0.01)
    assert [index + 1 for index, converged in enumerate(decided) if converged] == [2 * WINDOW, 3 * WINDOW]


@pytest.mark.parametrize(("second", "converged"), [(0.609, True), (0.611, False), (0.4, True)])
def test_every_image_must_have_converged(second: float, converged: bool) -> None:
    assert any(decisions([[0.5, 0.6], [0.5, second]], 0.01)) is converged


def test_noise_within_a_window_is_averaged() -> None:
    stopping, noise = EarlyStopping(0.01), torch.tensor([0.3, -0.3]).repeat(WINDOW)
    assert stopping.converged(torch.tensor([0.5]) + noise[0]) is False
    decided = [stopping.converged(torch.tensor([0.5]) + one) for one in noise[1:]]
    assert decided == [False] * (2 * WINDOW - 2) + [True]


def test_nothing_is_read_before_a_window_ends() -> None:
    stopping = EarlyStopping(0.01)
    # No value of the meta device can be read.
    assert not any(stopping.converged(torch.zeros(2, device="meta")) for _ in range(2 * WINDOW - 1))
    with pytest.raises(RuntimeError, match="meta"):
        stopping.converged(torch.zeros(2, device="meta"))

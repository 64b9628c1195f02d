"""When a batch has settled."""

import pytest
import torch

from arcinvert.inversion.early_stopping import WINDOW, EarlyStopping


def told(gains: list[list[float]], tolerance: float) -> list[bool]:
    """What is said at each step of windows in which each image has a constant similarity."""
    settling = EarlyStopping(tolerance)
    return [settling.hear(torch.tensor(window)) for window in gains for _ in range(WINDOW)]


def test_it_looks_at_the_end_of_a_window_and_needs_two() -> None:
    said = told([[0.5, 0.6], [0.5, 0.6], [0.5, 0.6]], 0.01)
    assert [index + 1 for index, settled in enumerate(said) if settled] == [2 * WINDOW, 3 * WINDOW]


@pytest.mark.parametrize(("second", "settled"), [(0.609, True), (0.611, False), (0.4, True)])
def test_every_image_must_have_settled(second: float, settled: bool) -> None:
    assert any(told([[0.5, 0.6], [0.5, second]], 0.01)) is settled


def test_noise_within_a_window_is_averaged() -> None:
    settling, noise = EarlyStopping(0.01), torch.tensor([0.3, -0.3]).repeat(WINDOW)
    assert settling.hear(torch.tensor([0.5]) + noise[0]) is False
    said = [settling.hear(torch.tensor([0.5]) + one) for one in noise[1:]]
    assert said == [False] * (2 * WINDOW - 2) + [True]


def test_nothing_is_read_before_a_window_ends() -> None:
    settling = EarlyStopping(0.01)
    # Of the meta device nothing can be read.
    assert not any(settling.hear(torch.zeros(2, device="meta")) for _ in range(2 * WINDOW - 1))
    with pytest.raises(RuntimeError, match="meta"):
        settling.hear(torch.zeros(2, device="meta"))

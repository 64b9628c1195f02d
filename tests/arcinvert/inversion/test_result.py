"""What an inversion reports: losses are copied from the device when they are read, and steps compare."""

from collections.abc import Mapping

import pytest
import torch

from arcinvert.inversion.result import Losses, Step


def test_losses_are_a_mapping_of_their_names() -> None:
    losses = Losses(["identity", "tv"], torch.tensor([0.5, 0.25]))
    assert isinstance(losses, Mapping)
    assert dict(losses) == {"identity": 0.5, "tv": 0.25}
    assert (list(losses), len(losses), "tv" in losses, "bn" in losses) == (["identity", "tv"], 2, True, False)
    with pytest.raises(KeyError, match="bn"):
        losses["bn"]


def test_names_are_known_without_a_read() -> None:
    # No value of the meta device can be read.
    losses = Losses(["identity"], torch.zeros(1, device="meta"))
    assert (list(losses), len(losses)) == (["identity"], 1)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        losses["identity"]


def test_values_are_those_of_the_first_read() -> None:
    values = torch.tensor([0.5])
    losses = Losses(["identity"], values)
    assert losses["identity"] == 0.5
    values.fill_(2)
    assert losses["identity"] == 0.5


def test_a_step_compares_without_its_images() -> None:
    first, second = (Step(1, 3, {"identity": 0.5}, lambda: torch.zeros(1)) for _ in range(2))
    assert first == second
    assert "images" not in repr(first)
    assert (first.batch, first.batches) == (1, 1)

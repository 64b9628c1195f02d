"""Modules whose weights come from a file: no memory, no random numbers, no import of torch's compiler."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn

from recognition.backbones import BACKBONES, build_backbone
from recognition.backbones.undrawn import undrawn_weights


@pytest.mark.parametrize("name", BACKBONES)
def test_shapes_are_those_of_a_drawn_network(name: str) -> None:
    with undrawn_weights():
        undrawn = build_backbone(name)
    drawn = build_backbone(name).state_dict()
    found = undrawn.state_dict()
    assert {key: value.shape for key, value in found.items()} == {
        key: value.shape for key, value in drawn.items()
    }
    assert all(value.is_meta for value in found.values())


def test_weights_are_drawn_again_afterwards() -> None:
    with undrawn_weights():
        nn.Linear(3, 2)
    torch.manual_seed(0)
    first = nn.Linear(3, 2).weight
    assert not first.is_meta
    assert float(first.detach().std()) > 0.1


@pytest.mark.parametrize("draw", [nn.init.kaiming_normal_, nn.init.xavier_uniform_, nn.init.normal_])
def test_nothing_is_drawn(draw: Callable[[torch.Tensor], torch.Tensor]) -> None:
    weights = torch.full((3, 2), 7.0)
    with undrawn_weights():
        assert draw(weights) is weights
    assert torch.equal(weights, torch.full((3, 2), 7.0))


def test_loading_the_bundled_network_imports_no_compiler() -> None:
    code = "import sys; from recognition.loading import load; load(); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

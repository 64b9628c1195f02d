"""The strided 1x1 convolution: that of torch, also where oneDNN's gradient of the weights fails."""

import pytest
import torch
from torch import nn

from recognition.backbones.pointwise import Pointwise


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("channels", "side", "stride"), [(4, 56, 2), (8, 56, 2), (8, 7, 3), (16, 14, 2), (32, 9, 2)]
)
def test_it_is_torchs_convolution(
    channels: int, side: int, stride: int, memory_format: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, channels, side, side, generator=generator).to(memory_format=memory_format)
    layer = Pointwise(channels, 16, stride).to(memory_format=memory_format)
    layer(images).square().sum().backward()
    # In double precision the convolution is not oneDNN's.
    exact = nn.Conv2d(channels, 16, 1, stride, bias=False).double()
    exact.load_state_dict(layer.state_dict())
    exact(images.double()).square().sum().backward()
    assert layer.weight.grad is not None
    assert exact.weight.grad is not None
    torch.testing.assert_close(layer(images).double(), exact(images.double()), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.weight.grad.double(), exact.weight.grad, rtol=1e-4, atol=1e-2)

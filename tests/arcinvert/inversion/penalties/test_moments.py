"""Mean and variance over any axes, in any order of memory, with their gradients."""

import pytest
import torch

from arcinvert.inversion.input_gradients import slopes
from arcinvert.inversion.penalties.moments import Moments, NormalisedMoments, widened
from tests.arcinvert.inversion.penalties.networks import small_network


@pytest.mark.parametrize("axes", [(0, 2, 3), (2, 3), (0,)])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (1, 4, 1, 1), (2, 1, 3, 3)])
def test_moments(axes: tuple[int, ...], order: torch.memory_format, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(shape, generator=generator, dtype=torch.float64) + 2
    activations = activations.contiguous(memory_format=order).requires_grad_()
    mean, variance = Moments.apply(activations, axes)
    expected = activations.mean(axes), activations.var(axes, correction=0)
    torch.testing.assert_close((mean, variance), expected)
    assert torch.autograd.gradcheck(lambda given: Moments.apply(given, axes), (activations,))


@pytest.mark.parametrize("axes", [(0, 2, 3), (2, 3)])
def test_a_batch_norm_with_the_moments_of_its_input(axes: tuple[int, ...]) -> None:
    module = small_network()[1]
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(3, 4, 5, 2, generator=generator, dtype=torch.float64).requires_grad_()

    def observed(given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return NormalisedMoments.apply(given, module, slopes(module), axes)

    expected = module(activations), activations.mean(axes), activations.var(axes, correction=0)
    torch.testing.assert_close(observed(activations), expected)
    assert torch.autograd.gradcheck(observed, (activations,))


def test_half_precision_alone_is_widened() -> None:
    kept = {dtype: widened(torch.zeros(1, dtype=dtype)).dtype for dtype in (torch.float32, torch.float64)}
    assert kept == {torch.float32: torch.float32, torch.float64: torch.float64}
    assert widened(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32

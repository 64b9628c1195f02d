"""Fourier coefficients: the initial images come back, and low frequencies move pixels more than high ones."""

import pytest
import torch

from arcinvert.inversion.parametrisations.fourier import Fourier


@pytest.mark.parametrize("size", [(16, 16), (15, 15), (12, 17), (112, 112)])
def test_the_start_is_reproduced(size: tuple[int, int]) -> None:
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Fourier(images).images(), images, rtol=0, atol=1e-5)


def test_a_low_frequency_moves_pixels_more_than_a_high_one() -> None:
    moves = []
    for column in (1, 7):
        parametrisation = Fourier(torch.full((1, 3, 16, 16), 0.5))
        with torch.no_grad():
            parametrisation.parameters[0][0, 0, 0, column, 0] += 1
        moves.append(float((parametrisation.images() - 0.5).detach().abs().max()))
    # Amplitudes are in proportion to one over the frequency.
    assert moves[0] / moves[1] == pytest.approx(7, rel=1e-3)

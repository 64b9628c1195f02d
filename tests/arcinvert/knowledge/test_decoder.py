"""The decoder: without a residual it is the regression, and its codes vary about 1."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arcinvert.knowledge.decoder import START, FaceDecoder, Level, smoothed
from arcinvert.knowledge.face_pca import load_face_pca
from arcinvert.knowledge.regression import FaceRegression
from arcinvert.knowledge.whitening import Whitening, whitening_of
from tests.arcinvert.inversion.initialisation.knowledge import random_decoder
from tests.arcinvert.inversion.networks import DIM, templates


def untrained(regression: FaceRegression) -> FaceDecoder:
    whitening = whitening_of(templates(60))
    return FaceDecoder(regression, whitening, channels=(4, 4, 4)).requires_grad_(False)


def regression() -> FaceRegression:
    count = len(load_face_pca()[2])
    matrix = torch.randn(DIM, count, generator=torch.Generator().manual_seed(0)) / 4
    return FaceRegression(torch.full((DIM,), 0.1), torch.full((count,), 0.01), matrix, 16)


def test_without_training_it_is_the_regression_exactly() -> None:
    of_regression, decoder = regression(), untrained(regression())
    # Three levels make faces of 56 pixels, the side of the face PCA: nothing is resized.
    assert decoder.side == START * 8 == load_face_pca()[0].shape[-1]
    assert torch.equal(decoder.decoded(templates(3), 56), of_regression.faces(templates(3)))
    assert not torch.any(decoder.residual(decoder.codes(templates(3))))


def test_the_residual_is_added() -> None:
    decoder = random_decoder()
    base = decoder.base(decoder.base_coefficients(templates(2)), decoder.side)
    residual = decoder.residual(decoder.codes(templates(2)))
    assert residual.shape == (2, 3, START * 4, START * 4)
    torch.testing.assert_close(decoder(templates(2)), base + residual)


def test_codes_vary_about_one_and_are_those_of_every_level() -> None:
    known = F.normalize(torch.randn(500, DIM, generator=torch.Generator().manual_seed(1)) + 0.5)
    decoder = FaceDecoder(
        FaceRegression(torch.zeros(DIM), torch.zeros(1), torch.zeros(DIM, 1), 1),
        whitening_of(known),
        channels=(4, 4),
    )
    codes = decoder.codes(known)
    assert codes.shape == (500, 2, DIM)
    assert torch.equal(codes[:, 0], codes[:, 1])
    np.testing.assert_allclose(codes[:, 0].std(0).numpy(), np.ones(DIM), atol=0.2)


def test_an_image_has_no_pattern_of_single_pixels() -> None:
    lines = torch.arange(12)
    board = ((lines[:, None] + lines) % 2 * 2.0 - 1).expand(1, 3, -1, -1)
    inside = smoothed(board + 0.3)[..., 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.3))
    torch.testing.assert_close(smoothed(torch.full((1, 3, 12, 12), 0.3)), torch.full((1, 3, 12, 12), 0.3))


def test_a_level_is_its_formula() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        level = Level(DIM, 2, 5)
        maps, code = torch.randn(1, 2, 3, 3), torch.randn(1, DIM)
    factors, offsets = (level.modulation.weight @ code[0]).view(2, 2, 1, 1)
    convolved = F.conv2d(maps, level.convolution.weight, padding=1)
    found = (convolved * (1 + factors) + offsets)[0]
    inner = (maps[0] + torch.where(found > 0, found, 0.2 * found)) / 2**0.5
    enlarged = F.conv2d(inner[None], level.enlarge.weight, padding=1)[0]
    # Sub-pixel convolution: channel 4 c + 2 i + j is the pixel (i, j) of each square of channel c.
    expected = torch.empty(5, 6, 6)
    for channel in range(5):
        for row in range(2):
            for column in range(2):
                expected[channel, row::2, column::2] = enlarged[4 * channel + 2 * row + column]
    torch.testing.assert_close(level(maps, code)[0], torch.where(expected > 0, expected, 0.2 * expected))


def test_a_template_is_decoded_by_itself() -> None:
    decoder = random_decoder()
    together = decoder.decoded(templates(3), 20)
    assert together.shape == (3, 3, 20, 20)
    assert float(together.min()) >= 0
    assert float(together.max()) <= 1
    torch.testing.assert_close(together[1:2], decoder.decoded(templates(3)[1:2], 20))


def test_a_copy_has_another_type() -> None:
    decoder = random_decoder()
    assert decoder.like(torch.zeros(1)) is decoder
    wide = decoder.like(torch.zeros(1, dtype=torch.float64))
    assert wide.residual(wide.codes(templates(1).double())).dtype == torch.float64
    assert decoder.template.dtype == torch.float32


@pytest.mark.parametrize("channels", [(), (0,), (4,) * 7, (5000,)])
def test_impossible_channels_are_refused(channels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="channels"):
        FaceDecoder(regression(), whitening_of(templates(60)), channels=channels)


def test_a_whitening_of_other_templates_is_refused() -> None:
    with pytest.raises(ValueError, match="whitening"):
        FaceDecoder(regression(), Whitening(torch.zeros(3), torch.zeros(3, 3)), channels=(4,))

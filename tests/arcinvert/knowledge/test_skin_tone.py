"""Skin tone: colours, their prediction from templates, and what an image becomes."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, pca_coefficients_of
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS, NearestNeighbours
from arcinvert.knowledge.skin_tone import SPREAD, SkinTone, cheek_colours, to_linear, to_srgb

#: Faces that are darker in one direction of the templates, lighter in the other.
FACES, DIM = 200, 8


@pytest.fixture(scope="module")
def tones() -> tuple[SkinTone, Tensor]:
    """Public faces whose brightness follows the first coordinate of their templates, and the brightness."""
    generator = torch.Generator().manual_seed(0)
    templates = F.normalize(torch.randn(FACES, DIM, generator=generator), dim=1)
    brightness = 0.7 + 0.3 * templates[:, 0]
    mean = faces_of(torch.zeros(1, COEFFICIENTS))
    coefficients = pca_coefficients_of(mean * brightness[:, None, None, None], COEFFICIENTS)
    return SkinTone(NearestNeighbours(templates.half(), coefficients.half())), brightness


def luminance(colours: Tensor) -> Tensor:
    return colours @ torch.tensor([0.2126, 0.7152, 0.0722])


def test_linear_light_of_srgb() -> None:
    # Published values: half of the range is 21.4 % of the light; the dark part is a straight line.
    torch.testing.assert_close(
        to_linear(torch.tensor([0.0, 0.02, 0.5, 1.0])), torch.tensor([0, 0.0015480, 0.2140411, 1])
    )
    values = torch.linspace(0, 1, 256)
    torch.testing.assert_close(to_srgb(to_linear(values)), values, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [56, 112, 160])
def test_the_colour_of_cheeks_is_that_of_the_cheeks_alone(size: int) -> None:
    image = torch.rand(1, 3, size, size)
    scale = size / 112
    for left in (34, 65):
        image[:, :, int(66 * scale) : int(84 * scale), int((left - 2) * scale) : int((left + 15) * scale)] = (
            torch.tensor([0.8, 0.5, 0.4])[None, :, None, None]
        )
    torch.testing.assert_close(cheek_colours(image), to_linear(torch.tensor([[0.8, 0.5, 0.4]])))


def test_colours_follow_the_templates(tones: tuple[SkinTone, Tensor]) -> None:
    tone, _ = tones
    dark, middle, light = (
        F.normalize(torch.tensor([[first] + [0.3] * 7]), dim=1) for first in (-3.0, 0.0, 3.0)
    )
    values = [float(luminance(tone.colours(one))) for one in (dark, middle, light)]
    assert values[0] < values[1] < values[2]
    # Predictions for other people are enlarged to vary as people do.
    others = F.normalize(torch.randn(400, DIM, generator=torch.Generator().manual_seed(5)), dim=1)
    spread = luminance(tone.colours(others)).log().std()
    assert float(spread / SPREAD) == pytest.approx(1, abs=0.15)
    assert tone.gain > 1


def test_an_image_gets_the_predicted_colour(tones: tuple[SkinTone, Tensor]) -> None:
    tone, _ = tones
    templates = tone.neighbours.templates[:4].float()
    images = torch.tensor([0.55, 0.42, 0.33])[None, :, None, None].expand(4, 3, 112, 112)
    changed = tone.apply(images, templates)
    assert changed.shape == images.shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    torch.testing.assert_close(cheek_colours(changed), tone.colours(templates), rtol=1e-3, atol=1e-4)


def test_details_stay_under_another_tone(tones: tuple[SkinTone, Tensor]) -> None:
    tone, _ = tones
    image = 0.4 + 0.2 * torch.rand(1, 1, 112, 112, generator=torch.Generator().manual_seed(1)).expand(
        1, 3, -1, -1
    )
    changed = tone.apply(image, tone.neighbours.templates[:1].float())
    part = (slice(0, 1), slice(1, 2), slice(60, 76), slice(48, 64))
    # Multiplied in linear light by one factor.
    ratio = to_linear(changed[part]) / to_linear(image[part])
    assert float(ratio.std() / ratio.mean()) < 1e-4


def test_neighbours_without_itself() -> None:
    templates = F.normalize(torch.randn(30, 4, generator=torch.Generator().manual_seed(2)), dim=1)
    neighbours = NearestNeighbours(templates, torch.zeros(30, COEFFICIENTS))
    indices, weights = neighbours.nearest(templates, 5, whiten=False, without_itself=True)
    assert indices.shape == weights.shape == (30, 5)
    assert not (indices == torch.arange(30)[:, None]).any()
    cosines = (templates @ templates.T).fill_diagonal_(-2)
    assert torch.equal(indices, cosines.topk(5).indices)
    torch.testing.assert_close(weights, F.softmax(cosines.topk(5).values / 0.1, dim=1))

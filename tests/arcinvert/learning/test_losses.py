"""The losses of a decoder, computed again by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from arcinvert.learning.losses import REDUCTIONS, FeatureLoss, feature_modules, identity_loss, pixel_loss
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.learning.trainings import SIZE, network


def pictures(seed: int, batch: int = 2, size: int = SIZE) -> torch.Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_the_loss_of_pixels_adds_differences_of_smaller_pictures() -> None:
    one, other = pictures(0), pictures(1)
    difference = (one - other).double().numpy()
    expected = np.zeros(2)
    for factor in REDUCTIONS:
        cells = difference.reshape(2, 3, SIZE // factor, factor, SIZE // factor, factor).mean((3, 5))
        expected += np.abs(cells).mean((1, 2, 3))
    np.testing.assert_allclose(pixel_loss(one, other).numpy(), expected, rtol=1e-5)
    # A shift of the whole picture counts at each resolution, a checkerboard at the finest alone.
    assert pixel_loss(one, one + 0.1).tolist() == pytest.approx([0.3, 0.3], rel=1e-4)
    board = torch.ones(SIZE, SIZE)
    board[::2, ::2] = board[1::2, 1::2] = -1
    assert pixel_loss(one, one + 0.1 * board).tolist() == pytest.approx([0.1, 0.1], rel=1e-4)


def test_small_pictures_have_fewer_resolutions() -> None:
    one = pictures(0, size=8)
    assert pixel_loss(one, one + 0.1).tolist() == pytest.approx([0.2, 0.2], rel=1e-4)


def test_the_loss_of_identity_is_one_less_the_cosine() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert identity_loss(rows, torch.tensor([[0.0, 1.0], [0.6, 0.8]])).tolist() == pytest.approx([1.0, 0.0])


def test_features_are_compared_in_units_of_their_spread() -> None:
    recogniser = network()
    measured, one, other = pictures(0, 6), pictures(1), pictures(2)
    loss = FeatureLoss(recogniser, measured)
    maps = []
    for images in (one, other):
        with torch.no_grad(), loss.collected() as features:
            recogniser(images)
        maps.append(features)
    first, last = recogniser.backbone[0], recogniser.backbone[2]
    prelu = recogniser.backbone[1]

    @torch.no_grad()
    def by_hand(images: torch.Tensor) -> torch.Tensor:
        return last(prelu(first(recogniser.preprocessing(images))))

    spread = by_hand(measured).permute(1, 0, 2, 3).flatten(1).numpy().std(1)
    difference = (by_hand(one) - by_hand(other)).numpy() / spread[:, None, None]
    np.testing.assert_allclose(loss(*maps).numpy(), np.square(difference).mean((1, 2, 3)), rtol=1e-4)
    assert loss(maps[0], maps[0]).tolist() == [0.0, 0.0]


def test_nothing_stays_attached() -> None:
    recogniser = network()
    loss = FeatureLoss(recogniser, pictures(0))
    with pytest.raises(KeyboardInterrupt), loss.collected():
        raise KeyboardInterrupt
    assert not any(module._forward_hooks for module in recogniser.modules())


def test_the_last_convolution_of_each_side_counts() -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 2, 3, padding=1),
        nn.Conv2d(2, 2, 3, stride=4, padding=1),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.Conv2d(2, 2, 3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    recogniser = Recogniser(layers, name="deep", preprocessing=Preprocessing(input_size=SIZE)).freeze()
    # Of 16 pixels: not the map of 16, and the later of the two of 4; that of 2 lies between 1 and 4 too.
    assert feature_modules(recogniser, pictures(0)) == [layers[2], layers[3]]


def test_a_network_without_maps_has_no_features() -> None:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 3))
    recogniser = Recogniser(layers, name="flat", preprocessing=Preprocessing(input_size=SIZE)).freeze()
    assert float(FeatureLoss(recogniser, pictures(0))([], [])) == 0

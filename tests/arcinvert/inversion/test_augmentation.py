"""Random views: bounded, exact where they can be, drawn from their own generator."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from arcinvert.inversion.augmentation import FeatureDropout, RandomAugmentation


def view(
    seed: int = 0, *, flip: bool = False, shift: float = 0, scale: float = 0.0, wrap: bool = False
) -> RandomAugmentation:
    generator = torch.Generator().manual_seed(seed)
    return RandomAugmentation(flip=flip, shift=shift, scale=scale, wrap=wrap, generator=generator)


def some_images(batch: int = 8, size: int = 11) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(9))


def marker(batch: int, size: int = 11, row: int = 5, column: int = 5) -> Tensor:
    images = torch.zeros(batch, 3, size, size)
    images[:, :, row, column] = 1
    return images


def ramps(batch: int, size: int) -> Tensor:
    """Channel 0 is each pixel's column, channel 1 its row, both from the picture's middle, pixels."""
    places = torch.arange(size) - (size - 1) / 2
    picture = torch.stack(
        [places.expand(size, size), places[:, None].expand(size, size), torch.zeros(size, size)]
    )
    return picture.expand(batch, 3, size, size).clone()


@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_the_same_seed_gives_the_same_views(scale: float) -> None:
    images = some_images()
    first, second = (view(3, flip=True, shift=2, scale=scale) for _ in range(2))
    for _ in range(3):
        assert torch.equal(first(images), second(images))
    assert not torch.equal(view(3, flip=True, shift=2, scale=scale)(images), first(images))
    assert not torch.equal(
        view(3, flip=True, shift=2, scale=scale)(images), view(4, flip=True, shift=2, scale=scale)(images)
    )


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    view(1, flip=True, shift=2, scale=0.1)(some_images())
    assert torch.equal(torch.rand(3), expected)


def test_nothing_set_is_the_identity() -> None:
    images = some_images()
    assert torch.equal(view()(images), images)


def test_flips_are_exact_mirror_images() -> None:
    images = some_images(64)
    views = view(flip=True)(images)
    mirrored = [torch.equal(seen, image.flip(-1)) for seen, image in zip(views, images, strict=True)]
    kept = [torch.equal(seen, image) for seen, image in zip(views, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_shifts_are_whole_pixels_and_bounded(shift: int) -> None:
    views = view(shift=shift)(marker(256))
    assert set(views.unique().tolist()) == {0.0, 1.0}
    _, rows, columns = torch.nonzero(views[:, 0], as_tuple=True)
    assert len(rows) == 256
    moves = set(range(-shift, shift + 1))
    assert set((rows - 5).tolist()) == moves
    assert set((columns - 5).tolist()) == moves


def test_shifted_in_pixels_repeat_the_border() -> None:
    images = some_images(64)
    views = view(shift=2)(images)
    for seen, image in zip(views, images, strict=True):
        padded = torch.nn.functional.pad(image[None], [2] * 4, mode="replicate")[0]
        windows = [padded[:, y : y + 11, x : x + 11] for y in range(5) for x in range(5)]
        assert any(torch.equal(seen, window) for window in windows)


@pytest.mark.parametrize("shift", [0.4, 1.5, 2.7])
def test_a_fraction_of_a_pixel_keeps_the_size_and_the_bound(shift: float) -> None:
    views = view(shift=shift)(marker(256))
    assert views.shape == (256, 3, 11, 11)
    _, rows, columns = torch.nonzero(views[:, 0], as_tuple=True)
    assert len(rows) == 256
    assert int((rows - 5).abs().max()) <= shift + 0.5
    assert int((columns - 5).abs().max()) <= shift + 0.5


@pytest.mark.parametrize(("flip", "shift", "scale"), [(False, 0, 0.1), (True, 0, 0.1), (True, 2, 0.2)])
def test_scaled_views_stay_within_their_bounds(flip: bool, shift: float, scale: float) -> None:
    size, batch = 33, 64
    views = view(flip=flip, shift=shift, scale=scale)(ramps(batch, size))
    middle = size // 2
    # A view of a ramp is a ramp: its slope is the reciprocal size, its middle the shift.
    right = views[:, 0, middle, middle + 1] - views[:, 0, middle, middle]
    down = views[:, 1, middle + 1, middle] - views[:, 1, middle, middle]
    torch.testing.assert_close(right.abs(), down, rtol=1e-4, atol=1e-4)
    factors = 1 / down
    assert float(factors.min()) >= 1 - scale - 1e-3
    assert float(factors.max()) <= 1 + scale + 1e-3
    assert float(factors.max() - factors.min()) > scale
    assert 0 < int((right < 0).sum()) < batch or not flip
    assert bool((right > 0).all()) or flip
    moved = views[:, :2, middle, middle]
    assert float(moved.abs().max()) <= shift + 1e-4
    assert float(moved.abs().max()) > shift / 2 or shift == 0


def test_scaled_views_show_nothing_but_the_picture() -> None:
    views = view(flip=True, shift=2, scale=0.2)(torch.full((8, 3, 12, 12), 0.7))
    torch.testing.assert_close(views, torch.full((8, 3, 12, 12), 0.7))


def test_wrapped_views_are_rolls() -> None:
    images = some_images(64)
    moves = set()
    for seen, image in zip(view(shift=5, wrap=True)(images), images, strict=True):
        (move,) = (
            (down, right)
            for down in range(-5, 6)
            for right in range(-5, 6)
            if torch.equal(seen, torch.roll(image, (down, right), (1, 2)))
        )
        moves.add(move)
    assert {down for down, _ in moves} == {right for _, right in moves} == set(range(-5, 6))


def test_wrapped_views_of_another_size_show_the_other_side() -> None:
    # A picture repeated three times over, and the middle of its view: the same as the view that wraps.
    images = some_images(1, 24)
    tiled = images.repeat(1, 1, 3, 3)
    seen, middle = view(3, shift=6, scale=0.2, wrap=True)(images), view(3, shift=6, scale=0.2)(tiled)
    # The shift is in pixels of either picture; what scales about the middle agrees there.
    torch.testing.assert_close(seen[..., 8:16, 8:16], middle[..., 32:40, 32:40], rtol=0, atol=1e-5)
    # Off the seams, where it reads half a pixel short, so does the rest.
    near = (seen - middle[..., 24:48, 24:48]).abs().amax((0, 1)) < 1e-4
    assert float(near.float().mean()) > 0.8


@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_gradients(scale: float) -> None:
    images = torch.rand(2, 1, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def seen(given: Tensor) -> Tensor:
        return view(7, flip=True, shift=1, scale=scale)(given)

    assert torch.autograd.gradcheck(seen, (images.requires_grad_(),))


class Sums(nn.Module):
    """A convolution, and a linear layer of ones whose output is the sum of its input."""

    def __init__(self, features: int = 4000) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 1)
        self.last = nn.Linear(features, 1, bias=False)
        nn.init.ones_(self.last.weight)

    def forward(self, features: Tensor) -> Tensor:
        return self.last(features)


def hidden_sum(share: float, seed: int = 0) -> float:
    network, features = Sums(), torch.ones(1, 4000, requires_grad=True)
    with FeatureDropout(share, torch.Generator().manual_seed(seed)).hiding(network):
        return network(features).item()


def test_dropout_hides_its_share_and_keeps_the_expected_sum() -> None:
    # 4,000 kept with probability 0.6, each worth 1 / 0.6: standard deviation 52.
    sums = [hidden_sum(0.4, seed) for seed in range(5)]
    assert all(abs(value - 4000) < 4 * 52 for value in sums)
    assert len(set(sums)) > 1
    kept = np.array(sums) * 0.6
    np.testing.assert_allclose(kept, kept.round(), atol=1e-2)


def test_dropout_is_seeded_ends_with_its_context_and_spares_passes_without_gradients() -> None:
    assert hidden_sum(0.4, seed=3) == hidden_sum(0.4, seed=3)
    assert hidden_sum(0.0) == 4000
    network, features = Sums(), torch.ones(1, 4000)
    with FeatureDropout(0.5, torch.Generator()).hiding(network), torch.no_grad():
        assert network(features).item() == 4000
    assert network(features).item() == 4000


def test_dropout_hides_gradients_where_it_hides_features() -> None:
    network, features = Sums(), torch.ones(1, 4000, requires_grad=True)
    with FeatureDropout(0.25, torch.Generator().manual_seed(0)).hiding(network):
        network(features).backward()
    assert features.grad is not None
    assert features.grad.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert (features.grad == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)

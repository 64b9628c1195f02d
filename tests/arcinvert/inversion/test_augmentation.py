"""Augmentation: bounded, exact where it can be, drawn from its own generator on the CPU."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from arcinvert.inversion.augmentation import Augmentation
from tests.arcinvert.inversion.networks import hooked_modules


def augmentation(
    seed: int = 0, *, flip: bool = False, shift: float = 0, scale: float = 0.0, wrap: bool = False
) -> Augmentation:
    generator = torch.Generator().manual_seed(seed)
    return Augmentation(flip=flip, shift=shift, scale=scale, wrap=wrap, generator=generator)


def some_images(batch: int = 8, size: int = 11) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(9))


def marker(batch: int, size: int = 11, row: int = 5, column: int = 5) -> Tensor:
    images = torch.zeros(batch, 3, size, size)
    images[:, :, row, column] = 1
    return images


def ramps(batch: int, size: int) -> Tensor:
    """Return images whose channel 0 is each pixel's column, channel 1 its row, in pixels from the centre."""
    positions = torch.arange(size) - (size - 1) / 2
    image = torch.stack(
        [positions.expand(size, size), positions[:, None].expand(size, size), torch.zeros(size, size)]
    )
    return image.expand(batch, 3, size, size).clone()


@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_the_same_seed_gives_the_same_images(scale: float) -> None:
    images = some_images()
    first, second = (augmentation(3, flip=True, shift=2, scale=scale) for _ in range(2))
    for _ in range(3):
        assert torch.equal(first(images), second(images))
    assert not torch.equal(augmentation(3, flip=True, shift=2, scale=scale)(images), first(images))
    assert not torch.equal(
        augmentation(3, flip=True, shift=2, scale=scale)(images),
        augmentation(4, flip=True, shift=2, scale=scale)(images),
    )


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    augmentation(1, flip=True, shift=2, scale=0.1)(some_images())
    assert torch.equal(torch.rand(3), expected)


def test_no_augmentation_is_the_identity() -> None:
    images = some_images()
    assert torch.equal(augmentation()(images), images)


def test_flips_are_exact_mirror_images() -> None:
    images = some_images(64)
    augmented = augmentation(flip=True)(images)
    mirrored = [torch.equal(seen, image.flip(-1)) for seen, image in zip(augmented, images, strict=True)]
    kept = [torch.equal(seen, image) for seen, image in zip(augmented, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_shifts_are_whole_pixels_and_bounded(shift: int) -> None:
    augmented = augmentation(shift=shift)(marker(256))
    assert set(augmented.unique().tolist()) == {0.0, 1.0}
    _, rows, columns = torch.nonzero(augmented[:, 0], as_tuple=True)
    assert len(rows) == 256
    moves = set(range(-shift, shift + 1))
    assert set((rows - 5).tolist()) == moves
    assert set((columns - 5).tolist()) == moves


def test_shifts_repeat_the_border() -> None:
    images = some_images(64)
    augmented = augmentation(shift=2)(images)
    for seen, image in zip(augmented, images, strict=True):
        padded = torch.nn.functional.pad(image[None], [2] * 4, mode="replicate")[0]
        windows = [padded[:, y : y + 11, x : x + 11] for y in range(5) for x in range(5)]
        assert any(torch.equal(seen, window) for window in windows)


@pytest.mark.parametrize("shift", [0.4, 1.5, 2.7])
def test_a_fractional_shift_keeps_the_size_and_the_bound(shift: float) -> None:
    augmented = augmentation(shift=shift)(marker(256))
    assert augmented.shape == (256, 3, 11, 11)
    _, rows, columns = torch.nonzero(augmented[:, 0], as_tuple=True)
    assert len(rows) == 256
    assert int((rows - 5).abs().max()) <= shift + 0.5
    assert int((columns - 5).abs().max()) <= shift + 0.5


@pytest.mark.parametrize(("flip", "shift", "scale"), [(False, 0, 0.1), (True, 0, 0.1), (True, 2, 0.2)])
def test_changes_of_size_are_bounded(flip: bool, shift: float, scale: float) -> None:
    size, batch = 33, 64
    augmented = augmentation(flip=flip, shift=shift, scale=scale)(ramps(batch, size))
    middle = size // 2
    # A scaled ramp is a ramp: its slope is the reciprocal of the size, its value at the centre the shift.
    right = augmented[:, 0, middle, middle + 1] - augmented[:, 0, middle, middle]
    down = augmented[:, 1, middle + 1, middle] - augmented[:, 1, middle, middle]
    torch.testing.assert_close(right.abs(), down, rtol=1e-4, atol=1e-4)
    factors = 1 / down
    assert float(factors.min()) >= 1 - scale - 1e-3
    assert float(factors.max()) <= 1 + scale + 1e-3
    assert float(factors.max() - factors.min()) > scale
    assert 0 < int((right < 0).sum()) < batch or not flip
    assert bool((right > 0).all()) or flip
    moved = augmented[:, :2, middle, middle]
    assert float(moved.abs().max()) <= shift + 1e-4
    assert float(moved.abs().max()) > shift / 2 or shift == 0


def test_a_change_of_size_shows_nothing_but_the_image() -> None:
    augmented = augmentation(flip=True, shift=2, scale=0.2)(torch.full((8, 3, 12, 12), 0.7))
    torch.testing.assert_close(augmented, torch.full((8, 3, 12, 12), 0.7))


def test_wrapped_shifts_are_rolls() -> None:
    images = some_images(64)
    moves = set()
    for seen, image in zip(augmentation(shift=5, wrap=True)(images), images, strict=True):
        (move,) = (
            (down, right)
            for down in range(-5, 6)
            for right in range(-5, 6)
            if torch.equal(seen, torch.roll(image, (down, right), (1, 2)))
        )
        moves.add(move)
    assert {down for down, _ in moves} == {right for _, right in moves} == set(range(-5, 6))


def test_wrapped_images_of_another_size_show_the_other_side() -> None:
    # Wrapping is the same as augmenting the image tiled three by three, and looking at its centre.
    images = some_images(1, 24)
    tiled = images.repeat(1, 1, 3, 3)
    seen, middle = (
        augmentation(3, shift=6, scale=0.2, wrap=True)(images),
        augmentation(3, shift=6, scale=0.2)(tiled),
    )
    # Both shift by the same pixels and scale about the centre, so they agree there.
    torch.testing.assert_close(seen[..., 8:16, 8:16], middle[..., 32:40, 32:40], rtol=0, atol=1e-5)
    # The rest agrees but for the seams, where sampling reads half a pixel short.
    near = (seen - middle[..., 24:48, 24:48]).abs().amax((0, 1)) < 1e-4
    assert float(near.float().mean()) > 0.8


@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_gradients(scale: float) -> None:
    images = torch.rand(2, 1, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def seen(given: Tensor) -> Tensor:
        return augmentation(7, flip=True, shift=1, scale=scale)(given)

    assert torch.autograd.gradcheck(seen, (images.requires_grad_(),))


@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_random_numbers_do_not_depend_on_the_device(scale: float) -> None:
    """The meta device stands for any other than the CPU."""
    states = []
    for device in ("cpu", "meta"):
        generator = torch.Generator().manual_seed(2)
        augment = Augmentation(flip=True, shift=2, scale=scale, feature_dropout=0.5, generator=generator)
        network = Sums(3 * 11 * 11).to(device)
        with augment.attached(network):
            network(augment(some_images().to(device).requires_grad_()).flatten(1))
        states.append(generator.get_state())
    assert torch.equal(*states)
    assert not torch.equal(states[0], torch.Generator().manual_seed(2).get_state())


class Sums(nn.Module):
    """A convolution that is not used, and a linear layer of ones whose output is the sum of its input."""

    def __init__(self, features: int = 4000) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 1)
        self.last = nn.Linear(features, 1, bias=False)
        nn.init.ones_(self.last.weight)

    def forward(self, features: Tensor) -> Tensor:
        return self.last(features)


def dropout(fraction: float, seed: int = 0) -> Augmentation:
    return Augmentation(feature_dropout=fraction, generator=torch.Generator().manual_seed(seed))


def sum_of_ones(fraction: float, seed: int = 0) -> float:
    """Return the sum of 4,000 features of one, some of them dropped."""
    network, features = Sums(), torch.ones(1, 4000, requires_grad=True)
    with dropout(fraction, seed).attached(network):
        return network(features).item()


def test_dropout_drops_its_fraction_and_keeps_the_expected_sum() -> None:
    # 4,000 kept with probability 0.6, each worth 1 / 0.6: standard deviation 52.
    sums = [sum_of_ones(0.4, seed) for seed in range(5)]
    assert all(abs(value - 4000) < 4 * 52 for value in sums)
    assert len(set(sums)) > 1
    kept = np.array(sums) * 0.6
    np.testing.assert_allclose(kept, kept.round(), atol=1e-2)


def test_dropout_is_seeded_ends_with_its_context_and_spares_passes_without_gradients() -> None:
    assert sum_of_ones(0.4, seed=3) == sum_of_ones(0.4, seed=3)
    assert sum_of_ones(0.0) == 4000
    network, features = Sums(), torch.ones(1, 4000)
    with dropout(0.5).attached(network), torch.no_grad():
        assert network(features).item() == 4000
    assert network(features).item() == 4000
    assert hooked_modules(network) == []


def test_dropout_drops_gradients_where_it_drops_features() -> None:
    network, features = Sums(), torch.ones(1, 4000, requires_grad=True)
    with dropout(0.25).attached(network):
        network(features).backward()
    assert features.grad is not None
    assert features.grad.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert (features.grad == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_a_network_without_such_a_layer_has_nothing_to_drop() -> None:
    network = nn.Flatten()
    with dropout(0.5).attached(network):
        assert hooked_modules(network) == []
        assert network(torch.ones(1, 4, requires_grad=True)).sum().item() == 4

"""Image priors against loops over pixels, and their gradients."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from arcinvert.inversion.penalties.image import (
    colour_variation,
    image_norm,
    squared_norm,
    total_variation,
    variation_norm,
)
from numpy.typing import NDArray
from torch import Tensor

PRIORS: dict[str, Callable[[Tensor], Tensor]] = {
    "total_variation": total_variation,
    "colour_variation": colour_variation,
    "squared_norm": squared_norm,
    "variation_norm": variation_norm,
    "image_norm": image_norm,
}
#: Penalties of a batch as one.
OF_THE_BATCH = {"variation_norm"}


def some_images() -> Tensor:
    return torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def naive_variation(image: NDArray[np.float64]) -> float:
    """Mean over vertical neighbours plus mean over horizontal neighbours."""
    channels, height, width = image.shape
    down = [
        abs(image[c, y + 1, x] - image[c, y, x])
        for c in range(channels)
        for y in range(height - 1)
        for x in range(width)
    ]
    right = [
        abs(image[c, y, x + 1] - image[c, y, x])
        for c in range(channels)
        for y in range(height)
        for x in range(width - 1)
    ]
    return sum(down) / len(down) + sum(right) / len(right)


def naive_colours(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each channel less the mean of the three, pixel by pixel."""
    colours = image.copy()
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            colours[:, y, x] -= sum(image[:, y, x]) / 3
    return colours


def naive_norm(image: NDArray[np.float64]) -> float:
    return sum((value - 0.5) ** 2 for value in image.ravel()) / image.size


def naive_variation_norm(images: NDArray[np.float64]) -> float:
    """Norms of the differences to four neighbours, over all images at once; pixels from -1 to 1."""
    batch, channels, height, width = images.shape
    total = 0.0
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        squares = 0.0
        for b, c, y, x in np.ndindex(batch, channels, height, width):
            if y + down < height and 0 <= x + right < width:
                squares += (2 * (images[b, c, y + down, x + right] - images[b, c, y, x])) ** 2
        total += squares**0.5
    return total


def naive_image_norm(image: NDArray[np.float64]) -> float:
    return sum((2 * value - 1) ** 2 for value in image.ravel()) ** 0.5


def test_values_against_loops() -> None:
    images = some_images()
    arrays = images.numpy()
    assert total_variation(images).tolist() == pytest.approx([naive_variation(one) for one in arrays])
    assert colour_variation(images).tolist() == pytest.approx(
        [naive_variation(naive_colours(one)) for one in arrays]
    )
    assert squared_norm(images).tolist() == pytest.approx([naive_norm(one) for one in arrays])
    assert variation_norm(images).tolist() == pytest.approx([naive_variation_norm(arrays)] * 2)
    assert image_norm(images).tolist() == pytest.approx([naive_image_norm(one) for one in arrays])


def test_values_by_hand() -> None:
    # Columns 0, 1, 0, 1: no vertical difference, every horizontal one is 1.
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 3, 4, 4)
    assert total_variation(stripes).tolist() == [1.0]
    assert squared_norm(stripes).tolist() == [0.25]
    # In -1..1: 48 values of +-1; differences of 2, 36 to the right and 27 along each diagonal.
    assert image_norm(stripes).tolist() == pytest.approx([48**0.5])
    assert variation_norm(stripes).tolist() == pytest.approx([2 * (36**0.5 + 2 * 27**0.5)])
    # Without colour, and in red alone: there the channels differ from their mean by 2/3, 1/3 and 1/3.
    assert colour_variation(stripes).tolist() == pytest.approx([0.0], abs=1e-6)
    red = stripes * torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    assert colour_variation(red).tolist() == pytest.approx([4 / 9])


@pytest.mark.parametrize("name", PRIORS)
def test_flat_grey_costs_nothing(name: str) -> None:
    grey = torch.full((2, 3, 6, 6), 0.5, requires_grad=True)
    penalties = PRIORS[name](grey)
    assert penalties.tolist() == [0.0, 0.0]
    penalties.sum().backward()  # type: ignore[no-untyped-call]
    # A norm has no derivative at nothing; it must not become a picture of NaN.
    assert grey.grad is not None
    assert bool(grey.grad.isfinite().all())


@pytest.mark.parametrize("name", sorted(set(PRIORS) - OF_THE_BATCH))
def test_penalties_are_per_image(name: str) -> None:
    images = some_images()
    together = PRIORS[name](images)
    assert together.shape == (2,)
    torch.testing.assert_close(together, torch.cat([PRIORS[name](one[None]) for one in images]))


@pytest.mark.parametrize("name", PRIORS)
def test_gradients(name: str) -> None:
    # Random neighbours differ by far more than gradcheck's step, so absolute values are smooth here.
    assert torch.autograd.gradcheck(PRIORS[name], (some_images().requires_grad_(),))

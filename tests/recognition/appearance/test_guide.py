"""The guide: its file, its symmetry, and the one that is shipped."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from recognition.appearance.guide import (
    Guide,
    Labels,
    bundled_guide,
    load_guide,
    luminance,
    mirrored_labels,
    save_guide,
)
from recognition.bundled import guide_path
from recognition.errors import InputError


def some_labels() -> Labels:
    values = torch.arange(1010, dtype=torch.float32).reshape(202, 5)
    return Labels.of(values)


def some_images(count: int = 3, side: int = 112) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def small_guide() -> Guide:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Guide(some_labels()).eval().requires_grad_(False)


def test_labels_are_quantiles_and_standard_deviations() -> None:
    values = torch.zeros(101, 5)
    values[:, 3] = torch.arange(101.0).flip(0)
    labels = Labels.of(values)
    assert labels.quantile("mouth", 0.25) == 25
    assert labels.quantile("mouth", 1.0) == 100
    # The standard deviation of n whole numbers with n - 1 degrees of freedom is sqrt(n (n + 1) / 12).
    assert labels.normalised("mouth", 60.0) == pytest.approx(10 / (101 * 102 / 12) ** 0.5)


def test_mirror_images_have_the_opposite_yaw_and_nothing_else() -> None:
    guide, images = small_guide(), some_images()
    found, mirrored = guide.symmetric(images), guide.symmetric(images.flip(-1))
    torch.testing.assert_close(mirrored, mirrored_labels(found))
    torch.testing.assert_close(mirrored_labels(torch.ones(1, 5)), torch.tensor([[-1.0, 1, 1, 1, 1]]))


def test_brightness_does_not_count_and_contrast_hardly() -> None:
    guide, images = small_guide(), some_images()
    torch.testing.assert_close(guide(images * 0.5 + 0.25), guide(images), atol=0.02, rtol=0)


def test_other_sizes_are_resized() -> None:
    pictures = some_images(2, 56)
    torch.testing.assert_close(
        luminance(pictures), (pictures * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)[:, None]
    )
    # Each pixel twice in both directions: the mean of four is the pixel.
    large = pictures.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(luminance(large), luminance(pictures))


def test_values_are_in_their_own_units() -> None:
    guide, images = small_guide(), some_images()
    labels = guide.labels
    torch.testing.assert_close(guide.values(images), guide.symmetric(images) * labels.deviation + labels.mean)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    guide, path = small_guide(), tmp_path / "guide.safetensors"
    save_guide(path, guide, "nothing")
    again = load_guide(path)
    torch.testing.assert_close(again(some_images()), guide(some_images()), atol=2e-3, rtol=0)
    torch.testing.assert_close(again.labels.quantiles, guide.labels.quantiles)
    assert not any(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"weight": torch.zeros(2)}, {}, "expected a guide of 'python -m recognition train-guide'"),
        ({"labels.mean": torch.zeros(5)}, {"format": "arcinvert-guide-1"}, "damaged guide"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], message: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=message):
        load_guide(path)


def test_the_shipped_guide_is_small_and_sees_a_turned_head() -> None:
    assert guide_path().stat().st_size < 1_000_000
    guide = bundled_guide()
    images = some_images(2).requires_grad_()
    guide.symmetric(images)[:, 0].sum().backward()
    assert images.grad is not None
    assert bool(images.grad.isfinite().all())
    labels = guide.labels
    # Mirror images were counted, so that faces look straight ahead on average.
    assert float(labels.mean[0]) == pytest.approx(0, abs=1e-3)
    assert bool((labels.quantiles.diff(dim=1) >= 0).all())

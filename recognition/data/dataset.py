"""The dataset that training reads: aligned crops with class indices, augmented reproducibly."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from recognition.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import read_image, to_tensor


def augmentation() -> v2.Transform:
    """The training augmentation, on float CHW images in [0, 1]."""
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(8, (0.05, 0.05), (0.92, 1.08), interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(0.3, 0.3, 0.3),
            v2.RandomGrayscale(0.05),
            v2.RandomErasing(0.3, (0.02, 0.2)),
        ]
    )


def read_aligned(path: Path) -> Tensor:
    """One aligned crop as (3, 112, 112) float in [0, 1].

    Raises:
        InputError: the image has another size.
    """
    image = read_image(path)
    if image.shape[:2] != (ALIGNED_SIZE, ALIGNED_SIZE):
        raise InputError(
            f"{path}: expected an aligned {ALIGNED_SIZE}x{ALIGNED_SIZE} crop, got "
            f"{image.shape[1]}x{image.shape[0]}; run 'python -m recognition align' first"
        )
    return to_tensor(image)


class AlignedFaces(Dataset[tuple[Tensor, int]]):
    """Aligned crops and labels.

    Args:
        samples: file and class index.
        seed: of the augmentation; None leaves images as they are. An item depends only on the
            seed, the epoch and its index, so that a resumed training sees the same images.
    """

    def __init__(self, samples: Sequence[tuple[Path, int]], *, seed: int | None = None) -> None:
        self.samples = list(samples)
        self.seed = seed
        self.epoch = 0
        self._augment = augmentation()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.samples[index]
        image = read_aligned(path)
        if self.seed is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(self.seed, self.epoch, index))
                image = self._augment(image)
        return image, label


def labelled(identities: dict[str, list[Path]]) -> list[tuple[Path, int]]:
    """Files with the index of their identity in the sorted names."""
    return [(path, label) for label, name in enumerate(sorted(identities)) for path in identities[name]]


def derive_seed(*parts: int | str) -> int:
    """A seed, 0 to 2**63 - 1, that any change of a part makes another."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    # Below 2**63: torch takes a signed seed.
    return int.from_bytes(digest, "little") >> 1

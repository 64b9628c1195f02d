"""The dataset that training reads: aligned crops with class indices, augmented reproducibly."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import read_image, to_tensor
from recognition.options import Augmentation
from recognition.seeds import derive_seed


def augmentation(kind: Augmentation = "full") -> v2.Transform:
    """The training augmentation, on float CHW images in [0, 1].

    Args:
        kind: `flip` is the ArcFace papers'; `full` adds what a small data set needs.
    """
    if kind == "flip":
        return v2.RandomHorizontalFlip()
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
        samples: key (the file, of folders) and class index.
        seed: of the augmentation; None leaves images as they are. An item depends only on the
            seed, the epoch and its index, so that a resumed training sees the same images.
        read: a key to its image; files by default.
        augment: the kind of augmentation.
        keep: whether to keep decoded images in memory, 37 kB each, and never read them again.
    """

    def __init__(
        self,
        samples: Sequence[tuple[Path, int]],
        *,
        seed: int | None = None,
        read: Callable[[Path], Tensor] = read_aligned,
        augment: Augmentation = "full",
        keep: bool = False,
    ) -> None:
        self.samples = list(samples)
        self.seed = seed
        self.epoch = 0
        self._read = read
        self._kept: dict[int, Tensor] | None = {} if keep else None
        self._augment = augmentation(augment)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        label = self.samples[index][1]
        image = self._image(index)
        if self.seed is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(self.seed, self.epoch, index))
                image = self._augment(image)
        return image, label

    def _image(self, index: int) -> Tensor:
        path = self.samples[index][0]
        if self._kept is None:
            return self._read(path)
        if index not in self._kept:
            self._kept[index] = (self._read(path) * 255).round().to(torch.uint8)
        return self._kept[index].float() / 255


def labelled(identities: dict[str, list[Path]]) -> list[tuple[Path, int]]:
    """Files with the index of their identity in the sorted names."""
    return [(path, label) for label, name in enumerate(sorted(identities)) for path in identities[name]]


def epoch_order(
    labels: NDArray[np.integer], *, seed: int, epoch: int, images_per_identity: int = 0
) -> NDArray[np.int64]:
    """In which order an epoch sees the images, each once.

    Args:
        labels: (images,), class indices.
        images_per_identity: keeps so many images of one identity, as far as it has them, together, so
            that batches have pairs; 0 shuffles them all.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(labels))
    if images_per_identity < 2:
        return order
    # A stable sort by label keeps each identity's images in random order.
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    group = np.cumsum(place % images_per_identity == 0) - 1
    shuffled = generator.permutation(group[-1] + 1)
    return order[np.argsort(shuffled[group], kind="stable")]

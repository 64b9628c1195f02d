"""The dataset that training reads: aligned crops with class indices, augmented reproducibly."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from recognition.data.faces import read_face
from recognition.images import to_tensor
from recognition.options import Augmentation
from recognition.seeds import derive_seed


def augmentation(kind: Augmentation = "full") -> v2.Transform:
    """Return the training augmentation of float CHW images in [0, 1].

    Args:
        kind: `flip` mirrors half of the images, as the ArcFace papers do; `mild` adds small changes of
            position, size and colour, which leave a teacher's embedding valid; `full` adds larger ones and
            erased areas, which a small data set needs.
    """
    if kind == "flip":
        return v2.RandomHorizontalFlip()
    if kind == "mild":
        return v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomAffine(5, (0.03, 0.03), (0.95, 1.05), interpolation=v2.InterpolationMode.BILINEAR),
                v2.ColorJitter(0.2, 0.2, 0.2),
            ]
        )
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
    """Return an aligned crop as a float tensor of shape (3, 112, 112) in [0, 1].

    Raises:
        InputError: If the file is not an image or has another size.
    """
    return to_tensor(read_face(path, aligned=True))


class AlignedFaces(Dataset[tuple[Tensor, int]]):
    """Aligned crops and their class indices.

    An item depends only on the seed, the epoch and its index, so that a resumed training sees the same
    images.

    Args:
        samples: Key and class index of each image; the keys of folders are files.
        seed: Seed of the augmentation; None leaves images as they are.
        read: Returns the image of a key; reads files by default.
        augment: Kind of augmentation.
        keep: Whether decoded images stay in memory, 37 kB each, and are read only once.
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
        self.samples = samples
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
                # Of the CPU alone, which is restored; torch.manual_seed takes a hundred times as long.
                torch.default_generator.manual_seed(derive_seed(self.seed, self.epoch, index))
                image = self._augment(image)
        return image, label

    def _image(self, index: int) -> Tensor:
        path = self.samples[index][0]
        if self._kept is None:
            return self._read(path)
        if index not in self._kept:
            self._kept[index] = (self._read(path) * 255).round().to(torch.uint8)
        return self._kept[index].float() / 255


def epoch_order(
    labels: NDArray[np.integer], *, seed: int, epoch: int, images_per_identity: int = 0
) -> NDArray[np.int64]:
    """Return the order in which an epoch visits the images, each once.

    Args:
        labels: Shape (images,), class indices.
        seed: Seed of the training.
        epoch: Number of the epoch; every epoch has an order of its own.
        images_per_identity: Keeps this many images of an identity together, if it has them, so that batches
            contain mated pairs; 0 and 1 shuffle all images. Images with a negative label have no identity.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(labels))
    if images_per_identity < 2:
        return order
    labels = np.where(labels < 0, -1 - np.arange(len(labels)), labels)
    # A stable sort by label keeps each identity's images in random order.
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    position = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    group = np.cumsum(position % images_per_identity == 0) - 1
    shuffled = generator.permutation(group[-1] + 1)
    return order[np.argsort(shuffled[group], kind="stable")]

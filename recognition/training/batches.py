"""The training data: who is trained on, who is held out, and the batches of an epoch."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from recognition.data.dataset import AlignedFaces, epoch_order, labelled
from recognition.data.folders import Split, by_photographs, split_identities
from recognition.data.sources import open_source
from recognition.errors import InputError
from recognition.images import resized
from recognition.training.options import TrainingOptions


class TrainingData:
    """Aligned faces, split into training and held-out identities, and their batches.

    Args:
        data: A folder per identity, or a list (see `recognition.data.sources`).
        options: Seed, batch size, number of held-out identities and augmentation.
        workers: Processes that read images; 0 reads them in this process.
        keep_images: Whether decoded images stay in memory, 37 kB each.

    Raises:
        InputError: If there is no data, or less than one batch of it, or an argument is out of range.
    """

    def __init__(
        self, data: Path, options: TrainingOptions, *, workers: int = 0, keep_images: bool = False
    ) -> None:
        if workers < 0:
            raise InputError(f"workers: expected 0 or more processes, got {workers}")
        self.options = options
        self.workers = workers
        source = open_source(data)
        self.read = source.read
        self.split = split_identities(source.identities, held_out=options.held_out, seed=options.seed)
        photographs = {name: len(paths) for name, paths in self.split.train.items()}
        #: Names of the classes in their order, and the number of training photographs of each.
        self.class_names = tuple(by_photographs(photographs))
        self.class_photographs = tuple(photographs[name] for name in self.class_names)
        self.dataset = AlignedFaces(
            labelled(self.split.train, self.class_names),
            seed=options.seed,
            read=source.read,
            augment=options.augmentation,
            keep=keep_images,
        )
        self.labels = np.array([label for _, label in self.dataset.samples])
        #: Number of whole batches in an epoch.
        self.steps_per_epoch = len(self.dataset) // options.batch_size
        if self.steps_per_epoch < 1:
            raise InputError(
                f"batch size: expected at most the {len(self.dataset)} training images, got "
                f"{options.batch_size}; use a smaller --batch-size"
            )

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the batches of an epoch: images, (batch, 3, 112, 112) in [0, 1], labels and indices,
        (batch,).

        An index is the number of an image in the training data.

        They depend only on the options, the data and the epoch. So do the random numbers that torch draws
        in this process while they are used, such as dropout's, so that a resumed training draws the same.
        """
        self.dataset.epoch = epoch
        order = epoch_order(
            self.labels,
            seed=self.options.seed,
            epoch=epoch,
            images_per_identity=self.options.images_per_identity,
        )
        loader = DataLoader(
            self.dataset,
            batch_size=self.options.batch_size,
            sampler=order.tolist(),
            num_workers=self.workers,
            drop_last=True,
        )
        torch.manual_seed(self.options.seed * 1_000_003 + epoch)
        size = self.options.batch_size
        for number, (images, labels) in enumerate(loader):
            yield images, labels, torch.from_numpy(order[number * size : (number + 1) * size])

    def held_out(self) -> list[tuple[Path, int]]:
        """Return the keys and labels of the held-out identities' images."""
        return labelled(self.split.held_out)

    @functools.cached_property
    def mean_face(self) -> Tensor:
        """Mean of the training images and their mirror images, (3, image_size, image_size) in [0, 1]."""
        total = sum(self.read(key).double() for key, _ in self.dataset.samples)
        mean = torch.as_tensor(total) / len(self.dataset)
        mean = (mean + mean.flip(-1)) / 2
        return resized(mean[None], self.options.image_size)[0].float()

    def describe_split(self) -> dict[str, Any]:
        """Return the split as it is written beside the network."""
        return describe_split(self.split, self.options.seed)


def describe_split(split: Split, seed: int) -> dict[str, Any]:
    """Return a split as JSON: its seed, its numbers, and the held-out identities and reserved photographs."""
    return {
        "seed": seed,
        "train_identities": len(split.train),
        "train_images": sum(map(len, split.train.values())),
        "held_out": sorted(split.held_out),
        "reserved": {name: path.name for name, path in split.reserved.items()},
    }

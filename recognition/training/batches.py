"""The training data: who is trained on, who is held out, and the batches of an epoch."""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from recognition.data.dataset import AlignedFaces, epoch_order
from recognition.data.embedding import embed_files, embed_readable
from recognition.data.folders import Split, by_photographs, split_identities
from recognition.data.keys import LabelledKeys, labelled
from recognition.data.sources import FaceSource, open_source, open_unlabelled
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import resized
from recognition.options import OnUnreadable
from recognition.recogniser import Recogniser
from recognition.seeds import derive_seed
from recognition.training.group import Group
from recognition.training.options import TrainingOptions
from recognition.training.skipped import SkippedFaces

#: Faces one after another that cannot be read, after which a training ends: a whole disk is gone then.
_MOST_IN_A_ROW = 100
#: Most images that the mean face is of: reading millions takes hours, and the standard error of a pixel of
#: these is below half a grey level, since pixels have a standard deviation below 0.5.
_MOST_AVERAGED = 50_000
#: Stands for the number of a face where there is none that can be read.
_NONE = -1
#: Label of a face that the teacher alone labels.
UNLABELLED = -1


class TrainingData:
    """Aligned faces, split into training and held-out identities, and their batches.

    Args:
        data: A folder per identity, a list, or files with many faces (see `recognition.data.sources`).
        options: Seed, batch size, number of held-out identities and augmentation.
        workers: Processes that read images; 0 reads them in this process.
        pinned: Whether batches are in pinned memory, from which a copy to a GPU does not wait.
        part: Number of the part of each batch that is yielded, from 0, and the number of parts.
        keep_images: Whether decoded images stay in memory, 37 kB each.
        on_unreadable: Whether faces that cannot be read are skipped or end the training.
        skipped: Names of faces that an earlier part of this training skipped; None checks all files.
        unlabelled: More training faces (see `open_unlabelled`), whose label is `UNLABELLED`.

    Raises:
        InputError: If there is no data, or less than one batch of it, or an argument is out of range.
    """

    def __init__(
        self,
        data: Path,
        options: TrainingOptions,
        *,
        workers: int = 0,
        pinned: bool = False,
        part: tuple[int, int] = (0, 1),
        keep_images: bool = False,
        on_unreadable: OnUnreadable = "skip",
        skipped: Iterable[str] | None = None,
        unlabelled: Path | None = None,
    ) -> None:
        if workers < 0:
            raise InputError(f"workers: expected 0 or more processes, got {workers}")
        self.options = options
        if options.batch_size % (options.accumulate * part[1]):
            raise InputError(
                f"batch size: expected a multiple of {options.accumulate} parts times {part[1]} ranks, got "
                f"{options.batch_size}"
            )
        self.workers, self.pinned, self.part = workers, pinned, part
        source = open_source(data)
        more = FaceSource({}) if unlabelled is None else open_unlabelled(unlabelled)
        self.read = source.read
        split = split_identities(source.identities, held_out=options.held_out, seed=options.seed)
        self.skipped = SkippedFaces(data if data.is_dir() else data.parent, on_unreadable, skipped)
        self.skipped.leave_out({**source.unlisted, **more.unlisted})
        self.split = self.skipped.readable(split, source.check)
        extra = [self.skipped.readable_keys(keys, more.check) for keys in more.identities.values()]
        photographs = {name: len(paths) for name, paths in self.split.train.items()}
        #: Names of the classes in their order, and the number of training photographs of each.
        self.class_names = tuple(by_photographs(photographs))
        self.class_photographs = tuple(photographs[name] for name in self.class_names)
        samples = LabelledKeys(
            [*(self.split.train[name] for name in self.class_names), *extra],
            [*range(len(self.class_names)), *(UNLABELLED for _ in extra)],
        )
        #: Shape (images,), class indices of the training images, `UNLABELLED` for those without.
        self.labels = samples.labels
        self.dataset = AlignedFaces(
            samples,
            seed=options.seed,
            read=source.read,
            augment=options.augmentation,
            keep=keep_images,
        )
        #: Number of training images without a class.
        self.unlabelled = int((self.labels == UNLABELLED).sum())
        #: Number of whole batches in an epoch.
        self.steps_per_epoch = len(self.dataset) // options.batch_size
        if self.steps_per_epoch < 1:
            raise InputError(
                f"batch size: expected at most the {len(self.dataset)} training images, got "
                f"{options.batch_size}; use a smaller --batch-size"
            )

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the names and labels of all training images."""
        digest = hashlib.sha256()
        for number, (key, label) in enumerate(self.dataset.samples):
            line = f"{label} {self.skipped.name(key)}"
            digest.update(("\n" * (number > 0) + line).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the batches of an epoch: images, (batch, 3, 112, 112) in [0, 1], labels and indices,
        (batch,). Of many ranks, each gets its part of every batch.

        An index is the number of an image in the training data. An image that cannot be read is replaced by
        the next one that can, or ends the training.

        The whole batches depend only on the options, the data and the epoch, not on the number of ranks. So
        do, on one rank, the random numbers that torch draws in this process while they are used, such as
        dropout's, so that a resumed training draws the same.

        Args:
            epoch: Number of the epoch, from 0.
            first: Number of the first batch to yield, from 0.

        Raises:
            InputError: If an image cannot be read and the training is to stop, or too many are unreadable.
        """
        order, size = self._order(epoch, first), self.options.batch_size // self.part[1]
        self._sampler.epoch, self._sampler.order = epoch, order
        batches = iter(self._loader)
        # After the loader, which draws a number when its processes start.
        seed = self.options.seed * 1_000_003 + epoch
        torch.manual_seed(derive_seed(seed, "rank", self.part[0]) if self.part[0] else seed)
        for number, (images, labels, used) in enumerate(batches):
            wanted = order[number * size : (number + 1) * size]
            replaced = [self.dataset.samples[index][0] for index in wanted[used.numpy() != wanted]]
            if replaced and (used == _NONE).any():
                raise self._unreadable(replaced)
            self.skipped.add(replaced)
            yield images, labels, used

    def _order(self, epoch: int, first: int) -> NDArray[np.int64]:
        """Return the numbers of the images of this rank, from a batch of an epoch on, batch by batch."""
        options, (rank, ranks) = self.options, self.part
        order = epoch_order(
            self.labels, seed=options.seed, epoch=epoch, images_per_identity=options.images_per_identity
        )
        # A step's parts are divided over the ranks each, so that a part has the same images on any number.
        whole = order[: self.steps_per_epoch * options.batch_size]
        parts = whole.reshape(self.steps_per_epoch, options.accumulate, ranks, -1)
        return parts[first:, :, rank].ravel()

    @functools.cached_property
    def _sampler(self) -> "_Order":
        return _Order()

    @functools.cached_property
    def _loader(self) -> "DataLoader[tuple[Tensor, int, int]]":
        """The loader of all epochs, whose processes stay from one to the next."""
        return DataLoader(
            _Replaced(self.dataset, 1 if self.skipped.on_unreadable == "stop" else _MOST_IN_A_ROW),
            batch_size=self.options.batch_size // self.part[1],
            sampler=self._sampler,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=self.pinned,
            drop_last=True,
        )

    def _unreadable(self, keys: list[Path]) -> InputError:
        """Return the error of the first of some faces that cannot be read."""
        try:
            for key in keys:
                self.read(key)
        except InputError as error:
            return InputError(f"{error} (--on-unreadable skip goes on without such files)")
        return InputError(f"{keys[0]}: could not be read for a moment; run the command again")

    def embed(
        self,
        recogniser: Recogniser,
        keys: list[Path],
        *,
        dtype: torch.dtype = torch.float32,
        progress: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the unit-norm embeddings of those faces that can be read, and which they are.

        Args:
            recogniser: The network; its device is used.
            keys: Keys of the faces.
            dtype: Precision of the network's inner computation.
            progress: Whether to show a progress bar.

        Raises:
            InputError: If one cannot be read and the training is to stop, or none can.
        """
        if self.skipped.on_unreadable == "stop":
            whole = embed_files(recogniser, keys, read=self.read, dtype=dtype, progress=progress)
            return whole, np.ones(len(keys), dtype=np.bool_)
        embeddings, readable = embed_readable(
            recogniser, keys, read=self.read, dtype=dtype, progress=progress
        )
        self.skipped.add(key for key, sound in zip(keys, readable, strict=True) if not sound)
        return embeddings, readable

    def held_out(self) -> Sequence[tuple[Path, int]]:
        """Return the keys and labels of the held-out identities' images."""
        return labelled(self.split.held_out)

    @functools.cached_property
    def mean_face(self) -> Tensor:
        """Mean of the labelled training images and their mirror images.

        Its shape is (3, image_size, image_size), in [0, 1]. Of more than `_MOST_AVERAGED` images it is the
        mean of at most as many of them, evenly spaced. Images that cannot be read are left out.
        """
        total = torch.zeros(3, ALIGNED_SIZE, ALIGNED_SIZE, dtype=torch.float64)
        count = 0
        numbers = np.flatnonzero(self.labels != UNLABELLED)
        for number in numbers[:: 1 + len(numbers) // (_MOST_AVERAGED + 1)].tolist():
            key = self.dataset.samples[number][0]
            try:
                total = total + self.read(key).double()
            except InputError:
                self.skipped.add([key])
                continue
            count += 1
        mean = total / max(1, count)
        mean = (mean + mean.flip(-1)) / 2
        return resized(mean[None], self.options.image_size)[0].float()

    def describe_split(self) -> dict[str, Any]:
        """Return the split as it is written beside the network."""
        return describe_split(self.split, self.options.seed)


def read_together(
    group: Group, data: Path, options: TrainingOptions, *, skipped: Iterable[str] | None, **rest: Any
) -> TrainingData:
    """Return the training data of a rank, after one rank has checked the files for all.

    Args:
        group: The ranks.
        data: The data.
        options: The options of the training.
        skipped: Names of faces that an earlier part of this training skipped; None checks all files.
        rest: Further arguments of `TrainingData`.

    Raises:
        InputError: As `TrainingData` does.
    """
    rest |= {"pinned": group.device.type == "cuda", "part": (group.rank, group.size)}
    found = TrainingData(data, options, skipped=skipped, **rest) if group.is_main else None
    names = group.from_main(None if found is None else found.skipped.before)
    return TrainingData(data, options, skipped=names, **rest) if found is None else found


class _Order(Sampler[tuple[int, int]]):
    """The epoch and the numbers of the faces in the order in which it visits them; both are set from outside.

    The processes that read images stay for all epochs, so that each number comes with its epoch.
    """

    def __init__(self) -> None:
        self.epoch = 0
        #: Shape (faces,).
        self.order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, int(number)) for number in self.order)


class _Replaced(Dataset[tuple[Tensor, int, int]]):
    """Faces by epoch and number, of which one that cannot be read is replaced by the next that can.

    The number of the face that is used is beside it.

    A process that reads images cannot count what it replaces, but the process that trains can compare the
    numbers.

    Args:
        faces: The faces.
        tries: How many faces one after another are tried; with none of them the number is `_NONE`.
    """

    def __init__(self, faces: AlignedFaces, tries: int) -> None:
        self._faces, self._tries = faces, tries

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, int, int]:
        self._faces.epoch, index = item
        for number in range(index, index + self._tries):
            used = number % len(self._faces)
            try:
                return (*self._faces[used], used)
            except InputError:
                continue
        return torch.zeros(3, ALIGNED_SIZE, ALIGNED_SIZE), self._faces.samples[index][1], _NONE


def describe_split(split: Split, seed: int) -> dict[str, Any]:
    """Return a split as JSON: its seed, its numbers, and the held-out identities and reserved photographs."""
    return {
        "seed": seed,
        "train_identities": len(split.train),
        "train_images": sum(map(len, split.train.values())),
        "held_out": sorted(split.held_out),
        "reserved": {name: path.name for name, path in split.reserved.items()},
    }

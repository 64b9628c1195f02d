"""Distillation: a student learns the embeddings of a teacher, with labels or without.

Source: the relation term follows Park et al., Relational Knowledge Distillation, arXiv:1904.05068, on
cosines.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from recognition.checkpoint import write_safetensors
from recognition.errors import InputError
from recognition.loading import ModelChoice, load, with_preset
from recognition.training.batches import TrainingData
from recognition.training.classifier import Classifier
from recognition.training.group import Group
from recognition.training.options import TrainingOptions

#: Weight of the relation term beside the embedding term, whose squares are a tenth as large.
RELATION_WEIGHT = 10.0
#: The file in the folder of results that caches the teacher's embeddings.
CACHE = "teacher.safetensors"


class Teacher:
    """The embeddings of a teacher for all training photographs, and the distillation loss.

    A photograph has one embedding, of the photograph without augmentation and its mirror image: augmentation
    does not change who is in it. So each photograph is embedded once, whatever the number of epochs.

    Args:
        model: The teacher, as `with_preset` takes it.
        data: The training data.
        embedding_size: Dimensions of the student's embedding.
        device: Where to compute.

    Raises:
        InputError: If the teacher cannot be loaded, or has another number of dimensions.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | ModelChoice,
        data: TrainingData,
        *,
        embedding_size: int,
        device: torch.device,
    ) -> None:
        choice = with_preset(model)
        self._preset = choice.preset
        self._recogniser = load(choice).to(device)
        self._data = data
        self._device = device
        self._embeddings: Tensor | None = None
        if self._recogniser.embedding_size != embedding_size:
            raise InputError(
                f"embedding size: expected the teacher's {self._recogniser.embedding_size}, got "
                f"{embedding_size}; use --embedding-size {self._recogniser.embedding_size}"
            )

    def describe(self) -> dict[str, str]:
        """Return name and SHA-256 of the teacher, and the preset if one is given; saved with the student."""
        described = {"name": self._recogniser.name, "sha256": self._recogniser.source.fingerprint}
        return described if self._preset is None else described | {"preset": self._preset}

    def embed(self, folder: Path | None = None) -> Tensor:
        """Return the teacher's embeddings of all training photographs, unit norm, shape (images, dim).

        Those of photographs that cannot be read are zero.

        Args:
            folder: Where they are cached; None keeps them in memory only.
        """
        if self._embeddings is None:
            keys = [key for key, _ in self._data.dataset.samples]
            network = (self._recogniser.source.fingerprint, str(self._recogniser.preprocessing))
            digest = hashlib.sha256(
                "\n".join([*network, *map(_state_of, keys)]).encode(errors="surrogateescape")
            )
            cached = None if folder is None else _read(folder / CACHE, digest.hexdigest())
            if cached is None:
                found, readable = self._data.embed(self._recogniser, keys, progress=True)
                # A face that cannot be read is never in a batch; its row keeps the numbers of the others.
                embeddings = np.zeros((len(keys), found.shape[1]), dtype=np.float32)
                embeddings[readable] = found
                if folder is not None:
                    tensors = {
                        "embeddings": torch.from_numpy(embeddings),
                        "readable": torch.from_numpy(readable),
                    }
                    write_safetensors(folder / CACHE, tensors, {"digest": digest.hexdigest()})
            else:
                embeddings, readable = cached
                self._complete(embeddings, readable, keys)
            self._embeddings = torch.from_numpy(embeddings).to(self._device)
        return self._embeddings

    def _complete(
        self, embeddings: NDArray[np.float32], readable: NDArray[np.bool_], keys: list[Path]
    ) -> None:
        """Embed what could not be read when the cache was written, if it can be now."""
        repaired = []
        for number in np.flatnonzero(~readable):
            try:
                self._data.read(keys[number])
            except InputError:
                continue
            repaired.append(int(number))
        if repaired:
            embeddings[repaired], _ = self._data.embed(self._recogniser, [keys[one] for one in repaired])

    def embed_together(self, group: Group, folder: Path | None) -> None:
        """Embed all training photographs on one rank, from whose file the others read; see `embed`."""
        if group.is_main:
            self.embed(folder)
        group.wait()
        self.embed(folder)

    def class_centres(self, labels: NDArray[np.integer]) -> Tensor:
        """Return the mean direction of the embeddings of each class, unit norm, shape (classes, dim).

        A class without a readable photograph has a zero.

        Args:
            labels: Shape (images,), class indices of the training photographs, each class at least once;
                photographs with a negative one are left out.
        """
        has_class = labels >= 0
        embeddings = self.embed()[torch.as_tensor(has_class, device=self._device)]
        sums = embeddings.new_zeros(int(labels.max()) + 1, embeddings.shape[1])
        sums.index_add_(0, torch.as_tensor(labels[has_class], device=self._device), embeddings)
        return F.normalize(sums)

    def set_centres(self, classifier: Classifier, labels: NDArray[np.integer]) -> None:
        """Set the class centres of a head to those of `class_centres`, if it has one of each class."""
        if classifier.head.one_centre_per_class:
            centres = self.class_centres(labels)
            # A class without a readable photograph keeps its random centre.
            classifier.set_centres(centres, centres.any(1))

    def use_placeholders(self) -> None:
        """Use random embeddings in place of the teacher's, to measure the cost of a step."""
        images = len(self._data.dataset)
        random = torch.randn(
            images, self._recogniser.embedding_size, generator=torch.Generator().manual_seed(0)
        )
        self._embeddings = F.normalize(random).to(self._device)

    def loss(self, embeddings: Tensor, indices: Tensor) -> Tensor:
        """Return the distillation loss of a batch, a scalar.

        It is 1 - cosine similarity to the teacher's embedding, plus the mean squared difference of the
        batch's two matrices of cosine similarities.

        Args:
            embeddings: The student's, shape (batch, dim), of any positive norm.
            indices: Shape (batch,), numbers of the photographs in the training data.
        """
        return distillation_loss(embeddings, self.embed()[indices])


def make_teacher(
    model: str | os.PathLike[str] | None,
    data: TrainingData,
    options: TrainingOptions,
    device: torch.device,
) -> Teacher | None:
    """Return the teacher of a training; None if it has none.

    Args:
        model: The teacher, as `recognition.loading.load` takes it; None for no teacher.
        data: The training data.
        options: The options of the training.
        device: Where to compute.

    Raises:
        InputError: If weights and teacher contradict each other, or the teacher does not fit.
    """
    if model is None:
        if options.teacher_weight:
            raise InputError("teacher weight: expected it with --teacher MODEL, got no teacher")
        if options.head_weight != 1 and not options.aux_losses:
            raise InputError(
                f"head weight: expected 1 without --teacher and --aux-loss, got {options.head_weight:g}; "
                "another loss must take part"
            )
        return None
    if not options.teacher_weight:
        raise InputError("teacher weight: expected a positive number with --teacher, got 0")
    return Teacher(model, data, embedding_size=options.embedding_size, device=device)


def distillation_loss(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Return the distillation loss, a scalar; see `Teacher.loss`.

    Args:
        embeddings: Shape (batch, dim), of any positive norm.
        targets: The teacher's embeddings, unit norm, shape (batch, dim).
    """
    student = F.normalize(embeddings)
    own = 1 - (student * targets).sum(1).mean()
    relations = (student @ student.T - targets @ targets.T).square().mean()
    return own + RELATION_WEIGHT * relations


def _state_of(key: Path) -> str:
    """Return a face's name and what changes with its file: another one under the name is another face."""
    # A face of a record set, a shard or a table is a part of a file, which the key is within.
    for path in (key, *key.parents):
        try:
            found = path.stat()
        except OSError:
            continue
        return f"{key}\0{found.st_size}\0{found.st_mtime_ns}"
    return str(key)


def _read(path: Path, digest: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    """Return cached embeddings and which photographs could be read; None if there are none of this teacher
    and these photographs."""
    try:
        with safe_open(path, framework="np") as file:
            if (file.metadata() or {}).get("digest") != digest:
                return None
            return file.get_tensor("embeddings"), file.get_tensor("readable")
    except (OSError, SafetensorError):
        return None

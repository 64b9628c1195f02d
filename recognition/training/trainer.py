"""The trainer: from aligned faces to a network with its class centres."""

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.config import to_json
from recognition.errors import InputError
from recognition.images import resized
from recognition.metrics.verification import Verification, verify
from recognition.options import OnUnreadable, TrainingPrecision
from recognition.recogniser import Preprocessing, Recogniser, Source
from recognition.runtime import Device, choose_device, choose_dtype
from recognition.training import schedule
from recognition.training.angles import AngleHistogram
from recognition.training.batches import UNLABELLED, TrainingData
from recognition.training.modules import build_modules, check_pairs
from recognition.training.optimiser import Optimiser
from recognition.training.options import TrainingOptions
from recognition.training.teacher import make_teacher
from recognition.training.warm_start import has_one_centre_per_class, load_initial_weights


class Trainer:
    """One training: its data, its modules and its optimiser.

    It writes nothing: `recognition.training.session` keeps its results in a folder.

    Args:
        data: A folder per identity, or a list (see `recognition.data.sources`).
        options: Everything that decides the result.
        device: Where to compute.
        precision: Precision of the network's inner computation.
        workers: Processes that read images; 0 reads them in this process.
        keep_images: Whether decoded images stay in memory, 37 kB each, in each worker.
        start_from: Network whose weights the training begins with, instead of random ones.
        teacher: Network whose embeddings the student learns too, weighted by `teacher_weight`.
        on_unreadable: Whether faces that cannot be read are skipped or end the training.
        skipped: Names of faces that an earlier part of this training skipped; None checks all files.
        compiled: Whether torch.compile makes the network's code faster, after a minute of compilation.
        unlabelled: More faces, which the teacher alone labels (see `recognition.data.sources`).

    Raises:
        InputError: If there is no data, an option is out of range, or `start_from` does not fit.

    Example:
        >>> trainer = Trainer("aligned", TrainingOptions(epochs=1))
        >>> for number, (images, labels) in enumerate(trainer.batches(epoch=0)):
        ...     loss = trainer.step(0, number, images, labels)
    """

    def __init__(
        self,
        data: str | os.PathLike[str],
        options: TrainingOptions,
        *,
        device: Device = "auto",
        precision: TrainingPrecision = "auto",
        workers: int = 0,
        keep_images: bool = False,
        start_from: str | os.PathLike[str] | None = None,
        teacher: str | os.PathLike[str] | None = None,
        on_unreadable: OnUnreadable = "skip",
        skipped: Iterable[str] | None = None,
        compiled: bool = False,
        unlabelled: str | os.PathLike[str] | None = None,
    ) -> None:
        if unlabelled is not None and teacher is None:
            raise InputError(
                "unlabelled faces: expected a teacher that labels them, got none; add --teacher MODEL"
            )
        self.options = options
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, precision)
        self.data = TrainingData(
            Path(data),
            options,
            workers=workers,
            keep_images=keep_images,
            on_unreadable=on_unreadable,
            skipped=skipped,
            unlabelled=None if unlabelled is None else Path(unlabelled),
        )
        torch.manual_seed(options.seed)
        self.modules = build_modules(options, len(self.data.class_names), self.device)
        check_pairs(self.modules, options, self.data.labels)
        self.backbone, self.head = self.modules.backbone, self.modules.head
        self._forward = torch.compile(self.backbone) if compiled else self.backbone
        self.started_from: dict[str, Any] = {}
        if start_from is not None:
            self.started_from = load_initial_weights(
                start_from,
                self.backbone,
                self.head,
                class_names=self.data.class_names,
                held_out=self.data.split.held_out,
                seed=options.seed,
            )
        self.teacher = make_teacher(teacher, self.data, options, self.device)
        self.optimiser = Optimiser(
            self.modules.parameters(),
            self.modules.undecayed(options.no_decay),
            options,
            device=self.device,
            dtype=self.dtype,
        )
        self.angles = AngleHistogram()
        self.steps_per_epoch = self.data.steps_per_epoch
        #: Number of steps of the whole training.
        self.steps = options.epochs * self.steps_per_epoch

    def prepare_teacher(self, out: Path | None, *, resumed: bool) -> None:
        """Embed the training photographs by the teacher, if there is one, before the first step.

        Args:
            out: Folder in which the embeddings are kept; None keeps them in memory only.
            resumed: Whether the class centres are those of an earlier run; else they start as the mean of the
                teacher's embeddings of their photographs.
        """
        if self.teacher is None:
            return
        self.teacher.embed(out)
        # Centres of a warm start have been trained already.
        warm = self.started_from.get("centres", False)
        if not resumed and not warm and has_one_centre_per_class(self.head):
            centres = self.teacher.class_centres(self.data.labels)
            # A class without a readable photograph keeps its random centre.
            known = centres.any(1)
            with torch.no_grad():
                self.head.weight[known] = centres[known]

    def start_epoch(self, *, resumed: bool) -> None:
        """Set the modules' mode for training, and count angles from zero unless an epoch is resumed."""
        self.backbone.train()
        self.head.train()
        if not resumed:
            self.angles.reset()

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the batches of an epoch on the device: images of the epoch's size, labels and indices.

        Args:
            epoch: Number of the epoch, from 0.
            first: Number of the first batch to yield, from 0.
        """
        size = schedule.image_size(self.options, epoch)
        for images, labels, indices in self.data.batches(epoch, first):
            images = images.to(self.device).contiguous(memory_format=self.modules.layout)
            yield resized(images, size), labels.to(self.device), indices.to(self.device)

    def learning_rate(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step of an epoch, both counted from 0."""
        return schedule.learning_rate(self.options, epoch * self.steps_per_epoch + step, self.steps)

    def margin_fraction(self, epoch: int, step: int) -> float:
        """Return the fraction of the margin that is applied at a step of an epoch, both counted from 0."""
        # Centres of another network are already spread, so that they need no warm-up.
        warm = self.started_from.get("centres", False)
        return 1.0 if warm else schedule.margin_fraction(epoch * self.steps_per_epoch + step, self.steps)

    def step(self, epoch: int, step: int, images: Tensor, labels: Tensor, indices: Tensor) -> float:
        """Update all weights once and return the loss.

        Args:
            epoch: Number of the epoch, from 0.
            step: Number of the step in the epoch, from 0.
            images: Shape (batch_size, 3, side, side), in [0, 1], on the device.
            labels: Shape (batch_size,), class indices or `UNLABELLED`, on the device.
            indices: Shape (batch_size,), numbers of the images in the training data, on the device.

        Raises:
            InputError: If the loss is not finite.
        """
        margin_fraction = self.margin_fraction(epoch, step)
        self.optimiser.start(self.learning_rate(epoch, step))
        parts = self.options.accumulate
        value = 0.0
        for part in zip(images.chunk(parts), labels.chunk(parts), indices.chunk(parts), strict=True):
            loss = self.loss(*part, margin_fraction) / parts
            value += float(loss.detach())
            if not math.isfinite(value):
                raise InputError(
                    f"loss: expected a finite number, got {value} at epoch {epoch + 1}, step {step + 1}; "
                    "lower --learning-rate or --scale"
                )
            self.optimiser.backward(loss)
        self.optimiser.finish()
        return value

    def loss(self, images: Tensor, labels: Tensor, indices: Tensor, margin_fraction: float) -> Tensor:
        """Return the loss of images in [0, 1], a scalar, and count their angles to their centres."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            embeddings = self._forward((images - 0.5) / 0.5)
        embeddings = embeddings.float()
        loss = embeddings.new_zeros(())
        has_class = labels != UNLABELLED
        # A batch without unlabelled faces is not copied.
        own = slice(None) if has_class.all() else has_class
        if has_class.any():
            loss, centres = self.modules.loss(images[own], embeddings[own], labels[own], margin_fraction)
            self.angles.add(embeddings[own], labels[own], centres)
        if self.teacher is not None:
            loss = self.options.head_weight * loss
            loss = loss + self.options.teacher_weight * self.teacher.loss(embeddings, indices)
        return loss

    def recogniser(self) -> Recogniser:
        """Return the network as it is now, with its class centres; it shares the backbone's weights."""
        return Recogniser(
            self.backbone,
            name=self.options.network,
            centres=self.head.centres.detach() if self.options.head_weight else None,
            class_names=self.data.class_names if self.options.head_weight else None,
            class_photographs=self.data.class_photographs if self.options.head_weight else None,
            scale=self.options.scale,
            margin=self.head.angular_margin,
            preprocessing=Preprocessing(input_size=self.options.image_size),
            source=Source(architecture=self.options.architecture()),
        ).to(self.device)

    def evaluate(self) -> Verification | None:
        """Verify the held-out identities; return None if there are too few of them to measure.

        Raises:
            InputError: If an image cannot be read and the training is to stop.
        """
        samples = self.data.held_out()
        if not samples:
            return None
        keys, labels = zip(*samples, strict=True)
        embeddings, readable = self.embed(list(keys))
        try:
            return verify(embeddings, np.array(labels)[readable])
        except InputError:
            return None

    def embed(self, keys: list[Path]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the unit-norm embeddings of those faces of the data that can be read, and which they are.

        It sets the backbone's evaluation mode.
        """
        self.backbone.eval()
        return self.data.embed(self.recogniser().eval(), keys, dtype=self.dtype)

    def stateful(self) -> dict[str, Any]:
        """Return what has a state that is saved, by its name in the file."""
        return {
            "backbone": self.backbone,
            "head": self.head,
            "aux_losses": self.modules.aux_losses,
            "optimiser": self.optimiser,
        }

    def identity(self) -> dict[str, Any]:
        """Return what must be equal to resume: all but the number of epochs, which may change."""
        options = {name: value for name, value in to_json(self.options).items() if name != "epochs"}
        return {
            "options": options,
            "class_names": list(self.data.class_names),
            "images": self.data.digest,
            "started_from": self.started_from,
            "teacher": self.teacher.describe() if self.teacher else {},
        }

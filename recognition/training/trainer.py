"""The trainer: from aligned faces to a network with its class centres."""

import logging
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.config import to_json
from recognition.errors import InputError, InputWarning, NotFiniteError
from recognition.images import resized
from recognition.metrics.verification import Verification, verify
from recognition.options import OnUnreadable, TrainingPrecision
from recognition.recogniser import Recogniser
from recognition.runtime import Device, choose_device, choose_dtype, default_workers
from recognition.training import schedule
from recognition.training.angles import BINS, AngleHistogram, count_angles
from recognition.training.batch_norm import share_statistics
from recognition.training.batches import read_together
from recognition.training.group import Group
from recognition.training.modules import build_modules, check_pairs
from recognition.training.optimiser import Optimiser
from recognition.training.options import TrainingOptions
from recognition.training.result import trained_recogniser
from recognition.training.teacher import make_teacher
from recognition.training.warm_start import load_initial_weights
from recognition.training.whole_head import make_classifier
from recognition.training.whole_state import WholeState

_LOGGER = logging.getLogger(__name__)


class Trainer:
    """One training: its data, its modules and its optimiser.

    It writes nothing: `recognition.training.session` keeps its results in a folder. On many ranks every rank
    has one, with its part of each batch.

    Args:
        data: A folder per identity, or a list (see `recognition.data.sources`).
        options: Everything that decides the result.
        device: Where to compute.
        precision: Precision of the network's inner computation.
        workers: Processes of each rank that read images; 0 reads them in this process, and None chooses.
        keep_images: Whether decoded images stay in memory, 37 kB each, in each worker.
        start_from: Network whose weights the training begins with, instead of random ones.
        teacher: Network whose embeddings the student learns too, weighted by `teacher_weight`.
        on_unreadable: Whether faces that cannot be read are skipped or end the training.
        skipped: Names of faces that an earlier part of this training skipped; None checks all files.
        compiled: Whether torch.compile makes the network's code faster, after a minute of compilation.
        unlabelled: More faces, which the teacher alone labels (see `recognition.data.sources`).
        group: The ranks that train together, with the device of this one; None trains on `device` alone.

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
        workers: int | None = 0,
        keep_images: bool = False,
        start_from: str | os.PathLike[str] | None = None,
        teacher: str | os.PathLike[str] | None = None,
        on_unreadable: OnUnreadable = "skip",
        skipped: Iterable[str] | None = None,
        compiled: bool = False,
        unlabelled: str | os.PathLike[str] | None = None,
        group: Group | None = None,
    ) -> None:
        if unlabelled is not None and teacher is None:
            raise InputError(
                "unlabelled faces: expected a teacher that labels them, got none; add --teacher MODEL"
            )
        self.options = options
        self.group = group or Group(choose_device(device))
        self.device = self.group.device
        self.dtype = choose_dtype(self.device, precision)
        self.data = read_together(
            self.group,
            Path(data),
            options,
            workers=default_workers(self.device) if workers is None else workers,
            keep_images=keep_images,
            on_unreadable=on_unreadable,
            skipped=skipped,
            unlabelled=None if unlabelled is None else Path(unlabelled),
        )
        torch.manual_seed(options.seed)
        self.modules = build_modules(options, len(self.data.class_names), self.device)
        check_pairs(self.modules, options, self.data.labels)
        self.backbone, self.head = self.modules.backbone, self.modules.head
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
        share_statistics(self.backbone, self.group)
        self._forward = self.group.wrapped(self.backbone, compiled=compiled)
        self.classifier = make_classifier(self.modules, options, self.group)
        self.optimiser = Optimiser(
            self.backbone.parameters(),
            self.classifier,
            self.modules.undecayed(options.no_decay),
            options,
            group=self.group,
            dtype=self.dtype,
        )
        #: What is saved between steps.
        self.state = WholeState(self.modules, self.classifier, self.optimiser, decay=options.ema)
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
        self.teacher.embed_together(self.group, out)
        # Centres of a warm start have been trained already.
        if not resumed and not self.started_from.get("centres", False):
            self.teacher.set_centres(self.classifier, self.data.labels)
            self.state.restart_average()

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
            images, labels, indices = (
                one.to(self.device, non_blocking=self.data.pinned) for one in (images, labels, indices)
            )
            yield resized(images.contiguous(memory_format=self.modules.layout), size), labels, indices

    def learning_rate(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step of an epoch, both counted from 0."""
        return schedule.learning_rate(self.options, epoch * self.steps_per_epoch + step, self.steps)

    def margin_fraction(self, epoch: int, step: int) -> float:
        """Return the fraction of the margin that is applied at a step of an epoch, both counted from 0."""
        # Centres of another network are already spread, so that they need no warm-up.
        warm = self.started_from.get("centres", False)
        return 1.0 if warm else schedule.margin_fraction(epoch * self.steps_per_epoch + step, self.steps)

    def step(self, epoch: int, step: int, images: Tensor, labels: Tensor, indices: Tensor) -> float:
        """Update all weights once, count the angles of images to their centres, and return the loss.

        Args:
            epoch: Number of the epoch, from 0.
            step: Number of the step in the epoch, from 0.
            images: Shape (batch, 3, side, side), in [0, 1], on the device: this rank's part of the batch.
            labels: Shape (batch,), class indices or `UNLABELLED`, on the device.
            indices: Shape (batch,), numbers of the images in the training data, on the device.

        Raises:
            InputError: If the loss is not finite.
        """
        margin_fraction = self.margin_fraction(epoch, step)
        self.optimiser.start(self.learning_rate(epoch, step))
        number = epoch * self.steps_per_epoch + step
        self.classifier.start(labels, number)
        parts = self.options.accumulate
        # The loss and the histogram of angles: one message for both.
        found = np.zeros(1 + BINS)
        batches = zip(images.chunk(parts), labels.chunk(parts), indices.chunk(parts), strict=True)
        for place, part in enumerate(batches, 1):
            # Gradients are summed over the ranks once, after the last part.
            with self.group.sums(self._forward, place == parts):
                loss, angles = self.loss(*part, margin_fraction)
                loss = loss / parts
                found += [float(loss.detach()), *angles]
                self.optimiser.backward(loss)
        value, *counts = self.group.total(found)
        if not math.isfinite(value):
            raise InputError(
                f"loss: expected a finite number, got {value} at epoch {epoch + 1}, step {step + 1}; "
                "lower --learning-rate or --scale"
            )
        self.angles.add(np.array(counts))
        self.optimiser.finish()
        self.state.update_average(number)
        return float(value)

    def loss(
        self, images: Tensor, labels: Tensor, indices: Tensor, margin_fraction: float
    ) -> tuple[Tensor, NDArray[np.float64]]:
        """Return this rank's share of the loss of images in [0, 1], a scalar, and a histogram of angles.

        The histograms of the ranks add up to that of the angles between all images and their centres.
        """
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            embeddings = self._forward((images - 0.5) / 0.5)
        embeddings = embeddings.float()
        loss, cosines = self.classifier.loss(images, embeddings, labels, margin_fraction)
        if self.teacher is not None:
            every, indices = self.group.gather(embeddings), self.group.gather_plain(indices)
            # Every rank computes the whole, which compares all images of the batch.
            distance = self.teacher.loss(every, indices) / self.group.size
            loss = loss + self.options.teacher_weight * distance
        return loss, count_angles(cosines)

    def recogniser(self) -> Recogniser:
        """Return the network as it is now, on the main rank with its class centres; every rank must call it.

        It shares the backbone's weights. A training without labels has no centres.
        """
        has_classes = self.options.head_weight > 0
        return self._with(self.classifier.collect(self.head.centres.detach()) if has_classes else None)

    def _with(self, centres: Tensor | None) -> Recogniser:
        return trained_recogniser(self.backbone, self.head, centres, options=self.options, data=self.data)

    def evaluate(self) -> Verification | None:
        """Verify the held-out identities; return None if there are too few of them that can be read.

        The result is also None, with a warning, if their embeddings are not finite: weights that train may
        overflow in evaluation mode, or in the precision of the evaluation.

        Warns:
            InputWarning: If embeddings are not finite.

        Raises:
            InputError: If an image cannot be read and the training is to stop.
        """
        samples = self.data.held_out()
        if not samples:
            return None
        keys, labels = zip(*samples, strict=True)
        try:
            with self.state.averaged():
                embeddings, readable = self.embed(list(keys))
        except NotFiniteError as error:
            warnings.warn(f"no verification in this epoch: {error}", InputWarning, stacklevel=2)
            return None
        except InputError as error:
            if self.data.skipped.on_unreadable == "stop":
                raise
            # None can be read: the epoch is as good without its figures.
            self.data.skipped.add(keys)
            _LOGGER.warning("no held-out face can be read, so that the epoch is not verified: %s", error)
            return None
        try:
            return verify(embeddings, np.array(labels)[readable])
        except InputError:
            # Too few people; embeddings are finite.
            return None

    def embed(self, keys: list[Path]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the unit-norm embeddings of those faces of the data that can be read, and which they are.

        It sets the backbone's evaluation mode.
        """
        self.backbone.eval()
        return self.data.embed(self._with(None).eval(), keys, dtype=self.dtype)

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

"""The trainer: from aligned faces to a network with its class centres."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from recognition.checkpoint import save_recogniser
from recognition.config import to_json
from recognition.data.embedding import embed_files
from recognition.errors import InputError, one_line
from recognition.images import atomic_path, remove_leftovers, resized
from recognition.metrics.verification import Verification, describe_verification, verify
from recognition.options import DeviceName, TrainingPrecision
from recognition.recogniser import Preprocessing, Recogniser, Source
from recognition.runtime import choose_device, choose_dtype
from recognition.training import schedule
from recognition.training.angles import AngleHistogram
from recognition.training.batches import TrainingData
from recognition.training.log import TrainingLog
from recognition.training.modules import build_modules, check_pairs
from recognition.training.optimiser import Optimiser
from recognition.training.options import TrainingOptions
from recognition.training.progress import EpochProgress
from recognition.training.state import read_state, write_state
from recognition.training.teacher import Teacher, make_teacher
from recognition.training.tensorboard_logger import TensorBoardLogger
from recognition.training.warm_start import has_one_centre_per_class, load_initial_weights


class Trainer:
    """One training: its data, its modules and its optimiser.

    `step` and `evaluate` need no folder of results. `train_epoch` and `save` do: call `prepare` first and
    `close` at the end.

    Args:
        data: A folder per identity, or a list (see `recognition.data.sources`).
        options: Everything that decides the result.
        device: Where to compute.
        precision: Precision of the network's inner computation.
        workers: Processes that read images; 0 reads them in this process.
        keep_images: Whether decoded images stay in memory, 37 kB each, in each worker.
        start_from: Network whose weights the training begins with, instead of random ones.
        teacher: Network whose embeddings the student learns too, weighted by `teacher_weight`.
        compiled: Whether torch.compile makes the network's code faster, after a minute of compilation.

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
        device: DeviceName = "auto",
        precision: TrainingPrecision = "auto",
        workers: int = 0,
        keep_images: bool = False,
        start_from: str | os.PathLike[str] | None = None,
        teacher: str | os.PathLike[str] | None = None,
        compiled: bool = False,
    ) -> None:
        self.options = options
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, precision)
        self.data = TrainingData(Path(data), options, workers=workers, keep_images=keep_images)
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
        self.optimiser = Optimiser(self.modules.parameters(), options, device=self.device, dtype=self.dtype)
        self.angles = AngleHistogram()
        self.log = TrainingLog()
        self.steps_per_epoch = self.data.steps_per_epoch
        #: Number of steps of the whole training.
        self.steps = options.epochs * self.steps_per_epoch

    def prepare(self, out: Path) -> None:
        """Create the folder of results, or resume from the state in it.

        Raises:
            InputError: If the folder cannot be created, or its state is damaged or another training's.
        """
        self.out = out
        self.model_path = out / "model.safetensors"
        self.state_path = out / "state.pt"
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be created ({error.strerror}); choose another --out") from None
        remove_leftovers(out)
        resumed = self.state_path.exists()
        if resumed:
            self.resume()
        else:
            with atomic_path(out / "split.json") as temporary:
                temporary.write_text(json.dumps(self.data.describe_split(), indent=1))
        if self.teacher is not None:
            self.teacher.embed(out)
            if not resumed:
                self._start_at_the_teachers_centres(self.teacher)
        first_step = self.log.finished_epochs * self.steps_per_epoch
        self.tensorboard = TensorBoardLogger(out / "tensorboard", first_step=first_step)

    def _start_at_the_teachers_centres(self, teacher: Teacher) -> None:
        """Let each class centre start as the mean of the teacher's embeddings of its photographs."""
        if has_one_centre_per_class(self.head):
            with torch.no_grad():
                self.head.weight.copy_(teacher.class_centres(self.data.labels))

    def close(self) -> None:
        """Close the files that `prepare` opened."""
        self.tensorboard.close()

    def train_epoch(self, epoch: int) -> None:
        """Train one epoch, measure the network, and save both the network and the state.

        Args:
            epoch: Number of the epoch, from 0.

        Raises:
            InputError: If a loss or a weight is not finite, or a file cannot be written.
        """
        self.backbone.train()
        self.head.train()
        self.angles.reset()
        progress = EpochProgress(
            f"epoch {epoch + 1}/{self.options.epochs}",
            steps=self.steps_per_epoch,
            batch_size=self.options.batch_size,
            first_step=epoch * self.steps_per_epoch,
            tensorboard=self.tensorboard,
        )
        with progress:
            for step, batch in enumerate(self.batches(epoch)):
                progress.add(self.step(epoch, step, *batch), self.learning_rate(epoch, step))
        verification = self.evaluate()
        figures = describe_verification(verification) if verification else {}
        entry = {
            "epoch": epoch + 1,
            "learning_rate": self.learning_rate(epoch, self.steps_per_epoch - 1),
            **progress.describe(),
            **figures,
        }
        self.log.append(entry, self.angles.counts.tolist())
        self.save()
        self.tensorboard.write((epoch + 1) * self.steps_per_epoch - 1, **figures)
        tqdm.write(json.dumps(entry))

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the batches of an epoch on the device: images of the epoch's size, labels and indices."""
        size = schedule.image_size(self.options, epoch)
        for images, labels, indices in self.data.batches(epoch):
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
            labels: Shape (batch_size,), class indices, on the device.
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
                raise _not_finite(value, epoch, step, self.out if self.log.finished_epochs else None)
            self.optimiser.backward(loss)
        self.optimiser.finish()
        return value

    def loss(self, images: Tensor, labels: Tensor, indices: Tensor, margin_fraction: float) -> Tensor:
        """Return the loss of images in [0, 1], a scalar, and count their angles to their centres."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            embeddings = self._forward((images - 0.5) / 0.5)
        embeddings = embeddings.float()
        loss, centres = self.modules.loss(embeddings, labels, margin_fraction)
        if self.teacher is not None:
            loss = self.options.head_weight * loss
            loss = loss + self.options.teacher_weight * self.teacher.loss(embeddings, indices)
        self.angles.add(embeddings, labels, centres)
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
        """Verify the held-out identities; return None if there are too few of them to measure."""
        samples = self.data.held_out()
        if not samples:
            return None
        keys, labels = zip(*samples, strict=True)
        try:
            return verify(self.embed(list(keys)), np.array(labels))
        except InputError:
            return None

    def embed(self, keys: list[Path]) -> NDArray[np.float32]:
        """Return the unit-norm embeddings of faces of the data, (faces, dim); sets evaluation mode."""
        self.backbone.eval()
        return embed_files(self.recogniser().eval(), keys, read=self.data.read, dtype=self.dtype)

    def save(self) -> None:
        """Write the network, the state and the logs, each whole or not at all.

        Raises:
            InputError: If a weight is not finite, or a file cannot be written.
        """
        extra = {"mean_face": self.data.mean_face, **self.head.extra_tensors()}
        notes = {
            "training": to_json(self.options),
            **({"started_from": self.started_from} if self.started_from else {}),
            **({"teacher": self.teacher.describe()} if self.teacher else {}),
            "last_epoch": self.log.entries[-1],
            "split": self.data.describe_split(),
        }
        save_recogniser(self.model_path, self.recogniser(), extra=extra, notes=notes)
        states = {name: part.state_dict() for name, part in _stateful(self).items()}
        states["log"] = self.log.to_json()
        write_state(self.state_path, identity=_identity(self), content=states)
        self.log.write(self.out)

    def resume(self) -> None:
        """Load the state that `save` wrote, and write its log again in case that is missing.

        Raises:
            InputError: If the state is damaged, or another training's.
        """
        state = read_state(self.state_path, identity=_identity(self))
        try:
            for name, part in _stateful(self).items():
                part.load_state_dict(state[name])
            self.log.load_json(state["log"])
        except Exception as error:
            # A file that contradicts itself raises whatever torch does.
            raise InputError(
                f"{self.state_path}: damaged training state ({one_line(error)}); remove it or choose "
                "another --out"
            ) from None
        self.log.write(self.out)


def _identity(trainer: Trainer) -> dict[str, Any]:
    """What must be equal to resume: all but the number of epochs, which may change."""
    options = {name: value for name, value in to_json(trainer.options).items() if name != "epochs"}
    class_names = list(trainer.data.class_names)
    teacher = trainer.teacher.describe() if trainer.teacher else {}
    return {
        "options": options,
        "class_names": class_names,
        "started_from": trainer.started_from,
        "teacher": teacher,
    }


def _stateful(trainer: Trainer) -> dict[str, Any]:
    """What has a state besides the log, by its name in the file."""
    return {
        "backbone": trainer.backbone,
        "head": trainer.head,
        "aux_losses": trainer.modules.aux_losses,
        "optimiser": trainer.optimiser,
    }


def _not_finite(value: float, epoch: int, step: int, out: Path | None) -> InputError:
    """Return the error of a loss that is not finite; `out` holds the last finished epoch, if there is one."""
    kept = f" (the last finished epoch is kept in {out})" if out is not None else ""
    return InputError(
        f"loss: expected a finite number, got {value} at epoch {epoch + 1}, step {step + 1}; "
        f"lower --learning-rate or --scale{kept}"
    )

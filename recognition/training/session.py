"""A training in a folder of results: its epochs, its checkpoints and its logs."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from recognition.checkpoint import save_recogniser
from recognition.config import to_json
from recognition.errors import InputError, one_line
from recognition.images import atomic_path, remove_leftovers
from recognition.metrics.verification import describe_verification
from recognition.recogniser import Recogniser
from recognition.seeds import derive_seed
from recognition.training.log import TrainingLog
from recognition.training.progress import EpochProgress, Progress
from recognition.training.state import random_state, read_state, set_random_state, write_state
from recognition.training.tensorboard_logger import TensorBoardLogger
from recognition.training.trainer import Trainer

#: Names in the folder: the network, the state to resume from, and the list of faces that were left out.
MODEL, STATE, SKIPPED = "model.safetensors", "state.pt", "unreadable.json"


class Session:
    """A training and its folder of results; call `close` at the end.

    On many ranks every rank has one, and the main rank alone writes. All read the state, so that the folder
    must be the same for all.

    Args:
        trainer: The training.
        out: The folder, which is created; the state in it is resumed from.
        save_every: Steps after which the state is saved within an epoch; None saves at the ends of epochs.

    Raises:
        InputError: If the folder cannot be created, or its state is damaged or another training's.
    """

    def __init__(self, trainer: Trainer, out: Path, *, save_every: int | None = None) -> None:
        self.trainer = trainer
        self.out = out
        self.save_every = save_every
        self.log = TrainingLog()
        #: What is done of the epoch after the finished ones.
        self.progress = Progress()
        #: The states of the random generators of each rank.
        self._random: list[dict[str, torch.Tensor]] = []
        self._group = trainer.group
        if self._group.is_main:
            try:
                out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"{out}: cannot be created ({error.strerror}); choose another --out"
                ) from None
            remove_leftovers(out)
        resumed = self._group.from_main((out / STATE).exists())
        if resumed:
            for rank in range(self._group.size):
                # One after another: each reads the whole of it before it keeps its part.
                if rank == self._group.rank:
                    self.resume()
                self._group.wait()
        elif self._group.is_main:
            with atomic_path(out / "split.json") as temporary:
                temporary.write_text(json.dumps(trainer.data.describe_split(), indent=1))
            trainer.data.skipped.write(out / SKIPPED)
        trainer.prepare_teacher(out, resumed=resumed)
        first_step = self.log.finished_epochs * trainer.steps_per_epoch + self.progress.steps
        self.tensorboard = (
            TensorBoardLogger(out / "tensorboard", first_step=first_step) if self._group.is_main else None
        )

    def close(self) -> None:
        """Close the files of events."""
        if self.tensorboard is not None:
            self.tensorboard.close()

    def train_epoch(self) -> None:
        """Train the next epoch, or what is left of it, measure the network, and save it and the state.

        The state is saved before the network is measured, so that an error there loses no epoch.

        Raises:
            InputError: If a loss or a weight is not finite, an image cannot be read and the training is to
                stop, or a file cannot be written.
        """
        trainer, epoch = self.trainer, self.log.finished_epochs
        trainer.start_epoch(resumed=self.progress.steps > 0)
        progress = EpochProgress(
            f"epoch {epoch + 1}/{trainer.options.epochs}",
            steps=trainer.steps_per_epoch,
            batch_size=trainer.options.batch_size,
            first_step=epoch * trainer.steps_per_epoch,
            tensorboard=self.tensorboard,
            done=self.progress,
        )
        with progress:
            self._train_steps(epoch, progress)
        verification = trainer.evaluate() if self._group.is_main else None
        figures = self._group.from_main(describe_verification(verification) if verification else {})
        entry = {
            "epoch": epoch + 1,
            "learning_rate": trainer.learning_rate(epoch, trainer.steps_per_epoch - 1),
            **progress.describe(),
            **figures,
        }
        self.log.append(entry, trainer.angles.counts.tolist())
        self.progress = Progress()
        self._save_network()
        self._save_state()
        if self.tensorboard is not None:
            self.log.write(self.out)
            self.tensorboard.write((epoch + 1) * trainer.steps_per_epoch - 1, **figures)
            tqdm.write(json.dumps(entry))

    def _train_steps(self, epoch: int, progress: EpochProgress) -> None:
        """Train the steps of an epoch that are left, and save the state after the last one and in between."""
        trainer = self.trainer
        first = self.progress.steps
        if first == trainer.steps_per_epoch:
            return
        for step, batch in enumerate(trainer.batches(epoch, first), first):
            if 0 < first == step:
                # The epoch began with the seed of its first step.
                self._resume_random_state(epoch, first)
            try:
                loss = trainer.step(epoch, step, *batch)
            except InputError as error:
                raise self._with_advice(error) from None
            progress.add(loss, trainer.learning_rate(epoch, step))
            is_last = step + 1 == trainer.steps_per_epoch
            if is_last or (self.save_every and (step + 1) % self.save_every == 0):
                self.progress = progress.state()
                self._save_state()

    def _resume_random_state(self, epoch: int, step: int) -> None:
        """Set the random generators as they were after the last step, which other numbers of ranks cannot."""
        group = self._group
        if len(self._random) == group.size:
            set_random_state(self._random[group.rank], group.device)
        else:
            torch.manual_seed(
                derive_seed("resumed", self.trainer.options.seed, epoch, step, group.rank, group.size)
            )

    def _with_advice(self, error: InputError) -> InputError:
        has_network = self.log.finished_epochs > 0
        return InputError(
            f"{error} (the last finished epoch is kept in {self.out})" if has_network else str(error)
        )

    def _save_network(self) -> None:
        trainer = self.trainer
        with trainer.state.averaged():
            recogniser = trainer.recogniser()
            if self._group.is_main:
                self._write_network(recogniser)

    def _write_network(self, recogniser: Recogniser) -> None:
        trainer = self.trainer
        extra = {"mean_face": trainer.data.mean_face, **trainer.head.extra_tensors()}
        notes = {
            "training": to_json(trainer.options),
            **({"started_from": trainer.started_from} if trainer.started_from else {}),
            **({"teacher": trainer.teacher.describe()} if trainer.teacher else {}),
            **({"unlabelled_images": trainer.data.unlabelled} if trainer.data.unlabelled else {}),
            "last_epoch": self.log.entries[-1],
            "split": trainer.data.describe_split(),
        }
        save_recogniser(self.out / MODEL, recogniser, extra=extra, notes=notes)

    def _save_state(self) -> None:
        """Write the state, whole or not at all.

        Raises:
            InputError: If a weight is not finite, or the file cannot be written.
        """
        trainer = self.trainer
        endless = sum(not bool(one.isfinite().all()) for one in trainer.modules.parameters())
        if self._group.total(np.array([float(endless)]))[0]:
            raise InputError(
                f"{self.out / STATE}: expected finite weights, got others: the training diverged; lower "
                "--learning-rate or --scale (what was saved before is kept)"
            )
        content = trainer.state.collect()
        skipped = trainer.data.skipped
        for names in self._group.objects(skipped.later):
            skipped.add_names(names)
        content["log"] = self.log.to_json()
        content["progress"] = asdict(self.progress)
        content["angles"] = trainer.angles.counts.tolist()
        # Every epoch begins with a seed of its own.
        random = self._group.objects(random_state(trainer.device)) if self.progress.steps else []
        content["random"] = random
        if self.tensorboard is not None:
            write_state(self.out / STATE, identity=trainer.identity(), content=content)
            skipped.write(self.out / SKIPPED)
            self.tensorboard.flush()

    def resume(self) -> None:
        """Load the state that an earlier run saved, and write its log again in case that is missing.

        Raises:
            InputError: If the state is damaged, or another training's.
        """
        path, trainer = self.out / STATE, self.trainer
        state = read_state(path, identity=trainer.identity())
        try:
            trainer.state.load(state)
            self.log.load_json(state["log"])
            self.progress = Progress(**state["progress"])
            trainer.angles.load(state["angles"])
            self._random = list(state["random"])
        except Exception as error:
            # A file that contradicts itself raises whatever torch does.
            raise InputError(
                f"{path}: damaged training state ({one_line(error)}); remove it or choose another --out"
            ) from None
        trainer.data.skipped.load_later(self.out / SKIPPED)
        if self.log.finished_epochs and self._group.is_main:
            self.log.write(self.out)

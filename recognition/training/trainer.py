"""The training loop: aligned faces in, a network with its class centres out."""

import functools
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.data.dataset import AlignedFaces, epoch_order, labelled
from recognition.data.embedding import embed_files
from recognition.data.folders import Split, split_identities
from recognition.data.sources import open_source
from recognition.errors import InputError, one_line
from recognition.heads import SubCentreArcFaceHead, build_head
from recognition.heads.margins import angles_of
from recognition.images import atomic_path, remove_leftovers, resized
from recognition.losses import build_auxiliary_loss
from recognition.metrics.verification import Verification, describe_verification, verify
from recognition.options import DeviceName, TrainingOptions, TrainingPrecision
from recognition.recogniser import EMBEDDING_BATCH, Preprocessing, Recogniser, Source
from recognition.runtime import choose_device, choose_dtype, peak_memory
from recognition.training.tensorboard_logger import TensorBoardLogger
from recognition.training.warm_start import load_initial_weights

#: Gradients of the head's first steps are large; InsightFace clips them at this norm too.
CLIP_NORM = 5.0
#: Share of all steps in which the margin rises from zero.
MARGIN_WARM_UP = 0.3
#: Of the polynomial schedule, as in arcface_torch.
POLYNOMIAL_POWER = 2
#: Steps of a dry run, and how many of them come before its clock starts.
DRY_STEPS = 20
DRY_WARM_UP = 2
#: Of the histogram of angles to the own centre, 0 to 180 degrees.
ANGLE_BINS = 180


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: TrainingOptions,
    *,
    device: DeviceName = "auto",
    precision: TrainingPrecision = "auto",
    workers: int = 0,
    keep_images: bool = False,
    stop_after: int | None = None,
    start_from: str | os.PathLike[str] | None = None,
) -> Path:
    """Train on aligned faces; go on from OUT/state.pt if a run with the same options left one.

    A run that goes on may have another number of epochs: its schedule is that of the new number.

    Writes to `out`: model.safetensors (after each epoch), log.jsonl (a line an epoch), split.json,
    state.pt, angles.json (how many training images had which angle to their centre, each epoch), and
    events for TensorBoard, a loss, learning rate and images/s a step.

    Args:
        data: a folder per identity, or a list (see recognition/data/sources.py).
        workers: processes that read images; 0 reads them in this one.
        keep_images: whether to keep decoded images in memory, 37 kB each (and each worker).
        stop_after: the epoch after which to stop, to go on later.
        start_from: a network whose weights are the first, see warm_start.py; random ones without it.
            If the head begins with its centres, the margin is whole from the first step on.

    Returns:
        The path of the network.

    Raises:
        InputError: no data, options out of range, a start that does not fit, a state of other options, or a
            loss that is no longer finite.
    """
    if stop_after is not None and stop_after < 1:
        raise InputError(f"stop after: expected an epoch, 1 or later, got {stop_after}")
    run = _Run(
        Path(data),
        options,
        device=device,
        precision=precision,
        workers=workers,
        keep_images=keep_images,
        start_from=start_from,
    )
    run.open(Path(out))
    try:
        for epoch in range(run.finished_epochs, min(options.epochs, stop_after or options.epochs)):
            run.train_epoch(epoch)
    finally:
        run.board.close()
    return run.model_path


@dataclass(frozen=True)
class DryRun:
    """What a training would cost: images a second, peak memory in bytes, seconds of the whole."""

    images_per_second: float
    memory: int
    seconds: float


def dry_run(
    data: str | os.PathLike[str],
    options: TrainingOptions,
    *,
    device: DeviceName = "auto",
    precision: TrainingPrecision = "auto",
    workers: int = 0,
    start_from: str | os.PathLike[str] | None = None,
) -> DryRun:
    """Train `DRY_STEPS` steps and write nothing; with a smaller start size, so many of either size.

    The time of the whole includes the figures after each epoch.

    Raises:
        InputError: as `train`.
    """
    run = _Run(
        Path(data), options, device=device, precision=precision, workers=workers, start_from=start_from
    )
    return run.dry_run()


class _Run:
    """One training: everything that lives from epoch to epoch."""

    def __init__(
        self,
        data: Path,
        options: TrainingOptions,
        *,
        device: DeviceName,
        precision: TrainingPrecision,
        workers: int,
        keep_images: bool = False,
        start_from: str | os.PathLike[str] | None = None,
    ) -> None:
        if workers < 0:
            raise InputError(f"workers: expected 0 or more processes, got {workers}")
        self.options = options
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, precision)
        self.workers = workers
        source = open_source(data)
        self.read = source.read
        self.split = split_identities(source.identities, held_out=options.held_out, seed=options.seed)
        self.class_names = tuple(sorted(self.split.train))
        self.dataset = AlignedFaces(
            labelled(self.split.train),
            seed=options.seed,
            read=source.read,
            augment=options.augmentation,
            keep=keep_images,
        )
        self.labels = np.array([label for _, label in self.dataset.samples])
        self.steps_per_epoch = len(self.dataset) // options.batch_size
        if self.steps_per_epoch < 1:
            raise InputError(
                f"batch size: expected at most the {len(self.dataset)} training images, got "
                f"{options.batch_size}; use a smaller --batch-size"
            )
        torch.manual_seed(options.seed)
        backbone_options = options.architecture()
        if options.network.startswith("iresnet"):
            backbone_options["dropout"] = options.dropout
        self.backbone = build_backbone(backbone_options.pop("network"), **backbone_options)
        # oneDNN's backward pass of strided 1x1 convolutions of fewer than 8 channels writes beyond its
        # memory in this layout (seen in torch 2.14, AVX2).
        self.layout = torch.channels_last if options.width >= 1 / 8 else torch.contiguous_format
        self.backbone.to(self.device).to(memory_format=self.layout)
        sizes = (options.embedding_size, len(self.class_names))
        self.head = build_head(options.head, *sizes, scale=options.scale, margin=options.margin)
        self.head.label_smoothing = options.label_smoothing
        self.terms = nn.ModuleList(build_auxiliary_loss(spec, *sizes) for spec in options.terms)
        self._check_pairs()
        self.started_from: dict[str, Any] = {}
        if start_from is not None:
            self.started_from = load_initial_weights(
                start_from,
                self.backbone,
                self.head,
                class_names=self.class_names,
                held_out=self.split.held_out,
                seed=options.seed,
            )
        self.head.to(self.device)
        self.terms.to(self.device)
        self.optimiser = torch.optim.SGD(
            [*self.backbone.parameters(), *self.head.parameters()],
            lr=options.learning_rate,
            momentum=0.9,
            weight_decay=options.weight_decay,
        )
        # Small gradients vanish in float16 unless the loss is scaled; elsewhere this does nothing.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.log: list[dict[str, Any]] = []
        self.angles: list[list[int]] = []

    def _check_pairs(self) -> None:
        needy = [
            spec
            for spec, term in zip(self.options.terms, self.terms, strict=True)
            if getattr(term, "needs_pairs", False)
        ]
        if not needy:
            return
        if np.bincount(self.labels).max() < 2:
            raise InputError(
                f"term {needy[0]}: expected an identity with two training images, got one image each; "
                "use another term or more images"
            )
        if self.options.images_per_identity < 2:
            raise InputError(
                f"term {needy[0]}: expected batches with several images of an identity, got "
                f"--images-per-identity {self.options.images_per_identity}; use 2 or more"
            )

    def open(self, out: Path) -> None:
        """Make the folder of results, or go on from the state in it.

        Raises:
            InputError: the folder cannot be made, or its state is damaged or another training's.
        """
        self.out = out
        self.model_path = out / "model.safetensors"
        self.state_path = out / "state.pt"
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be made ({error.strerror}); choose another --out") from None
        remove_leftovers(out)
        if self.state_path.exists():
            self._resume()
        else:
            with atomic_path(out / "split.json") as temporary:
                temporary.write_text(json.dumps(describe_split(self.split, self.options.seed), indent=1))
        self.board = TensorBoardLogger(
            out / "tensorboard", first_step=self.finished_epochs * self.steps_per_epoch
        )

    @property
    def finished_epochs(self) -> int:
        return len(self.log)

    def _resume(self) -> None:
        # A file of our own making, yet read as a stranger's.
        try:
            state = torch.load(self.state_path, map_location=self.device, weights_only=True)
            begun_options, begun_classes = state["options"], state["class_names"]
        except Exception as error:
            # A damaged pickle stream may raise anything the unpickler's tables do.
            raise InputError(
                f"{self.state_path}: damaged training state ({type(error).__name__}); choose another --out, "
                "or remove it"
            ) from None
        # Only the length may change: the schedule is then that of the new length, from there on. Options
        # that came after the state was written had their defaults then.
        defaults = asdict(TrainingOptions())
        begun, asked = ({**defaults, **o, "epochs": 0} for o in (begun_options, asdict(self.options)))
        same_start = state.get("started_from", {}) == self.started_from
        if begun != asked or begun_classes != self.class_names or not same_start:
            raise InputError(
                f"{self.state_path}: expected the state of a training with these options and data, got "
                "another's; choose another --out, or remove it"
            )
        self.backbone.load_state_dict(state["backbone"])
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.terms.load_state_dict(state.get("terms", {}))
        if scaler := state.get("scaler"):
            self.scaler.load_state_dict(scaler)
        self.log = json.loads(state["log"])
        self.angles = json.loads(state.get("angles", "[]"))
        self._write_log()

    def train_epoch(self, epoch: int) -> None:
        self.backbone.train()
        self.head.train()
        total_loss, start = 0.0, time.monotonic()
        self.histogram = np.zeros(ANGLE_BINS, dtype=np.int64)
        with tqdm(
            total=self.steps_per_epoch * self.options.batch_size,
            desc=f"epoch {epoch + 1}/{self.options.epochs}",
            unit="image",
        ) as bar:
            begun = start
            for step, (images, labels) in enumerate(self._batches(epoch)):
                loss = self._step(epoch, step, images, labels)
                total_loss += loss
                now = time.monotonic()
                self.board.write(
                    epoch * self.steps_per_epoch + step,
                    loss=loss,
                    learning_rate=self._learning_rate(epoch, step),
                    images_per_second=len(images) / (now - begun),
                )
                begun = now
                bar.update(len(images))
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        seconds = time.monotonic() - start
        figures = self.evaluate()
        described = describe_verification(figures) if figures else {}
        self.log.append(
            {
                "epoch": epoch + 1,
                "loss": round(total_loss / self.steps_per_epoch, 5),
                "learning_rate": self._learning_rate(epoch, self.steps_per_epoch - 1),
                "images_per_second": round(self.steps_per_epoch * self.options.batch_size / seconds, 1),
                "seconds": round(seconds, 1),
                **described,
            }
        )
        self.angles.append(self.histogram.tolist())
        self._save()
        self.board.write((epoch + 1) * self.steps_per_epoch - 1, **described)
        tqdm.write(json.dumps(self.log[-1]))

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
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
        # Dropout draws from this; with the epoch in the seed a resumed run draws the same.
        torch.manual_seed(self.options.seed * 1_000_003 + epoch)
        size = self._size(epoch)
        for images, labels in loader:
            images = images.to(self.device).contiguous(memory_format=self.layout)
            yield resized(images, size), labels.to(self.device)

    def _size(self, epoch: int) -> int:
        full = self.options.image_size
        return min(self.options.start_size, full) if epoch < self.options.epochs // 2 else full

    def _step(self, epoch: int, step: int, images: Tensor, labels: Tensor) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(epoch, step)
        done = (epoch * self.steps_per_epoch + step) / (self.options.epochs * self.steps_per_epoch)
        # The margin waits for centres to find their places; those of another network are there.
        share = 1.0 if self.started_from.get("centres") else min(1.0, done / MARGIN_WARM_UP)
        self.optimiser.zero_grad()
        parts = self.options.accumulate
        value = 0.0
        for part, part_labels in zip(images.chunk(parts), labels.chunk(parts), strict=True):
            loss = self._loss(part, part_labels, share) / parts
            value += float(loss.detach())
            if not math.isfinite(value):
                raise InputError(
                    f"loss: expected a finite number, got {value} at epoch {epoch + 1}, step {step + 1}; "
                    f"lower --learning-rate or --scale{self._what_is_kept()}"
                )
            self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_([*self.backbone.parameters(), *self.head.parameters()], CLIP_NORM)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return value

    def _loss(self, images: Tensor, labels: Tensor, share: float) -> Tensor:
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            embeddings = self.backbone((images - 0.5) / 0.5)
        embeddings = embeddings.float()
        loss = self.head.loss(embeddings, labels, share)
        centres = self.head.centres
        for term in self.terms:
            loss = loss + term.weight * term(embeddings, labels, centres)
        with torch.no_grad():
            degrees = angles_of((F.normalize(embeddings) * centres[labels]).sum(1)).rad2deg()
            counts = torch.histc(degrees, bins=ANGLE_BINS, min=0, max=180)
            self.histogram += counts.cpu().numpy().astype(np.int64)
        return loss

    def _what_is_kept(self) -> str:
        return f" (the last good epoch is kept in {self.out})" if self.log else ""

    def _learning_rate(self, epoch: int, step: int) -> float:
        total = self.options.epochs * self.steps_per_epoch
        return learning_rate(self.options, epoch * self.steps_per_epoch + step, total)

    def dry_run(self) -> DryRun:
        """See the function of this name."""
        epochs = {self._size(epoch): epoch for epoch in range(self.options.epochs)}
        self.backbone.train()
        self.head.train()
        self.histogram = np.zeros(ANGLE_BINS, dtype=np.int64)
        seconds, images, spent = 0.0, 0, 0.0
        for size, epoch in epochs.items():
            # A step of a schedule's middle, whatever the data's length: the rate must not be zero.
            batches = self._endless_batches(epoch)
            for step in range(DRY_STEPS):
                if step == DRY_WARM_UP:
                    start = time.monotonic()
                self._step(epoch, min(step, self.steps_per_epoch - 1), *next(batches))
            took = time.monotonic() - start
            timed = DRY_STEPS - DRY_WARM_UP
            images, spent = images + timed * self.options.batch_size, spent + took
            as_large = sum(self._size(other) == size for other in range(self.options.epochs))
            seconds += as_large * self.steps_per_epoch * took / timed
        held_out = [key for key, _ in labelled(self.split.held_out)]
        if held_out:
            start = time.monotonic()
            self._embed(held_out[:EMBEDDING_BATCH])
            share = len(held_out) / min(len(held_out), EMBEDDING_BATCH)
            seconds += self.options.epochs * share * (time.monotonic() - start)
        return DryRun(images / spent, peak_memory(self.device), seconds)

    def _endless_batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self._batches(epoch)

    def recogniser(self) -> Recogniser:
        return Recogniser(
            self.backbone,
            name=self.options.network,
            centres=self.head.centres.detach(),
            class_names=self.class_names,
            scale=self.options.scale,
            margin=self.head.angular_margin,
            preprocessing=Preprocessing(input_size=self.options.image_size),
            source=Source(architecture=self.options.architecture()),
        ).to(self.device)

    def evaluate(self) -> Verification | None:
        """Figures on the held-out people; None where there are too few of them for figures."""
        samples = labelled(self.split.held_out)
        labels = np.array([label for _, label in samples])
        if not len(labels):
            return None
        embeddings = self._embed([key for key, _ in samples])
        try:
            return verify(embeddings, labels)
        except InputError:
            return None

    def _embed(self, keys: list[Path]) -> NDArray[np.float32]:
        self.backbone.eval()
        return embed_files(self.recogniser().eval(), keys, read=self.read, dtype=self.dtype)

    def _save(self) -> None:
        save_recogniser(
            self.model_path,
            self.recogniser(),
            extra={"mean_face": self._mean_face, **self._subcentres()},
            notes={
                "training": asdict(self.options),
                **({"started_from": self.started_from} if self.started_from else {}),
                "last_epoch": self.log[-1],
                "split": describe_split(self.split, self.options.seed),
            },
        )
        state = {
            "options": asdict(self.options),
            "class_names": self.class_names,
            "started_from": self.started_from,
            "backbone": self.backbone.state_dict(),
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "terms": self.terms.state_dict(),
            "scaler": self.scaler.state_dict(),
            "log": json.dumps(self.log),
            "angles": json.dumps(self.angles),
        }
        with atomic_path(self.state_path) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:
                # torch's writer has no other error for a disk that is full.
                raise InputError(
                    f"{self.state_path}: cannot be written ({one_line(error)}); free some space and go on"
                ) from None
        self._write_log()

    def _subcentres(self) -> dict[str, Tensor]:
        if isinstance(self.head, SubCentreArcFaceHead):
            return {"subcentres": self.head.subcentres.detach()}
        return {}

    @functools.cached_property
    def _mean_face(self) -> Tensor:
        """The mean face of the training split, (3, side, side) in [0, 1], mirrored copies included."""
        total = sum(self.read(key).double() for key, _ in self.dataset.samples)
        mean = torch.as_tensor(total) / len(self.dataset)
        mean = (mean + mean.flip(-1)) / 2
        return resized(mean[None], self.options.image_size)[0].float()

    def _write_log(self) -> None:
        with atomic_path(self.out / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.log))
        with atomic_path(self.out / "angles.json") as temporary:
            temporary.write_text(json.dumps({"bins": ANGLE_BINS, "degrees": 180, "epochs": self.angles}))


def learning_rate(options: TrainingOptions, step: int, steps: int) -> float:
    """The learning rate of a step: a straight rise, then a cosine or polynomial fall to zero."""
    warm_up = max(1, round(steps * options.warm_up))
    if step < warm_up:
        return options.learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / (steps - warm_up)
    if options.schedule == "polynomial":
        return options.learning_rate * (1 - progress) ** POLYNOMIAL_POWER
    return options.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def describe_split(split: Split, seed: int) -> dict[str, Any]:
    """The split as it is written beside a network."""
    return {
        "seed": seed,
        "train_identities": len(split.train),
        "train_images": sum(map(len, split.train.values())),
        "held_out": sorted(split.held_out),
        "reserved": {name: path.name for name, path in split.reserved.items()},
    }

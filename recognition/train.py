"""The training loop: aligned folders in, a network with its class centres out."""

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.data.dataset import AlignedFaces, labelled, read_aligned
from recognition.data.folders import Split, read_folders, split_identities
from recognition.errors import InputError
from recognition.heads import ArcFaceHead
from recognition.images import atomic_path
from recognition.options import DeviceName, Precision, TrainingOptions
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, Source, embed
from recognition.runtime import choose_device, choose_dtype
from recognition.verification import Verification, describe_verification, verify

#: Gradients of the head's first steps are large; InsightFace clips them at this norm too.
CLIP_NORM = 5.0
#: Share of all steps in which the learning rate, and then the margin, rise from zero.
LR_WARM_UP = 0.05
MARGIN_WARM_UP = 0.3


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: TrainingOptions,
    *,
    device: DeviceName = "auto",
    precision: Precision = "auto",
    workers: int = 0,
    stop_after: int | None = None,
) -> Path:
    """Train on aligned folders; go on from OUT/state.pt if a run with the same options left one.

    A run that goes on may have another number of epochs: its schedule is that of the new number.

    Writes to `out`: model.safetensors (after each epoch), log.jsonl (a line an epoch), split.json,
    state.pt.

    Args:
        workers: processes that read images; 0 reads them in this one.
        stop_after: the epoch after which to stop, to go on later.

    Returns:
        The path of the network.

    Raises:
        InputError: no data, options out of range, a state of other options, or a loss that is no
            longer finite.
    """
    if stop_after is not None and stop_after < 1:
        raise InputError(f"stop after: expected an epoch, 1 or later, got {stop_after}")
    if workers < 0:
        raise InputError(f"workers: expected 0 or more processes, got {workers}")
    run = _Run(Path(data), Path(out), options, device=device, precision=precision, workers=workers)
    for epoch in range(run.finished_epochs, min(options.epochs, stop_after or options.epochs)):
        run.train_epoch(epoch)
    return run.model_path


class _Run:
    """One training: everything that lives from epoch to epoch."""

    def __init__(
        self,
        data: Path,
        out: Path,
        options: TrainingOptions,
        *,
        device: DeviceName,
        precision: Precision,
        workers: int,
    ) -> None:
        self.options = options
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, precision)
        self.workers = workers
        self.split = split_identities(read_folders(data), held_out=options.held_out, seed=options.seed)
        self.class_names = tuple(sorted(self.split.train))
        self.dataset = AlignedFaces(labelled(self.split.train), seed=options.seed)
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
        self.head = ArcFaceHead(
            options.embedding_size, len(self.class_names), scale=options.scale, margin=options.margin
        ).to(self.device)
        self.optimiser = torch.optim.SGD(
            [*self.backbone.parameters(), *self.head.parameters()],
            lr=options.learning_rate,
            momentum=0.9,
            weight_decay=options.weight_decay,
        )
        self.out = out
        self.model_path = out / "model.safetensors"
        self.state_path = out / "state.pt"
        self.log: list[dict[str, Any]] = []
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be made ({error.strerror}); choose another --out") from None
        if self.state_path.exists():
            self._resume()
        else:
            with atomic_path(out / "split.json") as temporary:
                temporary.write_text(json.dumps(describe_split(self.split, options.seed), indent=1))

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
        # Only the length may change: the schedule is then that of the new length, from there on.
        begun, asked = ({**options, "epochs": 0} for options in (begun_options, asdict(self.options)))
        if begun != asked or begun_classes != self.class_names:
            raise InputError(
                f"{self.state_path}: expected the state of a training with these options and data, got "
                "another's; choose another --out, or remove it"
            )
        self.backbone.load_state_dict(state["backbone"])
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.log = json.loads(state["log"])
        self._write_log()

    def train_epoch(self, epoch: int) -> None:
        self.backbone.train()
        total_loss, start = 0.0, time.monotonic()
        with tqdm(
            total=self.steps_per_epoch * self.options.batch_size,
            desc=f"epoch {epoch + 1}/{self.options.epochs}",
            unit="image",
        ) as bar:
            for step, (images, labels) in enumerate(self._batches(epoch)):
                loss = self._step(epoch, step, images, labels)
                total_loss += loss
                bar.update(len(images))
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        seconds = time.monotonic() - start
        figures = self.evaluate()
        self.log.append(
            {
                "epoch": epoch + 1,
                "loss": round(total_loss / self.steps_per_epoch, 5),
                "learning_rate": self._learning_rate(epoch, self.steps_per_epoch - 1),
                "images_per_second": round(self.steps_per_epoch * self.options.batch_size / seconds, 1),
                "seconds": round(seconds, 1),
                **(describe_verification(figures) if figures else {}),
            }
        )
        self._save()
        tqdm.write(json.dumps(self.log[-1]))

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        self.dataset.epoch = epoch
        order = np.random.default_rng([self.options.seed, epoch]).permutation(len(self.dataset))
        loader = DataLoader(
            self.dataset,
            batch_size=self.options.batch_size,
            sampler=order.tolist(),
            num_workers=self.workers,
            drop_last=True,
        )
        # Dropout draws from this; with the epoch in the seed a resumed run draws the same.
        torch.manual_seed(self.options.seed * 1_000_003 + epoch)
        size = self.options.start_size if epoch < self.options.epochs // 2 else None
        for images, labels in loader:
            images = images.to(self.device).contiguous(memory_format=self.layout)
            if size is not None and size != images.shape[-1]:
                images = F.interpolate(images, size, mode="bilinear", antialias=True)
            yield images, labels.to(self.device)

    def _step(self, epoch: int, step: int, images: Tensor, labels: Tensor) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(epoch, step)
        done = (epoch * self.steps_per_epoch + step) / (self.options.epochs * self.steps_per_epoch)
        margin = self.options.margin * min(1.0, done / MARGIN_WARM_UP)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            embeddings = self.backbone((images - 0.5) / 0.5)
        loss = F.cross_entropy(self.head(embeddings.float(), labels, margin), labels)
        if not math.isfinite(value := float(loss.detach())):
            raise InputError(
                f"loss: expected a finite number, got {value} at epoch {epoch + 1}, step {step + 1}; lower "
                f"--learning-rate or --scale (the last good epoch is kept in {self.out})"
            )
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*self.backbone.parameters(), *self.head.parameters()], CLIP_NORM)
        self.optimiser.step()
        return value

    def _learning_rate(self, epoch: int, step: int) -> float:
        total = self.options.epochs * self.steps_per_epoch
        warm_up = max(1, round(total * LR_WARM_UP))
        done = epoch * self.steps_per_epoch + step
        if done < warm_up:
            return self.options.learning_rate * (done + 1) / warm_up
        return self.options.learning_rate * (1 + math.cos(math.pi * (done - warm_up) / (total - warm_up))) / 2

    def recogniser(self) -> Recogniser:
        return Recogniser(
            self.backbone,
            name=self.options.network,
            centres=self.head.centres.detach(),
            class_names=self.class_names,
            scale=self.options.scale,
            margin=self.options.margin,
            source=Source(architecture=self.options.architecture()),
        ).to(self.device)

    def evaluate(self) -> Verification | None:
        """Figures on the held-out people; None where there are too few of them for figures."""
        samples = labelled(self.split.held_out)
        labels = np.array([label for _, label in samples])
        if not len(labels):
            return None
        loader = DataLoader(AlignedFaces(samples), batch_size=EMBEDDING_BATCH)
        self.backbone.eval()
        embeddings = embed(self.recogniser().eval(), (images for images, _ in loader), dtype=self.dtype)
        try:
            return verify(embeddings, labels)
        except InputError:
            return None

    def _save(self) -> None:
        save_recogniser(
            self.model_path,
            self.recogniser(),
            extra={"mean_face": self._mean_face()},
            notes={
                "training": asdict(self.options),
                "last_epoch": self.log[-1],
                "split": describe_split(self.split, self.options.seed),
            },
        )
        state = {
            "options": asdict(self.options),
            "class_names": self.class_names,
            "backbone": self.backbone.state_dict(),
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "log": json.dumps(self.log),
        }
        with atomic_path(self.state_path) as temporary:
            torch.save(state, temporary)
        self._write_log()

    def _mean_face(self) -> Tensor:
        """The mean aligned face of the training split, (3, 112, 112) in [0, 1], mirrored copies included."""
        if not hasattr(self, "_mean_face_once"):
            total = torch.zeros(3, *[self.recogniser().input_size] * 2, dtype=torch.float64)
            for path, _ in self.dataset.samples:
                total += read_aligned(path)
            mean = total / len(self.dataset)
            self._mean_face_once = ((mean + mean.flip(-1)) / 2).float()
        return self._mean_face_once

    def _write_log(self) -> None:
        with atomic_path(self.out / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.log))


def describe_split(split: Split, seed: int) -> dict[str, Any]:
    """The split as it is written beside a network."""
    return {
        "seed": seed,
        "train_identities": len(split.train),
        "train_images": sum(map(len, split.train.values())),
        "held_out": sorted(split.held_out),
        "reserved": {name: path.name for name, path in split.reserved.items()},
    }

"""Learn: train a decoder for a network, epoch by epoch, into a file that attacks find."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.knowledge.decoder import CHANNELS
from arcinvert.knowledge.decoder_file import default_path, save_decoder
from arcinvert.learning.faces import OnFace, TrainingFaces, templates_of
from arcinvert.learning.options import LearningOptions
from arcinvert.learning.trainer import DecoderTrainer, StepLosses
from recognition.checkpoint import read_safetensors, write_safetensors
from recognition.errors import InputError, one_line
from recognition.images import remove_leftovers, to_uint8, write_png
from recognition.recogniser import Recogniser
from recognition.runtime import peak_memory
from recognition.training.state import read_state, write_state
from recognition.training.tensorboard_logger import TensorBoardLogger

#: Epochs where neither their number nor a duration is given.
DEFAULT_EPOCHS = 12
#: Steps that measure the speed, after some that are slower.
_TIMED_STEPS, _WARM_UP_STEPS = 16, 2
#: Steps between two entries of losses in TensorBoard.
_LOGGED = 10
#: Files of the folder of a training.
STATE_NAME, TEMPLATES_NAME, PICTURES_NAME = "state.pt", "templates.safetensors", "faces.png"

#: Makes the faces, at the side in pixels that it is given.
FaceSource = Callable[[int], TrainingFaces]


@dataclass(frozen=True)
class Cost:
    """What a training would cost.

    Args:
        images_per_second: Throughput of a few steps.
        memory: Peak memory, bytes.
        epochs: The number of epochs.
        seconds: Duration of all epochs.
    """

    images_per_second: float
    memory: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Learned:
    """A finished training, or a part of one.

    Args:
        path: The decoder's file.
        folder: The folder of its state, its pictures and its TensorBoard events.
        log: The figures of each epoch.
    """

    path: Path
    folder: Path
    log: list[dict[str, Any]]


def learn(
    recogniser: Recogniser,
    source: FaceSource,
    options: LearningOptions,
    *,
    out: Path | None = None,
    dtype: torch.dtype = torch.float32,
    stop_after: int | None = None,
    channels: tuple[int, ...] = CHANNELS,
    progress: OnFace = lambda done, total: None,
) -> Learned:
    """Train a decoder on faces, or go on with the training whose state lies beside `out`.

    After each epoch the decoder, the state and a picture are written, each whole or not at all. A training
    that was interrupted goes on from its last epoch, and ends with the same decoder.

    Args:
        recogniser: The attacked network, frozen, on the device that computes.
        source: Makes the faces; called once.
        options: Everything that decides the result.
        out: The file to write; None writes beside the network, where attacks look.
        dtype: The floating-point type of the inner computation.
        stop_after: The epoch, from 1, after which to stop; a later call goes on.
        channels: The channels of the decoder's levels.
        progress: Receives the number of faces that are embedded, and of all.

    Raises:
        InputError: If there are too few faces, nowhere to write, or the state is another training's.
    """
    path = out or default_path(recogniser)
    if path is None:
        raise InputError(f"{recogniser.name}: expected --out, for a network that is not one file")
    if path.suffix != ".safetensors":
        raise InputError(f"out: expected a file that ends with .safetensors, got {path}")
    folder = path.with_name(path.name.removesuffix(".safetensors") + ".training")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be created ({error.strerror}); choose another --out") from None
    remove_leftovers(folder)
    faces = source(recogniser.input_size)
    templates = _cached_templates(folder / TEMPLATES_NAME, recogniser, faces, dtype, progress)
    trainer = DecoderTrainer(recogniser, faces, templates, options, dtype=dtype, channels=channels)
    log = _begin(trainer, folder / STATE_NAME)
    tensorboard = TensorBoardLogger(folder / "tensorboard", first_step=len(log) * trainer.steps_per_epoch)
    try:
        for epoch in range(len(log), min(trainer.epochs, stop_after or trainer.epochs)):
            log.append(_run_epoch(trainer, epoch, tensorboard))
            _save(trainer, log, path, folder)
            tensorboard.write_picture((epoch + 1) * trainer.steps_per_epoch - 1, "faces", trainer.pictures())
    finally:
        tensorboard.close()
    return Learned(path, folder, log)


def dry_run(
    recogniser: Recogniser,
    source: FaceSource,
    options: LearningOptions,
    *,
    dtype: torch.dtype = torch.float32,
    channels: tuple[int, ...] = CHANNELS,
) -> Cost:
    """Take a few steps, write nothing, and estimate the cost of the whole training.

    Args:
        recogniser: The attacked network, frozen, on the device that computes.
        source: Makes the faces.
        options: Everything that decides the result.
        dtype: The floating-point type of the inner computation.
        channels: The channels of the decoder's levels.

    Raises:
        InputError: If there are too few faces.
    """
    faces = source(recogniser.input_size)
    generator = torch.Generator().manual_seed(0)
    # Any templates take the same time.
    templates = torch.randn(len(faces), 2, recogniser.embedding_size, generator=generator)
    templates = torch.nn.functional.normalize(templates, dim=-1)
    trainer = DecoderTrainer(recogniser, faces, templates, options, dtype=dtype, channels=channels)
    rate = _images_per_second(trainer)
    epochs = _number_of_epochs(trainer, rate)
    images = trainer.steps_per_epoch * trainer.batch_size
    return Cost(rate, peak_memory(trainer.device), epochs, epochs * images / rate)


def _begin(trainer: DecoderTrainer, state_path: Path) -> list[dict[str, Any]]:
    """Set the number of epochs, resume where there is a state, and return the log of finished epochs."""
    state = read_state(state_path, identity=trainer.identity()) if state_path.exists() else None
    given = trainer.options.epochs
    if state is None:
        measured = given is None and trainer.options.minutes is not None
        # The speed is measured with a copy: its steps must not count.
        rate = _images_per_second(_copy(trainer)) if measured else 0.0
        trainer.epochs = _number_of_epochs(trainer, rate)
        return []
    try:
        trainer.epochs = given or int(state["epochs"])
        for name, part in _stateful(trainer).items():
            part.load_state_dict(state[name])
        return list(state["log"])
    except Exception as error:
        # A file that contradicts itself raises whatever torch does.
        raise InputError(
            f"{state_path}: damaged training state ({one_line(error)}); remove it or choose another --out"
        ) from None


def _copy(trainer: DecoderTrainer) -> DecoderTrainer:
    return DecoderTrainer(
        trainer.recogniser,
        trainer.faces,
        trainer.templates,
        trainer.options,
        dtype=trainer.dtype,
        channels=trainer.decoder.channels,
    )


def _images_per_second(trainer: DecoderTrainer) -> float:
    """Return the throughput of a few steps, which change the trainer."""
    augmentation = Augmentation(shift=4, scale=0.1)
    indices = trainer.training[: trainer.batch_size]
    for number in range(_WARM_UP_STEPS + _TIMED_STEPS):
        if number == _WARM_UP_STEPS:
            start = time.monotonic()
        trainer.step(indices, indices % 2 == 0, 0.0, augmentation)
    return _TIMED_STEPS * trainer.batch_size / (time.monotonic() - start)


def _number_of_epochs(trainer: DecoderTrainer, rate: float) -> int:
    options = trainer.options
    if options.epochs is not None:
        return options.epochs
    if options.minutes is None:
        return DEFAULT_EPOCHS
    return max(1, int(60 * options.minutes * rate / (trainer.steps_per_epoch * trainer.batch_size)))


def _run_epoch(trainer: DecoderTrainer, epoch: int, tensorboard: TensorBoardLogger) -> dict[str, Any]:
    """Train one epoch, and return its figures."""
    start, first = time.monotonic(), epoch * trainer.steps_per_epoch
    losses: list[StepLosses] = []
    bar = tqdm(
        total=trainer.steps_per_epoch * trainer.batch_size,
        desc=f"epoch {epoch + 1}/{trainer.epochs}",
        unit="image",
    )
    with bar:
        for step in trainer.train_epoch(epoch):
            losses.append(step)
            bar.update(trainer.batch_size)
            bar.set_postfix(loss=f"{step.total:.3f}", refresh=False)
            if len(losses) % _LOGGED == 0:
                tensorboard.write(first + len(losses) - 1, **vars(step))
    seconds = time.monotonic() - start
    means = {
        entry.name: round(fmean(getattr(step, entry.name) for step in losses), 5)
        for entry in fields(StepLosses)
    }
    figures = trainer.validate()
    tensorboard.write(first + len(losses) - 1, **figures)
    rate = round(len(losses) * trainer.batch_size / seconds, 1)
    entry = {"epoch": epoch + 1, **means, **figures, "images_per_second": rate, "seconds": round(seconds, 1)}
    tqdm.write(str(entry))
    return entry


def _save(trainer: DecoderTrainer, log: list[dict[str, Any]], path: Path, folder: Path) -> None:
    """Write the decoder, a picture, and last the state, from which a training goes on."""
    source = trainer.recogniser.source
    options = {name: value for name, value in vars(trainer.options).items() if value is not None}
    save_decoder(
        path,
        trainer.result,
        model_sha256=source.fingerprint,
        model_name=trainer.recogniser.name,
        preprocessing=trainer.recogniser.preprocessing,
        notes={"learning": options | {"epochs": trainer.epochs}, "last_epoch": log[-1]},
    )
    write_png(folder / PICTURES_NAME, to_uint8(trainer.pictures()))
    states = {name: part.state_dict() for name, part in _stateful(trainer).items()}
    content = states | {"epochs": trainer.epochs, "log": log}
    write_state(folder / STATE_NAME, identity=trainer.identity(), content=content)


def _stateful(trainer: DecoderTrainer) -> dict[str, Any]:
    return {
        "decoder": trainer.decoder,
        "averaged": trainer.averaged,
        "optimiser": trainer.optimiser,
    }


def _cached_templates(
    path: Path, recogniser: Recogniser, faces: TrainingFaces, dtype: torch.dtype, progress: OnFace
) -> Tensor:
    """Return the templates of faces, from the file where it has those of these faces and this network."""
    digest = hashlib.sha256()
    for part in faces.crops.split(1024):
        digest.update(part.numpy().tobytes())
    key = {"faces": digest.hexdigest(), "model": recogniser.source.fingerprint, "dtype": str(dtype)}
    if path.exists():
        tensors, metadata = read_safetensors(path, "a file of templates")
        if metadata == key and "templates" in tensors:
            return tensors["templates"]
    templates = templates_of(recogniser, faces, dtype=dtype, progress=progress)
    write_safetensors(path, {"templates": templates}, key)
    return templates

"""Measure a network on a folder of public faces."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from arcinvert.knowledge.activation_statistics import (
    MeasuredStatistics,
    default_path,
    measure,
    save_statistics,
)
from recognition.data.faces import read_face
from recognition.errors import InputError, NoFaceError
from recognition.images import SUFFIXES, to_tensor
from recognition.loading import ModelChoice, load
from recognition.options import DeviceName
from recognition.recogniser import EMBEDDING_BATCH
from recognition.runtime import choose_device, keep_freed_memory

#: Of the draw among more images than are wanted.
_SEED = 0


def calibrate(
    model: str | os.PathLike[str] | ModelChoice,
    images: str | os.PathLike[str],
    *,
    out: Path | None = None,
    faces: int = 4096,
    layers: str | None = None,
    keep_faces: bool = True,
    device: DeviceName = "auto",
) -> tuple[Path, MeasuredStatistics]:
    """Measure a network on the faces of a folder, and write what an attack needs.

    Args:
        images: photographs or aligned crops, in the folder or below it; of more than `faces` a seeded draw.
        out: the file to write; None writes beside the model, where attacks look.
        layers: a regular expression of layers' names.
        keep_faces: whether the file has look-alikes, which show the people: the coordinates of their faces.

    Raises:
        InputError: no face, no layer to measure, or nowhere to write.
    """
    if faces < 1:
        raise InputError(f"faces: expected at least 1, got {faces}")
    # Activations are freed batch by batch; asking the system for them anew takes half the time.
    keep_freed_memory()
    target = choose_device(device)
    recogniser = load(model).to(target)
    path = out or default_path(recogniser)
    if path is None:
        raise InputError(f"{recogniser.name}: expected --out, for a network that is not one file")
    paths = _draw(Path(images), faces)
    batches = (batch.to(target) for batch in _batches(paths, recogniser.input_size))
    statistics = measure(recogniser, batches, pattern=layers, keep_faces=keep_faces)
    save_statistics(path, statistics)
    return path, statistics


def _draw(folder: Path, faces: int) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of faces, found none; check --images")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{folder}: expected photographs of faces, found no image; check --images")
    order = np.random.default_rng(_SEED).permutation(len(found))
    return [found[index] for index in sorted(order[:faces])]


def _batches(paths: list[Path], size: int) -> Iterator[Tensor]:
    """Faces of the photographs, those with one, in batches."""
    batch: list[Tensor] = []
    for path in tqdm(paths, desc="measure", unit="face"):
        try:
            batch.append(to_tensor(read_face(path, size)))
        except NoFaceError:
            continue
        if len(batch) == EMBEDDING_BATCH:
            yield torch.stack(batch)
            batch = []
    if batch:
        yield torch.stack(batch)

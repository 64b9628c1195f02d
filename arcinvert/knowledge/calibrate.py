"""Calibrate: measure a network on public or synthetic faces, and write what an attack uses."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.public_photographs import PhotographCollector
from arcinvert.knowledge.statistics_file import default_path, save_statistics
from arcinvert.knowledge.synthetic_faces import COUNT, SEED, draw_faces
from recognition.checkpoint import sha256
from recognition.data.faces import read_face
from recognition.errors import InputError
from recognition.images import list_images_below, to_tensor
from recognition.interruption import interruptible
from recognition.loading import NETWORKS, ModelChoice, bundled_path, load
from recognition.recogniser import EMBEDDING_BATCH, Recogniser
from recognition.runtime import Device, choose_device, keep_freed_memory

#: The default of the largest number of photographs.
PHOTOGRAPHS = 4096
#: The seed of the sample where there are more images than wanted.
_SEED = 0


def calibrate(
    model: str | os.PathLike[str] | ModelChoice,
    images: str | os.PathLike[str] | None = None,
    *,
    out: Path | None = None,
    faces: int | None = None,
    layers: str | None = None,
    keep_faces: bool = True,
    device: Device = "auto",
    progress: Callable[[int, int], None] = lambda done, total: None,
    left_out: Callable[[Path], None] = lambda photograph: None,
) -> tuple[Path, MeasuredStatistics]:
    """Measure a network on the faces of a folder or on synthetic ones, and write what an attack uses.

    Args:
        model: The network.
        images: A folder of photographs or aligned crops, searched with all folders below it; None draws
            synthetic faces.
        out: The file to write; None writes beside the network, where attacks look.
        faces: The largest number of photographs, of which a sample is drawn by a fixed seed, or the number of
            synthetic faces; None takes `PHOTOGRAPHS` or `COUNT`.
        layers: A regular expression of the names of the layers to measure.
        keep_faces: Whether the file has nearest neighbours, which show the people.
        device: Where to compute.
        progress: Receives the number of images done and of all.
        left_out: Receives each photograph that is damaged or has no face; the others are measured.

    Raises:
        InputError: If there is no face, no layer to measure, or nowhere to write.
    """
    if faces is not None and faces < 1:
        raise InputError(f"faces: expected at least 1, got {faces}")
    # Activations are freed batch by batch; without this, asking the system for them anew takes half the time.
    keep_freed_memory()
    target = choose_device(device)
    recogniser = load(model).to(target)
    path = out or default_path(recogniser)
    if path is None:
        raise InputError(f"{recogniser.name}: expected --out, for a network that is not one file")
    if images is None:
        if out is None and recogniser.source.path in {str(bundled_path(name)) for name in NETWORKS}:
            raise InputError(
                f"{recogniser.name}: expected --out with synthetic faces, since the statistics beside it are "
                "of photographs, got none; give --out"
            )
        statistics = measure_synthetic(
            recogniser, faces or COUNT, pattern=layers, keep_faces=keep_faces, progress=progress
        )
    else:
        paths = _draw(Path(images), faces or PHOTOGRAPHS)
        listed = PhotographCollector()
        batches = (
            batch.to(target)
            for batch in _batches(paths, recogniser.input_size, progress, left_out, Path(images), listed)
        )
        statistics = measure(recogniser, batches, pattern=layers, keep_faces=keep_faces)
        statistics = replace(statistics, photographs=listed.result())
    save_statistics(path, statistics)
    return path, statistics


def measure_synthetic(
    recogniser: Recogniser,
    count: int = COUNT,
    *,
    seed: int = SEED,
    pattern: str | None = None,
    keep_faces: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MeasuredStatistics:
    """Return statistics of a frozen recogniser on synthetic faces.

    Args:
        recogniser: The network, on the device that computes.
        count: The number of faces.
        seed: The seed of the faces.
        pattern: A regular expression of the names of the layers to measure.
        keep_faces: Whether to keep the faces as nearest neighbours.
        progress: Receives the number of faces done and of all, often; what it raises ends the measurement.

    Raises:
        InputError: If there is no layer to measure.
    """

    done = 0

    def batches() -> Iterator[Tensor]:
        nonlocal done
        for batch in draw_faces(count, size=recogniser.input_size, seed=seed):
            yield batch.to(recogniser.device)
            done += len(batch)
            progress(done, count)

    # Within a batch too, which takes seconds with a large network.
    with interruptible(lambda: progress(done, count)):
        statistics = measure(recogniser, batches(), pattern=pattern, keep_faces=keep_faces)
    return replace(statistics, faces="synthetic faces", template_faces="synthetic faces")


def _draw(folder: Path, faces: int) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of faces, found none; check --images")
    found = list_images_below(folder)
    if not found:
        raise InputError(f"{folder}: expected photographs of faces, found no image; check --images")
    order = np.random.default_rng(_SEED).permutation(len(found))
    return [found[index] for index in sorted(order[:faces])]


def _batches(
    paths: list[Path],
    size: int,
    progress: Callable[[int, int], None],
    left_out: Callable[[Path], None],
    root: Path,
    listed: PhotographCollector,
) -> Iterator[Tensor]:
    """Yield the faces of the photographs in batches; damaged ones and those without a face are left out.

    Those that are measured are added to `listed`, as of the person whose name their folder below `root` has.
    """
    batch: list[Tensor] = []
    for number, path in enumerate(paths, 1):
        progress(number, len(paths))
        try:
            crop = read_face(path, size)
        except InputError:
            left_out(path)
            continue
        listed.add(sha256(path), crop, None if path.parent == root else path.parent.name)
        batch.append(to_tensor(crop))
        if len(batch) == EMBEDDING_BATCH:
            yield torch.stack(batch)
            batch = []
    if batch:
        yield torch.stack(batch)

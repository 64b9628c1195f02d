"""The sets of faces that benchmarks/data_free.py compares, made once each."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arcinvert import Attacker
from arcinvert.knowledge.calibrate import measure_synthetic
from arcinvert.knowledge.knowledge import load_knowledge
from arcinvert.knowledge.statistics_file import SUFFIX, load_statistics, save_statistics
from arcinvert.synthesis.options import SynthesisOptions
from arcinvert.synthesis.synthesise import synthesise
from benchmarks.drawn_faces import KINDS, draw
from benchmarks.mixed_faces import write_mixtures
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.data.lists import read_list, write_list
from recognition.images import atomic_path, list_images_below
from recognition.loading import bundled_path, load
from recognition.runtime import choose_device
from recognition.training.options import TrainingOptions

#: The sets, in the order of work.
SETS = (
    "labels",
    "real",
    "mixed",
    "mosaic",
    "gaussian",
    "symmetric",
    "regressed",
    "inverted",
    "both",
    "weights",
)


@dataclass(frozen=True)
class Scale:
    """How large sets and students are.

    Args:
        identities: Identities of a synthetic set.
        per_identity: Pictures of each.
        weights_steps: Optimiser steps of a picture by the weights alone.
        batch_size: Pictures of a synthetic set that are optimised together.
        drawn: Faces that are drawn, or mixed of photographs.
        real: Real faces, at most.
        steps: Optimiser steps of a student.
        student: Options of a student's training.
    """

    identities: int
    per_identity: int
    weights_steps: int
    batch_size: int
    drawn: int
    real: int
    steps: int
    student: TrainingOptions


_STUDENT = TrainingOptions(
    network="iresnet18",
    held_out=0,
    batch_size=16,
    optimiser="adamw",
    learning_rate=3e-3,
    augmentation="mild",
    width=1 / 4,
)
SCALES = {
    "quick": Scale(
        32, 8, 20, 32, 512, 512, 512, replace(_STUDENT, width=1 / 8, image_size=64, start_size=64)
    ),
    "full": Scale(1000, 8, 60, 32, 24_000, 24_000, 12_000, replace(_STUDENT, start_size=64)),
}


@dataclass(frozen=True)
class Setting:
    """What all sets of one run share.

    Args:
        teacher: The teacher, as `load` takes it.
        aligned: Aligned LFW.
        out: The folder of the results.
        scale: How large sets and students are.
        device: Where networks compute.
    """

    teacher: str
    aligned: Path
    out: Path
    scale: Scale
    device: str = "cpu"


def real_faces(setting: Setting) -> dict[str, list[Path]]:
    """Return photographs of the bundled network's training people, those with the most first."""
    folders = read_folders(setting.aligned)
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    found: dict[str, list[Path]] = {}
    room = setting.scale.real
    for name in sorted(set(folders) - held_out, key=lambda name: (-len(folders[name]), name)):
        # All kinds of people, also in a small set.
        chosen = folders[name][: min(room, max(1, setting.scale.real // 64))]
        if chosen:
            found[name] = chosen
            room -= len(chosen)
    return found


def make_set(name: str, setting: Setting) -> tuple[Path, float]:
    """Make a set, or what is not finished of it; return its list of faces, and the seconds it took."""
    sets = setting.out / "sets"
    sets.mkdir(parents=True, exist_ok=True)
    if name == "both":
        parts = {part: make_set(part, setting) for part in ("real", "inverted")}
        rows = [
            {**row, "identity": f"{part} {row['identity']}"}
            for part, (listed, _) in parts.items()
            for row in rows_of(read_list(listed))
        ]
        seconds = sum(cost for _, cost in parts.values())
    elif name in ("labels", "real"):
        rows, seconds = rows_of(real_faces(setting)), 0.0
    elif name == "mixed":
        faces = real_faces(setting)
        paths = [path for own in faces.values() for path in own]
        folder = sets / name
        folder.mkdir(exist_ok=True)
        _, seconds = spend(
            setting.out / "cost" / "mixed-set.json",
            lambda: write_mixtures(paths, setting.scale.drawn, folder),
        )
        rows = rows_of(faces) + _nobodies(folder)
    else:
        rows, seconds = _made(name, setting, sets / name)
    listed = sets / f"{name}.csv"
    write_list(listed, rows)
    return listed, seconds


def _made(name: str, setting: Setting, folder: Path) -> tuple[list[dict[str, str]], float]:
    """Make a set that is not of photographs."""
    cost = setting.out / "cost" / f"{name}-set.json"
    if name in KINDS:
        _, seconds = spend(cost, lambda: draw(name, setting.scale.drawn, folder))
        return _nobodies(folder), seconds
    attacker, measuring = attacker_of(setting, measured=name != "weights")
    options = synthesis_options(name, setting.scale)
    _, seconds = spend(cost, lambda: synthesise(attacker, options, folder))
    return rows_in(folder / "faces"), measuring + seconds


def synthesis_options(name: str, scale: Scale) -> SynthesisOptions:
    """Return the options of one of the synthetic sets."""
    common = SynthesisOptions(
        identities=scale.identities, per_identity=scale.per_identity, batch_size=scale.batch_size
    )
    if name == "weights":
        return replace(common, knowledge="weights", steps=scale.weights_steps)
    return replace(common, steps=0 if name == "regressed" else None)


def attacker_of(setting: Setting, *, measured: bool) -> tuple[Attacker, float]:
    """Return an attacker who has the teacher and the shipped face PCA, and no photograph.

    Args:
        setting: What all sets share.
        measured: Whether the teacher is measured on synthetic faces, once for all sets.

    Returns:
        The attacker, and the seconds of the measurement.
    """
    recogniser = load(setting.teacher).to(choose_device(setting.device))
    knowledge = replace(load_knowledge(recogniser), statistics=None, decoder=None)
    seconds, path = 0.0, setting.out / f"measured{SUFFIX}"
    if measured:
        cost = setting.out / "cost" / "measurement.json"
        if not path.exists():
            _, seconds = spend(cost, lambda: save_statistics(path, measure_synthetic(recogniser)))
        seconds = float(json.loads(cost.read_text()))
        knowledge = replace(knowledge, statistics=load_statistics(path))
    return Attacker(recogniser, knowledge=knowledge, device=recogniser.device), seconds


def rows_of(identities: Mapping[str, Sequence[Path]]) -> list[dict[str, str]]:
    """Return the rows of a list of faces."""
    return [{"file": str(path), "identity": name} for name, paths in identities.items() for path in paths]


def rows_in(folder: Path) -> list[dict[str, str]]:
    """Return the rows of all faces in a folder and below it."""
    paths = list_images_below(folder)
    return [{"file": str(path), "identity": path.parent.name} for path in paths]


def _nobodies(folder: Path) -> list[dict[str, str]]:
    """Return the rows of all faces in a folder and below it, each of another nobody."""
    return [{**row, "identity": row["file"]} for row in rows_in(folder)]


def spend(path: Path, work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of some work, and its seconds with those of earlier runs in `path`."""
    before = float(json.loads(path.read_text())) if path.exists() else 0.0
    start = time.monotonic()
    try:
        result = work()
    finally:
        seconds = before + time.monotonic() - start
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(round(seconds, 1)))
    return result, seconds

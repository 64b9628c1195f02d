"""The one place where an audit meets the attack."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert import api
from arcinvert.audit.options import AuditOptions
from arcinvert.evaluation.judge import to_crop_size
from arcinvert.inversion.penalties.batchnorm import statistics_layers
from arcinvert.inversion.result import Step
from arcinvert.knowledge.activation_statistics import statistics_for
from arcinvert.options import AttackOptions
from recognition.recogniser import Recogniser

#: Reconstructions of one batch; their statistics are one, so batches are of nearly one size.
BATCH = 16
#: Steps that measure an attack's speed.
_PROBE_STEPS = 4

#: Hears of every step.
Heard = Callable[[], None]


@dataclass(frozen=True)
class Attacked:
    """A batch of reconstructions.

    Args:
        images: uint8, (identities, samples, 112, 112, 3).
        similarity: (identities, samples), as the attacked network sees it.
        face_detected: (identities, samples).
        knowledge, options, environment, loss, parametrisation: what result.json says of the attack.
    """

    images: NDArray[np.uint8]
    similarity: NDArray[np.float64]
    face_detected: NDArray[np.bool_]
    knowledge: dict[str, Any]
    options: dict[str, Any]
    environment: dict[str, Any]
    loss: str
    parametrisation: str


def attack_options(options: AuditOptions, recogniser: Recogniser) -> dict[str, Any]:
    """The options of the attack; without statistics, the network's or measured, their prior is left out."""
    # Begun once each: an audit has samples, and its budget is of steps.
    chosen: dict[str, Any] = {"seed": options.seed, "samples": options.samples, "steps": options.steps}
    chosen |= {"restarts": 1} | options.attack
    faces_known = AttackOptions(**chosen).knowledge == "public-faces"
    if not statistics_layers(recogniser) and not (faces_known and statistics_for(recogniser, None)):
        chosen.setdefault("prior", "none")
    return chosen


def batches(count: int, samples: int) -> list[slice]:
    """Slices of `count` identities, as equal as can be, at most `BATCH` reconstructions each."""
    number = -(-count // max(1, BATCH // samples))
    edges = np.linspace(0, count, number + 1).round().astype(int).tolist()
    return [slice(begin, end) for begin, end in pairwise(edges)]


def attack_templates(
    templates: NDArray[np.floating[Any]],
    number: int,
    *,
    model: str,
    options: dict[str, Any],
    device: Any = "auto",
    heard: Heard = lambda: None,
) -> Attacked:
    """Reconstruct faces from templates, (n, dim), in one batch.

    Args:
        number: of the batch; the attack's random numbers follow from it and from the seed.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The attack derives its seeds from the file's name.
        path = Path(folder) / f"batch{number}.npy"
        np.save(path, templates)
        run = api.from_embedding(
            path,
            model=model,
            device=device,
            progress=_hear(heard),
            **{**options, "batch_size": len(templates) * options["samples"]},
        )
    return _attacked(run, len(templates), options["samples"])


def attack_classes(
    names: Sequence[str],
    *,
    model: str,
    options: dict[str, Any],
    device: Any = "auto",
    heard: Heard = lambda: None,
) -> Attacked:
    """Synthesise faces of classes by their centres, in one batch."""
    run = api.generate(
        class_name=names,
        model=model,
        device=device,
        progress=_hear(heard),
        **{**options, "batch_size": len(names) * options["samples"]},
    )
    return _attacked(run, len(names), options["samples"])


def seconds_per_step(recogniser: Recogniser, dim: int, *, model: str, options: AuditOptions) -> float:
    """Measured seconds of one step of a full batch on this machine, its first step left out."""
    chosen = {**attack_options(options, recogniser), "steps": _PROBE_STEPS}
    samples = int(chosen["samples"])
    templates = np.random.default_rng(0).normal(size=(max(1, BATCH // samples), dim))
    times: list[float] = []
    attack_templates(
        templates,
        0,
        model=model,
        options=chosen,
        device=options.device,
        heard=lambda: times.append(time.monotonic()),
    )
    return (times[-1] - times[0]) / (len(times) - 1)


def _hear(heard: Heard) -> Callable[[int, int, Step], None]:
    return lambda _batch, _batches, _step: heard()


def _attacked(run: api.Run, identities: int, samples: int) -> Attacked:
    if run.interrupted:
        raise KeyboardInterrupt
    shape = (identities, samples)
    images = to_crop_size(np.stack(run.images))
    return Attacked(
        images.reshape(*shape, *images.shape[1:]),
        np.array([sample["attacked_similarity"] for sample in run.samples]).reshape(shape),
        np.array([sample["judge"]["face_detected"] for sample in run.samples]).reshape(shape),
        run.result["attacker_knowledge"],
        run.result["options"],
        run.result["environment"],
        run.result["loss"],
        run.result["parametrisation"],
    )

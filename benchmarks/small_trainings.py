"""What the benchmarks that train have in common: identities of LFW, one network, one of two budgets.

The networks are trained on those identities of the bundled network's training set that have the most
photographs: 60 identities with at most 16 photographs each, unless the benchmark or its budget says
otherwise. They are measured on the bundled network's 600 held-out identities. All other identities are
outsiders. What is finished is read again, and a training goes on where it was stopped.
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from recognition.checkpoint import load_notes, load_recogniser
from recognition.data.embedding import embed_files
from recognition.data.folders import read_folders
from recognition.data.keys import labelled
from recognition.images import atomic_path
from recognition.loading import bundled_path
from recognition.losses import AUXILIARY_LOSSES
from recognition.metrics.verification import describe_verification, verify
from recognition.training.options import TrainingOptions
from recognition.training.train import train

IDENTITIES = 60
PHOTOGRAPHS = 16
#: A training with these options takes about half a minute on one core.
OPTIONS = TrainingOptions(
    network="iresnet18",
    width=1 / 8,
    embedding_size=128,
    epochs=8,
    batch_size=32,
    learning_rate=0.05,
    scale=32.0,
    held_out=0,
    start_size=32,
    image_size=32,
    augmentation="flip",
)


@dataclass(frozen=True)
class Budget:
    """How much a benchmark trains.

    Args:
        identities: Number of identities to train on, those with the most photographs.
        photographs: Largest number of photographs of each.
        options: The options of its trainings.
    """

    identities: int
    photographs: int
    options: TrainingOptions


#: `quick` takes about half a minute of one core for each network. `full` is LFW's scale: 800 identities, and
#: the size of network, images and batches that lfw-iresnet18 was trained with, which take twenty minutes or
#: more for each network.
BUDGETS = {
    "quick": Budget(IDENTITIES, PHOTOGRAPHS, OPTIONS),
    "full": Budget(
        800,
        60,
        replace(
            OPTIONS,
            width=1 / 4,
            embedding_size=256,
            epochs=20,
            batch_size=64,
            start_size=64,
            image_size=112,
            augmentation="full",
        ),
    ),
}


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of where the faces are, where the trainings go, and how much is trained."""
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the trainings and results")
    parser.add_argument(
        "--budget",
        choices=list(BUDGETS),
        default="quick",
        help="quick: half a minute for each network; full: twenty minutes or more (default: %(default)s)",
    )


@dataclass(frozen=True)
class People:
    """Photographs by identity: to train on and to measure on, and those of all other identities."""

    train: dict[str, list[Path]]
    held_out: dict[str, list[Path]]
    outsiders: list[Path]


def choose_people(aligned: Path, identities: int = IDENTITIES, photographs: int = PHOTOGRAPHS) -> People:
    """Choose the identities of aligned LFW to train on, with at most `photographs` each, and the others."""
    folders = read_folders(aligned)
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    by_count = sorted((name for name in folders if name not in held_out), key=lambda n: (-len(folders[n]), n))
    chosen = by_count[:identities]
    return People(
        train={name: folders[name][:photographs] for name in sorted(chosen)},
        held_out={name: folders[name] for name in sorted(held_out & set(folders))},
        outsiders=[path for name in by_count[identities:] for path in folders[name]],
    )


def train_and_measure(
    data: Path, out: Path, people: People, options: TrainingOptions, *, start_from: Path | None = None
) -> dict[str, Any]:
    """Train, or resume, and measure on the held-out identities; existing measurements are read instead.

    Args:
        data: The list of the training photographs.
        out: The folder of the training.
        people: The people; those held out are measured.
        options: The options of the training.
        start_from: The network whose weights the training begins with; None begins with random ones.
    """
    figures_path = out / "figures.json"
    if figures_path.exists():
        return dict(json.loads(figures_path.read_text()))
    start = time.process_time()
    path = train(
        data,
        out,
        options,
        device="cpu",
        precision="float32",
        keep_images=True,
        start_from=start_from,
    )
    samples = labelled(people.held_out)
    embeddings = embed_files(load_recogniser(path), [key for key, _ in samples])
    figures = verify(embeddings, np.array([label for _, label in samples]), intervals=True)
    described = describe_verification(figures) | {"cpu_seconds": round(time.process_time() - start, 1)}
    with atomic_path(figures_path) as temporary:
        temporary.write_text(json.dumps(described))
    tqdm.write(f"{out.name}: {json.dumps(described)}")
    return described


def table_row(name: str, figures: dict[str, Any], *more: str) -> str:
    """Return a row of a Markdown table.

    Its cells are the name, the accuracy, the equal error rate, the true accept rate with its interval, and
    `more`.
    """
    low, high = figures["tar_interval_0.01"]
    cells = [
        name,
        f"{figures['accuracy']:.3f} ± {figures['accuracy_std']:.3f}",
        f"{figures['eer']:.3f}",
        f"{figures['tar_at_fmr_0.01']:.3f} [{low:.3f}, {high:.3f}]",
        *more,
    ]
    return f"| {' | '.join(cells)} |"


def with_head(head: str, *aux_losses: str, options: TrainingOptions = OPTIONS) -> TrainingOptions:
    """Return options, by default the common ones, with another head and with auxiliary losses."""
    pairs = any(AUXILIARY_LOSSES[spec.partition(":")[0]].needs_pairs for spec in aux_losses)
    return replace(options, head=head, aux_losses=aux_losses, images_per_identity=4 if pairs else 0)

"""The angles that five losses leave between images, centres and classes, beside the ArcFace paper's table 3.

    python -m benchmarks.loss_angles --aligned ALIGNED --out runs/margins

The networks are those of `benchmarks.margins` with the same --out and --budget; what is trained there is not
trained again. W-EC is the mean angle between a class's weight and the mean of its embeddings (its embedding
centre), W-Inter the mean of the smallest angle between two weights, Intra the mean angle between an embedding
and its class's centre, and Inter the mean of the smallest angle between two of these centres. Intra1 and
Inter1 are of the training photographs, Intra2 and Inter2 of people who were held out. The triplet loss has no
class weights.

The last column, chance, has random directions in place of embeddings and weights. The smallest angle of more
classes is smaller, so that it cannot be compared between the paper's sets (10,575 and 5,749 people)
and these.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.margins import folder_of, train_rows
from benchmarks.small_trainings import BUDGETS, People, add_budget, choose_people
from recognition.checkpoint import load_recogniser, load_split
from recognition.data.embedding import embed_files
from recognition.data.keys import labelled
from recognition.images import atomic_path
from recognition.metrics.angles import angle_samples
from recognition.metrics.intervals import Estimate

#: The paper's columns: the row of `benchmarks.margins`, and the paper's figures in degrees in the order of
#: `ANGLES` (arXiv:1801.07698v3, table 3).
LOSSES: dict[str, tuple[str, tuple[float | None, ...]]] = {
    "NS": ("norm-softmax", (44.26, 69.66, 50.50, 59.23, 33.97, 65.60)),
    "ArcFace": ("arcface 0.5", (14.29, 71.61, 38.45, 65.83, 28.05, 66.55)),
    "IntraL": ("norm-softmax + intra", (8.83, 31.34, 17.50, 24.07, 12.94, 26.28)),
    "InterL": ("norm-softmax + inter", (46.85, 75.66, 52.74, 62.40, 35.38, 67.90)),
    "TripletL": ("softmax, then triplet", (None, None, 41.19, 50.23, 27.42, 55.94)),
}
#: The paper's rows: whose photographs, and the name in `AngleSamples`.
ANGLES: dict[str, tuple[str, str]] = {
    "W-EC": ("trained", "w_ec"),
    "W-Inter": ("trained", "w_inter"),
    "Intra1": ("trained", "intra"),
    "Inter1": ("trained", "inter"),
    "Intra2": ("held_out", "intra"),
    "Inter2": ("held_out", "inter"),
}
#: The seed of the random directions.
SEED = 0


def measure_network(model: Path, people: People) -> dict[str, dict[str, Estimate]]:
    """Return the angles of a network on the photographs that trained it, and on those of held-out people."""
    recogniser = load_recogniser(model)
    reserved = load_split(model).get("reserved", {})
    trained = {
        name: [path for path in paths if path.name != reserved.get(name)]
        for name, paths in people.train.items()
    }
    found = {}
    for kind, shown in (("trained", trained), ("held_out", people.held_out)):
        samples = labelled(shown)
        centres = None
        if kind == "trained" and recogniser.centres is not None and recogniser.class_names is not None:
            index_of = {name: index for index, name in enumerate(recogniser.class_names)}
            centres = recogniser.centres[[index_of[name] for name in sorted(shown)]].numpy()
        embeddings = embed_files(recogniser, list(samples.keys))
        found[kind] = angle_samples(embeddings, samples.labels, centres).estimates()
    return found


def measure_chance(people: People, size: int) -> dict[str, dict[str, Estimate]]:
    """Return the angles of random directions, as many as there are photographs and classes.

    Args:
        people: The people.
        size: Dimensions of an embedding.
    """
    generator = np.random.default_rng(SEED)

    def directions(count: int) -> NDArray[np.float64]:
        rows = generator.normal(size=(count, size))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    found = {}
    for kind, shown in (("trained", people.train), ("held_out", people.held_out)):
        labels = labelled(shown).labels
        centres = directions(len(shown)) if kind == "trained" else None
        found[kind] = angle_samples(directions(len(labels)), labels, centres).estimates()
    return found


def table(columns: dict[str, dict[str, dict[str, Estimate]]]) -> list[str]:
    """Return the lines of a Markdown table: angles in degrees with intervals, and the paper's after a slash.

    Args:
        columns: The angles by the name of the loss, as `measure_network` returns them.
    """
    lines = [f"| angle, degrees | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for place, (title, (kind, name)) in enumerate(ANGLES.items()):
        cells = []
        for loss, angles in columns.items():
            figure = angles[kind].get(name)
            own = "-" if figure is None else f"{figure.value:.1f} [{figure.low:.1f}, {figure.high:.1f}]"
            paper = LOSSES[loss][1][place] if loss in LOSSES else None
            cells.append(own if paper is None else f"{own} / {paper:.2f}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Parse the command line, train what is missing, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_budget(parser)
    options = parser.parse_args()
    budget = BUDGETS[options.budget]
    people = choose_people(options.aligned, budget.identities, budget.photographs)
    train_rows(options.aligned, options.out, budget, [row for row, _ in LOSSES.values()])
    columns: dict[str, dict[str, dict[str, Estimate]]] = {
        loss: measure_network(options.out / folder_of(row) / "model.safetensors", people)
        for loss, (row, _) in LOSSES.items()
    }
    columns["chance"] = measure_chance(people, budget.options.embedding_size)
    described: dict[str, Any] = {
        loss: {
            kind: {name: vars(figure) for name, figure in angles.items()} for kind, angles in kinds.items()
        }
        for loss, kinds in columns.items()
    }
    with atomic_path(options.out / "loss_angles.json") as temporary:
        temporary.write_text(json.dumps(described, indent=1))
    print("\n".join(table(columns)))


if __name__ == "__main__":
    main()

"""Sub-center ArcFace on known label noise: how much of it is found, and its effect on verification.

    python -m benchmarks.label_noise --aligned ALIGNED --out runs/noise
    python -m benchmarks.label_noise --aligned ALIGNED --out runs/noise-full --budget full

A share of the training labels is wrong. Half of these are flips (a photograph with the label of another
training identity) and half are outsiders (a photograph of someone outside the set replaces the identity's
own). Four trainings with the same budget and seed are compared: K = 1 centre per class on the noisy set,
K = 3 on it, K = 1 on what `clean` keeps of it, and K = 1 on the set without noise. They are verified on
held-out identities without noise. For each share a picture, subclasses-SHARE.png, has the angles of the
training images to the (dominant) centre of their class under K = 1, K = 3 and K = 3 then 1: of right and
wrong labels, in dominant and other sub-classes.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.small_trainings import (
    BUDGETS,
    People,
    add_budget,
    choose_people,
    table_row,
    train_and_measure,
    with_head,
)
from recognition.checkpoint import load_recogniser
from recognition.data.lists import write_list
from recognition.data.sources import open_source
from recognition.images import atomic_path
from recognition.metrics.intervals import estimate
from recognition.plots.style import save_figure
from recognition.plots.subcentres import SubclassAngles, draw_subclasses, subclass_angles
from recognition.training.cleaning import MAX_ANGLE, clean, describe_rows

SEED = 0
K = 3


@dataclass(frozen=True)
class Noisy:
    """The rows of a list, and its pairs of file and label that are wrong."""

    rows: list[dict[str, str]]
    wrong: set[tuple[str, str]]


def inject(people: People, share: float, *, seed: int = SEED) -> Noisy:
    """Return a list of the training identities with a share of wrong labels, half flips, half outsiders."""
    generator = np.random.default_rng(seed)
    names = sorted(people.train)
    samples = [(path, name) for name in names for path in people.train[name]]
    chosen = generator.permutation(len(samples))[: round(share * len(samples))]
    outsiders = generator.permutation(len(people.outsiders))
    wrong, rows = set(), []
    for place, index in enumerate(chosen):
        path, name = samples[index]
        if place % 2:
            others = [other for other in names if other != name]
            samples[index] = (path, others[generator.integers(len(others))])
        else:
            samples[index] = (people.outsiders[outsiders[place // 2]], name)
        wrong.add((str(samples[index][0]), samples[index][1]))
    for path, name in sorted(samples, key=lambda sample: (sample[1], sample[0])):
        rows.append({"file": str(path), "identity": name})
    return Noisy(rows, wrong)


def _interval(hits: NDArray[np.bool_], labels: NDArray[np.integer]) -> tuple[float, float]:
    figure = estimate(hits, labels, pooled=True)
    return figure.low, figure.high


def measure_cleaning(model: Path, noisy_list: Path, noisy: Noisy, cleaned: Path) -> dict[str, Any]:
    """Clean a list with `model`, write the result, and compare what was dropped with what is wrong."""
    recogniser = load_recogniser(model)
    source = open_source(noisy_list)
    cleaning, keys, labels, _ = clean(recogniser, source)
    write_list(cleaned, describe_rows(cleaning, keys, labels, recogniser, source))
    wrong = ~right_labels(recogniser.class_names or (), keys, labels, noisy)
    dropped = ~cleaning.kept
    return {
        "images": len(keys),
        "wrong": int(wrong.sum()),
        "dropped": int(dropped.sum()),
        "precision": round(float(wrong[dropped].mean()), 4) if dropped.any() else float("nan"),
        "recall": round(float(dropped[wrong].mean()), 4),
        "precision_interval": _interval(wrong[dropped], labels[dropped]) if dropped.any() else (0, 1),
        "recall_interval": _interval(dropped[wrong], labels[wrong]),
        "angle_right": round(float(cleaning.angles[~wrong].mean()), 2),
        "angle_wrong": round(float(cleaning.angles[wrong].mean()), 2),
        "at_non_dominant_right": round(
            float((cleaning.nearest != cleaning.dominant[labels])[~wrong].mean()), 4
        ),
        "at_non_dominant_wrong": round(
            float((cleaning.nearest != cleaning.dominant[labels])[wrong].mean()), 4
        ),
    }


def right_labels(
    names: Sequence[str], keys: Sequence[Path], labels: NDArray[np.integer], noisy: Noisy
) -> NDArray[np.bool_]:
    """Return whether each image's label is right, shape (images,).

    Args:
        names: Name of each class.
        keys: File of each image.
        labels: Shape (images,), class of each.
        noisy: The list with its wrong labels.
    """
    known = {(str(Path(path).resolve()), name) for path, name in noisy.wrong}
    return np.array(
        [(str(key.resolve()), names[label]) not in known for key, label in zip(keys, labels, strict=True)]
    )


def measure_subclasses(title: str, model: Path, data: Path, noisy: Noisy) -> SubclassAngles:
    """Return the angles of a network's training images to the dominant centres of their classes.

    Args:
        title: What was trained.
        model: The network.
        data: The list that it was trained on.
        noisy: The list before it was cleaned, with its wrong labels.
    """
    recogniser = load_recogniser(model)
    cleaning, keys, labels, _ = clean(recogniser, open_source(data), takes_one_centre=True)
    right = right_labels(recogniser.class_names or (), keys, labels, noisy)
    return subclass_angles(title, cleaning, labels, right)


def found_row(percent: str, figures: dict[str, Any]) -> str:
    """Return a row of a Markdown table.

    Chance is the precision and recall of dropping as many images at random.
    """
    shares = []
    for name, chance in (("precision", figures["wrong"]), ("recall", figures["dropped"])):
        low, high = figures[f"{name}_interval"]
        shares.append(f"{figures[name]:.3f} [{low:.3f}, {high:.3f}], chance {chance / figures['images']:.3f}")
    angles = f"{figures['angle_right']:.0f}° / {figures['angle_wrong']:.0f}°"
    counts = f"{figures['wrong']} of {figures['images']} | {figures['dropped']}"
    return f"| {percent} | {counts} | {' | '.join(shares)} | {angles} |"


def main() -> None:
    """Parse the command line, train, clean, measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_budget(parser)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.2, 0.4], help="shares of wrong labels")
    options = parser.parse_args()
    budget = BUDGETS[options.budget]
    people = choose_people(options.aligned, budget.identities, budget.photographs)
    options.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    trained: dict[str, dict[str, Any]] = {}
    arcface = with_head("arcface", options=budget.options)
    several = with_head(f"subcentre:subcentres={K}", options=budget.options)
    for share in options.noise:
        noisy = inject(people, share)
        folder = options.out / f"noise-{share:g}"
        folder.mkdir(exist_ok=True)
        write_list(folder / "noisy.csv", noisy.rows)
        percent = f"{100 * share:g} %"
        trained[f"{percent}, K = {K}"] = train_and_measure(
            folder / "noisy.csv", folder / f"k{K}", people, several
        )
        model = folder / f"k{K}/model.safetensors"
        found[percent] = measure_cleaning(model, folder / "noisy.csv", noisy, folder / "cleaned.csv")
        tqdm.write(f"found of {percent}: {json.dumps(found[percent])}")
        for name, data, out in (
            (f"{percent}, K = {K} then 1, cleaned", "cleaned.csv", "cleaned-k1"),
            (f"{percent}, K = 1", "noisy.csv", "k1"),
        ):
            trained[name] = train_and_measure(folder / data, folder / out, people, arcface)
        panels = [
            measure_subclasses(title, folder / out / "model.safetensors", folder / data, noisy)
            for title, out, data in (
                ("K = 1", "k1", "noisy.csv"),
                (f"K = {K}", f"k{K}", "noisy.csv"),
                (f"K = {K} then 1, cleaned", "cleaned-k1", "cleaned.csv"),
            )
        ]
        figure = draw_subclasses(panels, max_angle=MAX_ANGLE)
        for path in save_figure(figure, options.out / f"subclasses-{100 * share:g}"):
            tqdm.write(f"Wrote {path}")
    write_list(options.out / "clean.csv", inject(people, 0.0).rows)
    trained["0 %, K = 1"] = train_and_measure(
        options.out / "clean.csv", options.out / "clean-k1", people, arcface
    )
    with atomic_path(options.out / "label_noise.json") as temporary:
        temporary.write_text(json.dumps({"found": found, "trained": trained}, indent=1))
    print("| injected | wrong training labels | dropped | precision | recall | mean angle, right / wrong |")
    print("|---|---|---|---|---|---|")
    for percent, figures in found.items():
        print(found_row(percent, figures))
    print("\n| wrong labels, training | pair accuracy | EER | TAR at FMR 0.01 |")
    print("|---|---|---|---|")
    for name, figures in sorted(trained.items()):
        print(table_row(name, figures))


if __name__ == "__main__":
    main()

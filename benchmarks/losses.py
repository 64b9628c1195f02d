"""Which loss gives a network's faces away: networks of one budget, one head each, attacked alike.

    python -m recognition align ../shared/data/lfw/images ALIGNED
    python -m benchmarks.losses --aligned ALIGNED --photos ../shared/data/lfw/images --out runs/losses

Trained: an IResNet-18 of width 0.25 with each head, on the same people and photographs, in the same order,
from the same seed. Attacked: the same people with the same settings, judged by the same photographs, so that
networks are compared person by person. Closed-set people are training classes with a photograph that was kept
out of training, by which they are judged; each is attacked by its class weights, and by the mean embedding of
its training photographs. A plain softmax's weights have norms and biases, and need not point where its
embeddings do; W-EC, the mean angle between a class's weights and its embedding centre, says how far they are
apart. Open-set people are held out; the template is of the first photograph, the judge's photograph the last.
The attack's loss is 1 - cosine everywhere, since ArcFace's would favour its own network.

The networks are small, for 64x64 images, and trained for minutes, once for each head: intervals are over the
people attacked and leave out what another training seed would change. They show a direction at most. The
attack's settings were tuned on a network that was trained with ArcFace. Its shift is the default's fraction
of the side.

The ArcFace paper (arXiv:1801.07698v4) inverts ResNet-50s of MS1MV3, millions of photographs, in 20,000 steps
from noise, without public faces, and reports the mean cosine of a ResNet-100 judge: compare orders, not
values. Its other figure, FID, is left out: with a few dozen images it measures mostly how few they are.

What is finished in --out is read again, and a training goes on where it was stopped. SAR is the share of
accepted reconstructions, FMR the judge's false match rate, TAR the true accept rate, EER the equal error
rate.
"""

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from arcinvert import Attacker
from arcinvert.output.folder import RESULT_NAME
from arcinvert.subjects import class_centres, class_label
from benchmarks.first_run import open_set_photographs
from benchmarks.label_noise import inject
from benchmarks.people import choose
from benchmarks.small_trainings import OPTIONS, People, choose_people, table_row, train_and_measure
from recognition.checkpoint import load_notes, sha256
from recognition.data.folders import RESERVE_FROM
from recognition.data.lists import write_list
from recognition.loading import ModelChoice, bundled_path, load
from recognition.metrics.intervals import estimate
from recognition.runtime import keep_freed_memory

#: The heads in the order of work, each with the paper's mean cosine, closed-set and open-set.
HEADS: dict[str, tuple[float, float]] = {
    "arcface": (0.6248, 0.5849),
    "softmax": (0.5612, 0.5504),
    "cosface": (0.6176, 0.5762),
    "sphereface": (0.5919, 0.5687),
}
#: The head that the others are compared with.
REFERENCE = "arcface"
#: The number of people to train on, those with the most photographs, and the largest number of each.
IDENTITIES = 240
PHOTOGRAPHS = 20
#: The small trainings' batches, rates, margins and flips, on a larger network and more images.
TRAINING = replace(OPTIONS, width=1 / 4, embedding_size=256, epochs=8, image_size=64)
#: The number of people attacked in each setting, and the seed of the draw.
PEOPLE = 32
SEED = 0
#: Few steps, to attack many people; the default shift, 6 pixels of 112, is 3 of 64.
SETTINGS: dict[str, Any] = {"loss": "cosine", "steps": 100, "shift": 3}

#: The title of each setting, and which of the paper's figures it is compared with.
ATTACKS = {
    "weights": ("Closed-set, from the class weights", 0),
    "means": ("Closed-set, from the class's mean embedding", 0),
    "open": ("Open-set, from a photograph's template", 1),
}

Result = dict[str, Any]


def closed_set_people(people: People) -> list[str]:
    """Return training classes with a photograph that no training here uses."""
    reserved = load_notes(bundled_path())["split"]["reserved"]
    return choose(sorted(set(reserved) & set(people.train)), PEOPLE, SEED)


def link_trained(people: People, names: Sequence[str], folder: Path) -> Path:
    """Fill a folder with links to the photographs of these people that the networks were trained on."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path in trained_photographs(people.train[name]):
            link = folder / name / path.name
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())
    return folder


def trained_photographs(listed: Sequence[Path]) -> list[Path]:
    """Return those of a person's listed photographs that the training does not keep out."""
    return list(listed[:-1] if len(listed) >= RESERVE_FROM else listed)


def attack_once(folder: Path, model: Path, inputs: Sequence[str], attack: Callable[[], object]) -> Result:
    """Return the result of an attack that writes to `folder`; a finished one of this network is read again.

    Args:
        folder: The folder of the result.
        model: The attacked network's file.
        inputs: Names or photographs of the people attacked, in their order.
        attack: Attacks, and writes the folder.
    """
    path = folder / RESULT_NAME
    if not (path.exists() and is_of(read_result(path), sha256(model), inputs)):
        begin = time.monotonic()
        attack()
        tqdm.write(f"{folder}: {time.monotonic() - begin:.0f} s")
    return read_result(path)


def read_result(path: Path) -> Result:
    """Return the content of a result.json."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def is_of(result: Result, digest: str, inputs: Sequence[str]) -> bool:
    """Return whether a result is complete, and of this network, these people and this module's settings."""
    return (
        not result["interrupted"]
        and result["attacked"]["sha256"] == digest
        and [sample["input"] for sample in result["samples"]] == list(inputs)
        and {**result["options"], **SETTINGS} == result["options"]
    )


def attack_network(
    model: Path, out: Path, names: Sequence[str], trained: Path, photographs: Sequence[str], photos: Path
) -> dict[str, Result]:
    """Return the results of all of `ATTACKS` on one network.

    Args:
        model: The network's file.
        out: The folder of the results.
        names: The classes.
        trained: A folder with their training photographs.
        photographs: Photographs of held-out people.
        photos: Photographs of everybody, for the judge.
    """
    attacker = functools.cache(Attacker)

    def closed(choice: Path | ModelChoice, folder: Path) -> Result:
        return attack_once(
            folder,
            model,
            names,
            lambda: attacker(choice).generate(class_name=names, photos=photos, out=folder, **SETTINGS),
        )

    return {
        "weights": closed(model, out / "weights"),
        "means": closed(ModelChoice(model, centres=trained), out / "means"),
        "open": attack_once(
            out / "open",
            model,
            photographs,
            lambda: attacker(model).from_image(photographs, photos=photos, out=out / "open", **SETTINGS),
        ),
    }


def weights_to_means(model: Path, names: Sequence[str], trained: Path) -> float:
    """Return W-EC of these classes: the mean angle between class weights and mean embedding, degrees."""
    rows = []
    for choice in (ModelChoice(model), ModelChoice(model, centres=trained)):
        recogniser = load(choice)
        labels = [class_label(recogniser, name) for name in names]
        rows.append(class_centres(recogniser)[labels].numpy())
    cosines = (rows[0] * rows[1]).sum(1)
    return float(np.degrees(np.arccos(cosines.clip(-1, 1))).mean())


def judged(result: Result, kind: str) -> dict[str, float]:
    """Return the judge similarity of each sample, by its input."""
    return {sample["input"]: sample["judge"][kind] for sample in result["samples"]}


def difference(result: Result, reference: Result) -> dict[str, Any]:
    """Return Type II similarity less the reference's of the same people: an `Estimate` as a dictionary."""
    mine, theirs = judged(result, "type_2"), judged(reference, "type_2")
    if mine.keys() != theirs.keys():
        raise ValueError(f"expected the same people, got {sorted(mine.keys() ^ theirs.keys())} in one alone")
    return vars(estimate([mine[name] - theirs[name] for name in mine], list(mine)))


def cell(figure: dict[str, Any] | None, signed: str = "") -> str:
    """Return a figure with its interval."""
    if figure is None:
        return "-"
    return f"{figure['value']:{signed}.3f} [{figure['low']:{signed}.3f}, {figure['high']:{signed}.3f}]"


def attack_table(results: dict[str, Result], title: str, paper: dict[str, float]) -> list[str]:
    """Return the lines of a Markdown table: floor, heads, ceiling.

    Args:
        results: The results of one setting, by head.
        title: The setting's title.
        paper: The paper's mean cosine, by head.
    """
    reference = results.get(REFERENCE)
    any_result = next(iter(results.values()))
    open_set = any_result["command"] == "from-image"
    summary = any_result["summary"]
    header = ["Type II", f"less {REFERENCE}'s"]
    header += [f"SAR at FMR {rate}" for rate in summary["sar"]]
    header += ["Type I"] * open_set + ["face detected", "attacked similarity", "paper's cosine"]
    lines = [f"| {title}, n = {summary['similarity']['identities']} | {' | '.join(header)} |"]
    lines.append("|---" * (1 + len(header)) + "|")

    def type_1(result: Result, kind: str) -> list[str]:
        if not open_set:
            return []
        values = judged(result, kind)
        return [cell(vars(estimate(list(values.values()), list(values))))]

    def bound(name: str, similarity: dict[str, Any] | None, first: list[str]) -> str:
        shares = [cell(sar[name]) for sar in summary["sar"].values()]
        return row(name, cell(similarity), "", *shares, *first, "", "", "")

    lines.append(bound("floor", summary["floor"], type_1(any_result, "floor_type_1")))
    for head, result in results.items():
        its = result["summary"]
        less = "" if reference in (None, result) else cell(difference(result, reference), "+")
        shares = [cell(sar["attack"]) for sar in its["sar"].values()]
        shown = cell(its["face_detected"]), cell(its["attacked_similarity"])
        more = [*type_1(result, "type_1"), *shown, f"{paper[head]:.3f}"]
        lines.append(row(head, cell(its["similarity"]), less, *shares, *more))
    lines.append(bound("ceiling", summary["ceiling"], [""] * open_set))
    return lines


def row(*cells: str) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Parse the command line, train, attack, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder for networks and results")
    parser.add_argument(
        "--heads",
        nargs="+",
        default=list(HEADS),
        choices=list(HEADS),
        metavar="HEAD",
        help="the heads (default: all)",
    )
    options = parser.parse_args()
    keep_freed_memory()
    people = choose_people(options.aligned, IDENTITIES, PHOTOGRAPHS)
    options.out.mkdir(parents=True, exist_ok=True)
    write_list(options.out / "people.csv", inject(people, 0.0).rows)
    names = closed_set_people(people)
    trained = link_trained(people, names, options.out / "trained")
    photographs = open_set_photographs(options.photos, PEOPLE)
    networks = []
    results: dict[str, dict[str, Result]] = {attack: {} for attack in ATTACKS}
    for head in options.heads:
        folder = options.out / head
        figures = train_and_measure(options.out / "people.csv", folder, people, replace(TRAINING, head=head))
        model = folder / "model.safetensors"
        attacked = attack_network(model, folder, names, trained, photographs, options.photos)
        for attack, result in attacked.items():
            results[attack][head] = result
        angle = f"{weights_to_means(model, names, trained):.0f}°"
        networks.append(table_row(head, figures, angle, str(round(figures["cpu_seconds"]))))
    print("| head | pair accuracy | EER | TAR at FMR 0.01 | W-EC | CPU seconds |")
    print("|---|---|---|---|---|---|")
    print("\n".join(networks))
    for attack, (title, place) in ATTACKS.items():
        paper = {head: HEADS[head][place] for head in options.heads}
        print("\n" + "\n".join(attack_table(results[attack], title, paper)))


if __name__ == "__main__":
    main()

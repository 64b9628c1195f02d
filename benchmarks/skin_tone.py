"""How much of a person's skin tone a template tells, and a reconstruction shows.

    python -m benchmarks.skin_tone --aligned ALIGNED --model MODEL --tuning --statistics PUBLIC
    python -m benchmarks.skin_tone --aligned ALIGNED --model MODEL

A person's tone is the median of the typology angles (see benchmarks.faults) of their photographs other than
the first, whose template is attacked, and the last, which is the ceiling and the judge's: half of what single
photographs vary by is their light. Columns: the share of the difference between two people that is kept, the
mean distance to the person's tone in degrees, and the correlation with it, with 95 % intervals by bootstrap
over people. A reconstruction keeps the tone of the faces that it started from without `--skin-tone`, and gets
the predicted one with it; what that changes for the judge (Type II) stands below the table. A network without
public faces, such as the bundled one, has no prediction: its tones are those of its decoder's faces.

People have four photographs at least. With --tuning they are those whom the bundled network was trained on,
and nobody is attacked; else held-out people, who are attacked with default options.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert import Attacker
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.similarity import similarity
from arcinvert.knowledge.skin_tone import FEWEST_FACES, NeighbourTone, to_srgb
from arcinvert.plan import AttackPlan
from arcinvert.subjects import Subject, crop_subjects
from benchmarks.faults import slope
from benchmarks.judged import mean_face, run_or_exit
from benchmarks.people import choose
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import read_image, to_uint8
from recognition.loading import bundled_path
from recognition.metrics.intervals import Estimate, estimate, estimate_statistic
from recognition.metrics.text import interval_text
from recognition.skin import skin_tones, to_lab, typology_angle

#: The fewest and the most photographs of a person that are read, the number of people for tuning, and the
#: seed that draws them.
FEWEST, MOST, TUNING_PEOPLE, SEED = 4, 12, 400, 0
#: Images that are attacked together.
BATCH = 16
Values = NDArray[np.float64]
Crops = NDArray[np.uint8]


@dataclass(frozen=True)
class People:
    """People and their tones.

    Args:
        names: The people's names.
        first: Shape (people, 112, 112, 3), the crops whose templates are attacked.
        last: Shape (people, 112, 112, 3), another crop of each.
        tones: Shape (people,), the medians over each person's other crops, degrees.
    """

    names: list[str]
    first: Crops
    last: Crops
    tones: Values


def read_people(aligned: Path, *, tuning: bool) -> People:
    """Read the people's crops.

    Raises:
        InputError: If nobody has enough photographs.
    """
    folders = read_folders(aligned)
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    names = [
        name for name, paths in folders.items() if len(paths) >= FEWEST and (name in held_out) is not tuning
    ]
    if not names:
        raise InputError(f"{aligned}: expected people with {FEWEST} photographs, found none")
    names = choose(names, TUNING_PEOPLE, SEED)
    crops = [[read_image(path) for path in folders[name][:MOST]] for name in names]
    return People(
        names,
        np.stack([own[0] for own in crops]),
        np.stack([own[-1] for own in crops]),
        np.array([np.median(skin_tones(np.stack(own[1:-1]))) for own in crops]),
    )


def measured(tones: Values, people: Values) -> dict[str, Estimate]:
    """Return how like the people's tones some tones are, by the column's title.

    Args:
        tones: Shape (people,), degrees, of one picture of each person.
        people: Shape (people,), degrees, the people's own.
    """
    return {
        "skin: kept": estimate_statistic(lambda drawn: slope(tones[drawn], people[drawn]), len(people)),
        "skin: distance": estimate_statistic(
            lambda drawn: float(np.abs(tones - people)[drawn].mean()), len(people)
        ),
        "skin: correlation": estimate_statistic(
            lambda drawn: correlation(tones[drawn], people[drawn]), len(people)
        ),
    }


def correlation(tones: Values, people: Values) -> float:
    """Return Pearson's correlation; 0 where either is constant."""
    spread = float(tones.std() * people.std())
    return float(((tones - tones.mean()) * (people - people.mean())).mean()) / spread if spread else 0.0


def predicted(tone: NeighbourTone, templates: torch.Tensor) -> Values:
    """Return the tones that templates predict, degrees, (people,)."""
    return typology_angle(to_lab(to_srgb(tone.colours(templates)).numpy().astype(np.float64)))


def reconstructed(attacker: Attacker, subjects: list[Subject], plan: AttackPlan) -> Crops:
    """Return the reconstructions as crops of 112 pixels, (people, 112, 112, 3)."""
    parts = [subjects[begin : begin + BATCH] for begin in range(0, len(subjects), BATCH)]
    found = [attacker.reconstruct(part, plan, batch=batch).images for batch, part in enumerate(parts)]
    return to_crop_size(np.concatenate([to_uint8(images) for images in found]))


def compare(options: argparse.Namespace) -> None:
    """Predict, attack, and print the table."""
    people = read_people(options.aligned, tuning=options.tuning)
    judge = DlibJudge()
    attacker = Attacker(options.model, statistics=options.statistics)
    # Measures a network that was not measured.
    plan = attacker.plan("template")
    subjects = crop_subjects(attacker.recogniser, list(people.first), judge)
    tones: dict[str, Values] = {}
    lines: list[str] = []
    neighbours = attacker.knowledge.nearest_neighbours
    if neighbours is not None and len(neighbours) >= FEWEST_FACES:
        tone = NeighbourTone(neighbours)
        templates = torch.stack([one.template for one in subjects])
        tones["predicted from the template"] = predicted(tone, templates)
        lines.append(f"Predictions by {len(neighbours):,} faces, enlarged {tone.gain:.2f} times.")
    elif options.tuning:
        raise InputError(f"statistics: expected {FEWEST_FACES} public faces with templates, got fewer")
    if not options.tuning:
        last = judge.embed(list(people.last))
        pictures = {"reconstruction": reconstructed(attacker, subjects, plan)}
        if plan.skin_tone:
            without = attacker.plan("template", skin_tone=False)
            pictures["reconstruction without --skin-tone"] = reconstructed(attacker, subjects, without)
        tones |= {name: skin_tones(crops) for name, crops in pictures.items()}
        judged = [similarity(judge.embed(list(crops)), last) for crops in pictures.values()]
        lines.append(f"Type II {interval_text(asdict(estimate(judged[0], people.names)))}")
        if len(judged) > 1:
            change = estimate(judged[0] - judged[1], people.names)
            lines[-1] += f"; change by --skin-tone {interval_text(asdict(change))}"
    tones |= {
        "floor: mean face": np.full(len(people.names), skin_tones(mean_face()[None])[0]),
        "ceiling: the attacked photograph": skin_tones(people.first),
        "ceiling: another photograph": skin_tones(people.last),
    }
    rows = {name: measured(values, people.tones) for name, values in tones.items()}
    columns = list(next(iter(rows.values())))
    print(f"| | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(interval_text(asdict(row[column]), 2) for column in columns)} |")
    kind = "tuning" if options.tuning else "held-out"
    lines.append(f"{attacker.recogniser.name}: {len(people.names)} {kind} people.")
    print("", *lines, sep="\n")


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument("--model", required=True, help="the network that makes the templates")
    parser.add_argument(
        "--statistics", type=Path, help="what `arcinvert calibrate` measured (default: as installed)"
    )
    parser.add_argument("--tuning", action="store_true", help="predict for people that settings are tuned on")
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()

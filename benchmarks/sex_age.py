"""Whether a reconstruction keeps the sex and the age that the person is taken for.

    python -m benchmarks.sex_age runs/recipes/arcinvert-public-faces --photos lfw/images \\
        --network package/model

Each folder is an open-set result (of `from-image`, or of benchmarks.recipes or benchmarks.first_run), all
of the same people; `--network` is the folder that benchmarks/sex_age_network.py reads. That network is not
attacked and chooses nothing. A person's own sex and age are the mean of what it reads in up to five
photographs of the person, *without* the attacked one. It then reads the reconstruction. Photographs and
reconstructions are aligned and framed alike.

Columns: the share of reconstructions of the person's sex, of all people and of either sex alone; and of the
age, how much of the difference between two people is kept (the slope over the people: 1 all, 0 none), and
the mean distance in years. Floors: the mean face, which is of one sex, and the next person's
reconstruction, for which a stranger stands. Ceiling: the attacked photograph itself; what it lacks to 1 is
the network's own error.

A label is what a small network takes a person for by appearance, of two: not the person's sex or gender.
"""

import argparse
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from arcinvert.evaluation.crops import to_crop_size
from benchmarks.faults import add_results, other_faces, read_same_people, slope, source_of
from benchmarks.judged import CEILING, MEAN_FACE, mean_face, run_or_exit
from benchmarks.sex_age_network import Readings, SexAgeNetwork
from recognition.data.faces import read_face
from recognition.metrics.intervals import Estimate, estimate, estimate_statistic

#: The largest number of other photographs that say what a person is taken for.
PHOTOGRAPHS = 5


def people_of(network: SexAgeNetwork, sources: Sequence[Path], photos: Path) -> Readings:
    """Return the mean of what the network reads in other photographs of each person, (people,).

    Args:
        network: The network.
        sources: A photograph of each person, which is not read.
        photos: The folder of all people's folders.

    Raises:
        InputError: If a person has no other photograph with a face.
    """
    readings = [
        network.read(np.stack(list(islice(other_faces(source, photos), PHOTOGRAPHS)))) for source in sources
    ]
    return Readings(
        np.array([of.male.mean() for of in readings]), np.array([of.age.mean() for of in readings])
    )


def row(of: Readings, people: Readings) -> dict[str, Estimate | None]:
    """Return the columns of pictures, one of each person; None for a sex of which there is nobody.

    Args:
        of: What is read in the pictures.
        people: What each person is taken for.
    """
    male, count = people.male > 0.5, len(people.male)
    same = (of.male > 0.5) == male
    found: dict[str, Estimate | None] = {"same sex": estimate(same, range(count))}
    for name, members in (("women", ~male), ("men", male)):
        found[f"of {name}"] = estimate(same[members], range(members.sum())) if members.any() else None
    found["age: kept"] = estimate_statistic(lambda drawn: slope(of.age[drawn], people.age[drawn]), count)
    found["age: distance"] = estimate(np.abs(of.age - people.age), range(count))
    return found


def table(rows: Mapping[str, Mapping[str, Estimate | None]]) -> str:
    """Return the rows as a table in Markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in rows.items():
        cells = [
            "-" if one is None else f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
            for one in figures.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(options: argparse.Namespace) -> None:
    """Read every folder's pictures, and print the table.

    Raises:
        InputError: If the network or a folder cannot be read, or folders are of different people.
    """
    network = SexAgeNetwork(options.network)
    pictures = read_same_people(options.folders)
    sources = [source_of(name, options.photos) for name in next(iter(pictures.values()))]
    people = people_of(network, sources, options.photos)
    rows: dict[str, dict[str, Estimate | None]] = {}
    for folder, shown in pictures.items():
        readings = network.read(to_crop_size(np.stack(list(shown.values()))))
        rows[str(folder)] = row(readings, people)
        next_person = Readings(np.roll(readings.male, 1), np.roll(readings.age, 1))
        rows[f"floor: another person's, {folder}"] = row(next_person, people)
    ends = {
        MEAN_FACE: np.stack([mean_face()] * len(sources)),
        CEILING: np.stack([read_face(source) for source in sources]),
    }
    rows |= {name: row(network.read(faces), people) for name, faces in ends.items()}
    count, men = len(sources), int((people.male > 0.5).sum())
    print(
        f"{table(rows)}\n\n{count} people, a picture each, taken for {count - men} women and {men} men; "
        f"ages {people.age.min():.0f} to {people.age.max():.0f}; 95 % intervals over people."
    )


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_results(parser)
    parser.add_argument(
        "--network", type=Path, required=True, help="the folder package/model of @vladmandic/face-api"
    )
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()

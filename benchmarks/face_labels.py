"""Labels of sex and age for every person of a folder, by the network of a public npm package.

    npm pack @vladmandic/face-api
    tar xzf vladmandic-face-api-*.tgz
    python -m benchmarks.face_labels --aligned ALIGNED --network package/model --out labels.csv
    python -m benchmarks.face_labels --aligned ALIGNED --network package/model --out each.csv --photographs

The network reads all photographs of a person (benchmarks/sex_age_network.py); the person's sex is that of
the mean probability, and the age the mean of the ages. The CSV file has the columns identity, sex and age,
and `benchmarks.variation_panels --labels labels.csv` reads it. With `--photographs` each photograph has its
row, with the probability of male and the age in years, for `python -m recognition fit-deformations --labels`.

A label says what a small network takes a person for by appearance: it is not the person's sex or gender,
and knows two of them. How often two photographs of a person get the same label is printed, for people with
two to nine photographs whom the bundled network was trained on (settings are tuned on them): the share with
the same sex, how much of the difference in age between two people is kept (the slope over the people: 1
all, 0 none), and the mean difference in years.
"""

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.faults import slope
from benchmarks.judged import run_or_exit
from benchmarks.people import tuning_people
from benchmarks.sex_age_network import Readings, SexAgeNetwork
from recognition.appearance.age_fitting import COLUMNS
from recognition.checkpoint import load_notes
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.images import atomic_path
from recognition.loading import bundled_path
from recognition.metrics.intervals import estimate, estimate_statistic
from recognition.metrics.text import interval_text

#: Photographs that are read from disk at once.
_BLOCK = 1024
SEXES = ("female", "male")


def sex_of(male: float) -> str:
    """Return the name of the more probable sex, by the probability of male."""
    return SEXES[int(male > 0.5)]


def read_all(network: SexAgeNetwork, paths: Sequence[Path]) -> Readings:
    """Return the readings of aligned crops in files.

    Raises:
        InputError: If a file is not an aligned crop.
    """
    parts = [
        network.read(np.stack([read_face(path, aligned=True) for path in paths[begin : begin + _BLOCK]]))
        for begin in range(0, len(paths), _BLOCK)
    ]
    return Readings(
        np.concatenate([part.male for part in parts]), np.concatenate([part.age for part in parts])
    )


def by_person(folders: Mapping[str, Sequence[Path]], readings: Readings) -> dict[str, Readings]:
    """Return the readings of each person's photographs.

    Args:
        folders: Photographs by person.
        readings: Of all photographs, person after person.
    """
    ends = np.cumsum([len(paths) for paths in folders.values()])[:-1]
    parts = zip(np.split(readings.male, ends), np.split(readings.age, ends), strict=True)
    return {name: Readings(male, age) for name, (male, age) in zip(folders, parts, strict=True)}


def labels_text(people: Mapping[str, Readings]) -> str:
    """Return the CSV file: identity, sex and age in whole years of each person."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["identity", "sex", "age"])
    for name, of in people.items():
        rows.writerow([name, sex_of(float(of.male.mean())), max(0, round(float(of.age.mean())))])
    return text.getvalue()


def photographs_text(folders: Mapping[str, Sequence[Path]], readings: Readings) -> str:
    """Return the CSV file of photographs: identity, photograph, male and age of each.

    Args:
        folders: Photographs by person.
        readings: Of all photographs, person after person.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    paths = [path for of in folders.values() for path in of]
    for path, male, age in zip(paths, readings.male, readings.age, strict=True):
        rows.writerow([path.parent.name, path.stem, f"{male:.4f}", f"{age:.2f}"])
    return text.getvalue()


def agreement(people: Sequence[Readings]) -> str:
    """Return how far the labels of the first and the last photograph of people agree, in one line."""
    firsts, lasts = (
        Readings(*(np.array([getattr(of, name)[place] for of in people]) for name in ("male", "age")))
        for place in (0, -1)
    )
    count = len(people)
    same = estimate((firsts.male > 0.5) == (lasts.male > 0.5), range(count))
    kept = estimate_statistic(lambda drawn: slope(lasts.age[drawn], firsts.age[drawn]), count)
    apart = estimate(np.abs(firsts.age - lasts.age), range(count))
    sex, age, years = (interval_text(asdict(one)) for one in (same, kept, apart))
    return (
        f"First and last photograph of {count:,} tuning people: the same sex {sex}, age kept {age}, years "
        f"apart {years}."
    )


def label(options: argparse.Namespace) -> None:
    """Read all photographs, write the labels, and print how far two photographs of a person agree.

    Raises:
        InputError: If there are no photographs, or the network or a photograph cannot be read.
    """
    network = SexAgeNetwork(options.network)
    folders = read_folders(options.aligned)
    readings = read_all(network, [path for paths in folders.values() for path in paths])
    people = by_person(folders, readings)
    text = photographs_text(folders, readings) if options.photographs else labels_text(people)
    with atomic_path(options.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    sexes = [sex_of(float(of.male.mean())) for of in people.values()]
    counts = ", ".join(f"{sexes.count(sex):,} {sex}" for sex in SEXES)
    print(f"{options.out}: {len(people):,} people, {counts}.")
    tuning = tuning_people(folders, load_notes(bundled_path())["split"]["held_out"])
    if tuning:
        print(agreement([people[name] for name in tuning]))


def main() -> None:
    """Parse the command line and write the labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned crops: a folder for each identity"
    )
    parser.add_argument(
        "--network", type=Path, required=True, help="the folder package/model of @vladmandic/face-api"
    )
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")
    parser.add_argument("--photographs", action="store_true", help="a row for each photograph")
    run_or_exit(label, parser)


if __name__ == "__main__":
    main()

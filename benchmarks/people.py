"""Which of the bundled network's held-out people are used for what.

Of the sorted held-out identities every third is attacked in open-set benchmarks; the others calibrate the
judge. Nobody is in both, and the bundled network was trained on neither. Settings are tuned on people that it
was trained on, and reported on others.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from recognition.checkpoint import load_notes
from recognition.errors import InputError
from recognition.loading import BUNDLED, bundled_path

#: The numbers of photographs of people that settings are tuned on: few people have more.
TUNING_PHOTOS = range(2, 10)


def add_attacked(parser: argparse.ArgumentParser, people: int) -> None:
    """Add the network to attack, and what `draw_attacked` draws by.

    Args:
        parser: Where to add them.
        people: The number of people by default.
    """
    parser.add_argument("--model", default=BUNDLED, help="the network to attack (default: %(default)s)")
    parser.add_argument(
        "--people", type=int, default=people, help="the number of people (default: %(default)s)"
    )
    parser.add_argument("--tuning", action="store_true", help="attack people that settings are tuned on")
    parser.add_argument("--seed", type=int, default=0, help="the seed of people and attacks (default: 0)")


def calibration_people(held_out: Sequence[str]) -> list[str]:
    """Return the held-out people that calibrate the judge's thresholds."""
    return [name for index, name in enumerate(sorted(held_out)) if index % 3]


def attacked_people(held_out: Sequence[str]) -> list[str]:
    """Return the held-out people whose templates open-set benchmarks attack."""
    return [name for index, name in enumerate(sorted(held_out)) if not index % 3]


def tuning_people(folders: Mapping[str, Sequence[Path]], held_out: Iterable[str]) -> list[str]:
    """Return the people with several photographs whom the bundled network was trained on, sorted."""
    return [name for name in sorted(set(folders) - set(held_out)) if len(folders[name]) in TUNING_PHOTOS]


def choose(names: Sequence[str], count: int, seed: int) -> list[str]:
    """Return `count` of the names, drawn by a seed, sorted."""
    order = np.random.default_rng(seed).permutation(len(names))
    return sorted(sorted(names)[index] for index in order[:count])


def draw_attacked(folders: Mapping[str, Sequence[Path]], count: int, *, seed: int, tuning: bool) -> list[str]:
    """Return people with several photographs, drawn by a seed, sorted.

    Args:
        folders: LFW's photographs by person.
        count: The number of people.
        seed: The seed.
        tuning: Whether they are of those whom settings are tuned on, not of the held-out ones.

    Raises:
        InputError: If there are too few.
    """
    held_out = load_notes(bundled_path())["split"]["held_out"]
    if tuning:
        candidates = tuning_people(folders, held_out)
    else:
        candidates = [name for name in attacked_people(held_out) if len(folders.get(name, ())) > 1]
    if len(candidates) < count:
        raise InputError(f"people: expected at most {len(candidates)} with two photographs, got {count}")
    return choose(candidates, count, seed)


def single_photographs(names: Iterable[str], folders: Mapping[str, Sequence[Path]]) -> list[Path]:
    """Return the photographs of people with a single one: public faces, since nobody attacks them."""
    return [folders[name][0] for name in names if len(folders.get(name, ())) == 1]


def without_reserved(paths: Iterable[Path], reserved: Mapping[str, str]) -> list[Path]:
    """Return the photographs, each in a folder of its person's name, but for the reserved one of a person."""
    return [path for path in paths if reserved.get(path.parent.name) != path.name]

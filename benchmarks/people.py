"""Which of the bundled network's held-out people are used for what.

Of the sorted held-out identities every third is attacked in open-set benchmarks; the others calibrate the
judge. Nobody is in both, and the bundled network was trained on neither. Settings are tuned on people that it
was trained on, and reported on others.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np


def calibration_people(held_out: Sequence[str]) -> list[str]:
    """Return the held-out people that calibrate the judge's thresholds."""
    return [name for index, name in enumerate(sorted(held_out)) if index % 3]


def attacked_people(held_out: Sequence[str]) -> list[str]:
    """Return the held-out people whose templates open-set benchmarks attack."""
    return [name for index, name in enumerate(sorted(held_out)) if not index % 3]


def choose(names: Sequence[str], count: int, seed: int) -> list[str]:
    """Return `count` of the names, drawn by a seed, sorted."""
    order = np.random.default_rng(seed).permutation(len(names))
    return sorted(sorted(names)[index] for index in order[:count])


def single_photographs(names: Iterable[str], folders: Mapping[str, Sequence[Path]]) -> list[Path]:
    """Return the photographs of people with a single one: public faces, since nobody attacks them."""
    return [folders[name][0] for name in names if len(folders.get(name, ())) == 1]


def without_reserved(paths: Iterable[Path], reserved: Mapping[str, str]) -> list[Path]:
    """Return the photographs, each in a folder of its person's name, but for the reserved one of a person."""
    return [path for path in paths if reserved.get(path.parent.name) != path.name]

"""Who is used for what: the bundled network's held-out people, dealt by their place in the list.

Of the sorted held-out identities every third is attacked in open-set benchmarks; the others
calibrate the judge. No one is in both, and neither trained the bundled network. Settings are tuned
on people that the bundled network was trained on, and reported on others.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np


def calibration_people(held_out: Sequence[str]) -> list[str]:
    """Those who calibrate the judge's thresholds."""
    return [name for index, name in enumerate(sorted(held_out)) if index % 3]


def attacked_people(held_out: Sequence[str]) -> list[str]:
    """Those whose templates open-set benchmarks attack."""
    return [name for index, name in enumerate(sorted(held_out)) if not index % 3]


def choose(names: Sequence[str], count: int, seed: int) -> list[str]:
    """`count` of the names by a seeded draw, sorted."""
    order = np.random.default_rng(seed).permutation(len(names))
    return sorted(sorted(names)[index] for index in order[:count])


def single_photographs(names: Iterable[str], folders: Mapping[str, Sequence[Path]]) -> list[Path]:
    """The photographs of those who have one alone: they can be public faces, for nobody attacks them."""
    return [folders[name][0] for name in names if len(folders.get(name, ())) == 1]

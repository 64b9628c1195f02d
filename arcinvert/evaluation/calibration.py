"""The shipped calibration of dlib's judge: thresholds, and distributions of similarities of real pairs."""

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.metrics.thresholds import DecisionThreshold

#: Parts of the calibration that results need not repeat.
NOT_IN_RESULTS = frozenset({"people", "matrix", "histograms"})


@dataclass(frozen=True)
class Threshold:
    """A threshold of the judge, calibrated on photographs of people who are attacked nowhere in this project.

    Args:
        fmr: The false match rate (FMR) that was asked for.
        similarity: More similar images are accepted as one person.
        low: Lower end of the threshold's 95 % interval over people.
        high: Upper end of it.
        realised_fmr: The false match rate at this threshold.
        tar: True accept rate (TAR): the share of mated pairs of photographs that are accepted.
        nonmated: The number of nonmated pairs.
        mated: The number of mated pairs.
        identities: The number of people.
    """

    fmr: float
    similarity: float
    low: float
    high: float
    realised_fmr: float
    tar: float
    nonmated: int
    mated: int
    identities: int

    @property
    def decision(self) -> DecisionThreshold:
        """The threshold with its interval."""
        return DecisionThreshold(self.fmr, self.similarity, self.low, self.high, self.identities)


@dataclass(frozen=True)
class Histogram:
    """How the judge's similarities of pairs of real photographs are distributed.

    Args:
        edges: Shape (bins + 1,), rising.
        nonmated: Shape (bins,), the share of nonmated pairs in each bin; sums to 1.
        mated: Shape (bins,), the share of mated pairs in each bin; sums to 1.
    """

    edges: NDArray[np.float64]
    nonmated: NDArray[np.float64]
    mated: NDArray[np.float64]


@functools.cache
def shipped_calibration() -> dict[str, Any]:
    """Return the calibration: the warp to the judge's chip, thresholds with counts, and how it was made."""
    return dict(json.loads(files("arcinvert").joinpath("data/judge.json").read_text(encoding="utf-8")))


def thresholds() -> list[Threshold]:
    """Return the thresholds, the highest false match rate first."""
    return [Threshold(**entry) for entry in shipped_calibration()["thresholds"]]


def histogram() -> Histogram:
    """Return the distributions of the pairs that the thresholds rest on."""
    parts = shipped_calibration()["histograms"]
    return Histogram(**{name: np.array(values) for name, values in parts.items()})

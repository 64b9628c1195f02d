"""The curve of a verification as JSON, which `plots` draws and `--calibration` reads."""

from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from recognition.metrics.verification import OperatingPoint, Roc


class Curved(Protocol):
    """Metrics with a receiver operating characteristic: `Verification` and `PairVerification`."""

    @property
    def curve(self) -> Roc:
        """The curve."""

    @property
    def points(self) -> tuple[OperatingPoint, ...]:
        """The operating points."""

    @property
    def eer(self) -> float:
        """Equal error rate."""

    @property
    def mated(self) -> int:
        """Number of mated comparisons."""

    @property
    def nonmated(self) -> int:
        """Number of nonmated comparisons."""


def describe_curve(name: str, metrics: Curved, *, points: int = 400) -> dict[str, Any]:
    """Return the operating points, and the ROC at rates evenly spaced in their logarithm, as JSON values.

    Args:
        name: The recogniser's name.
        metrics: Its metrics.
        points: Number of rates.
    """
    least = 1 / metrics.nonmated
    rates = np.geomspace(least, 1, points)
    # FAR rises along the curve: each rate takes the last point that does not exceed it.
    indices = np.searchsorted(metrics.curve.far, rates, side="right") - 1
    return {
        "name": name,
        "far": metrics.curve.far[indices].tolist(),
        "frr": metrics.curve.frr[indices].tolist(),
        "threshold": metrics.curve.thresholds[indices].tolist(),
        "eer": metrics.eer,
        "points": [asdict(point) for point in metrics.points],
        "mated": metrics.mated,
        "nonmated": metrics.nonmated,
    }

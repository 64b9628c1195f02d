"""Calibrated similarity thresholds of a recogniser, by false match rate (FMR)."""

import math
import os
from dataclasses import dataclass
from typing import Any

from recognition.bundled import BUNDLED, calibration_path
from recognition.errors import InputError
from recognition.files import read_json
from recognition.metrics.verification import OperatingPoint
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class Calibration:
    """Operating points of a recogniser, as `evaluate verification --curve` writes them."""

    points: tuple[OperatingPoint, ...]

    def at(self, fmr: float) -> OperatingPoint:
        """Return the operating point of a false match rate.

        Raises:
            InputError: If this rate was not calibrated.
        """
        for point in self.points:
            if abs(point.fmr - fmr) <= 1e-9:
                return point
        known = ", ".join(f"{point.fmr:g}" for point in self.points)
        raise InputError(
            f"FMR: expected one that was calibrated ({known}), got {fmr:g}; see evaluate verification --fmr"
        )


def read_calibration(recogniser: Recogniser, path: str | os.PathLike[str] | None = None) -> Calibration:
    """Return the calibration of a recogniser.

    Args:
        recogniser: The network.
        path: The calibration's file; None means the one that comes with the bundled network.

    Raises:
        InputError: If there is none, or the file is of another kind or of another network.
    """
    if path is None:
        if recogniser.name != BUNDLED:
            raise InputError(
                f"calibration: expected one of {recogniser.name}, got none; make it with 'python -m "
                "recognition evaluate verification ALIGNED --model FILE --curve FILE.json', and name it as "
                "--calibration"
            )
        path = calibration_path()
    content = read_json(path, "a file of 'evaluate verification --curve'")
    try:
        points = tuple(_point(point) for point in content["points"])
        model = content["model"]
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: expected a file of 'evaluate verification --curve', got something else "
            f"({type(error).__name__})"
        ) from None
    if model != recogniser.source.sha256:
        raise InputError(
            f"{path}: expected the calibration of {recogniser.name}, got another network's; make it anew "
            "with 'python -m recognition evaluate verification ALIGNED --curve FILE.json'"
        )
    return Calibration(points)


def _point(stored: dict[str, Any]) -> OperatingPoint:
    """Return a stored operating point; raises what `read_calibration` expects where it is none."""
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in stored.values()):
        raise ValueError
    return OperatingPoint(**stored)

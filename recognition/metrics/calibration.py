"""Calibrated similarity thresholds of a recogniser, by false match rate (FMR)."""

import math
import os
from dataclasses import dataclass
from typing import Any

from recognition.bundled import NETWORKS, calibration_path
from recognition.errors import InputError
from recognition.files import read_json
from recognition.metrics.verification import OperatingPoint
from recognition.recogniser import Flip, Preprocessing, Recogniser

#: Where a calibration comes from, in messages.
_HOW = (
    "the file of 'python -m recognition evaluate verification ALIGNED --model FILE --curve FILE.json', where "
    "ALIGNED has crops of people whom the network was not trained on"
)


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


@dataclass(frozen=True)
class Verdict:
    """Whether two faces are of one person.

    Args:
        network: The recogniser's name.
        threshold: The similarity above which they are; None if it is not known.
        point: The operating point that the threshold is from; None if it was given, or is not known.
    """

    network: str
    threshold: float | None = None
    point: OperatingPoint | None = None

    def accepts(self, similarity: float) -> bool | None:
        """Return whether two faces of this similarity are of one person; None without a threshold."""
        return None if self.threshold is None else similarity > self.threshold

    def of(self, similarity: float) -> str:
        """Return the verdict on a similarity in words, with what is known of its reliability."""
        accepted = self.accepts(similarity)
        if accepted is None:
            return self.rule()
        words = "same person" if accepted else "different people"
        if self.point is None:
            return f"{words} at the given threshold {self.threshold:.3f}, whose error rates are not known"
        return (
            f"{words} at FMR {self.point.fmr:g} (threshold {self.point.threshold:.3f}, true accept rate "
            f"{self.point.tar:.3f}, {self.point.mated:,} mated and {self.point.nonmated:,} nonmated pairs)"
        )

    def rule(self) -> str:
        """Return the rule of the verdicts in words."""
        if self.threshold is None:
            return (
                f"no verdict, because no threshold of {self.network} is known; give --threshold, or "
                f"--calibration with {_HOW}"
            )
        rate = "error rates not known" if self.point is None else f"FMR {self.point.fmr:g} of one comparison"
        return f"accepted above {self.threshold:.3f}, {rate}"


def choose_verdict(
    recogniser: Recogniser,
    calibration: str | os.PathLike[str] | None,
    *,
    fmr: float,
    threshold: float | None,
) -> Verdict:
    """Return the rule of verdicts by a network's similarities.

    Args:
        recogniser: The network.
        calibration: The calibration's file; None means the one of a bundled network, or none.
        fmr: The false match rate whose threshold is taken from the calibration.
        threshold: A threshold in place of the calibration's; None means that it is not given.

    Raises:
        InputError: If the threshold is no similarity, is given beside a calibration, or the calibration
            cannot be used.
    """
    if threshold is not None:
        if calibration is not None:
            raise InputError("threshold: expected it without --calibration, got both; leave one out")
        if not -1 <= threshold <= 1:
            raise InputError(
                f"threshold: expected a similarity from -1 to 1, got {threshold:g}; give another"
            )
        return Verdict(recogniser.name, threshold)
    if calibration is None and recogniser.name not in NETWORKS:
        return Verdict(recogniser.name)
    point = read_calibration(recogniser, calibration).at(fmr)
    return Verdict(recogniser.name, point.threshold, point)


def no_calibration(recogniser: Recogniser) -> InputError:
    """Return the error of a network whose thresholds are not known where one is needed."""
    return InputError(
        f"calibration: expected one of {recogniser.name}, got none; give --threshold, or --calibration with "
        f"{_HOW}"
    )


def read_calibration(recogniser: Recogniser, path: str | os.PathLike[str] | None = None) -> Calibration:
    """Return the calibration of a recogniser.

    Args:
        recogniser: The network.
        path: The calibration's file; None means the one that comes with a bundled network.

    Raises:
        InputError: If there is none, or the file is of another kind or of another network.
    """
    if path is None:
        if recogniser.name not in NETWORKS:
            raise no_calibration(recogniser)
        path = calibration_path(recogniser.name)
    content = read_json(path, "a file of 'evaluate verification --curve'")
    try:
        points = tuple(_point(point) for point in content["points"])
        model, flip = content["model"], content.get("flip", "average")
        # Files of earlier versions do not say it.
        prepared = content.get("preprocessing")
        preprocessing = recogniser.preprocessing if prepared is None else Preprocessing(**prepared)
    except (AttributeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(
            f"{path}: expected a file of 'evaluate verification --curve', got something else "
            f"({type(error).__name__})"
        ) from None
    if model != recogniser.source.fingerprint:
        raise InputError(
            f"{path}: expected the calibration of {recogniser.name}, got another network's; make it anew "
            "with 'python -m recognition evaluate verification ALIGNED --curve FILE.json'"
        )
    if preprocessing != recogniser.preprocessing:
        raise InputError(
            f"{path}: expected a calibration with the same --preset, got one of {preprocessing} for "
            f"{recogniser.preprocessing}; give the --preset that it was made with, or make it anew"
        )
    if flip != "average":
        raise InputError(
            f"{path}: expected a calibration with --flip average, as faces are compared, got --flip {flip}; "
            "make it anew without --flip"
        )
    return Calibration(points)


def measured_with(recogniser: Recogniser, flip: Flip) -> dict[str, Any]:
    """Return what a file of thresholds says of the network and of the embeddings, as JSON."""
    return {
        "model": recogniser.source.fingerprint,
        "flip": flip,
        "preprocessing": vars(recogniser.preprocessing),
    }


def _point(stored: dict[str, Any]) -> OperatingPoint:
    """Return a stored operating point; raises what `read_calibration` expects where it is none."""
    low, value, high = (stored[name] for name in ("threshold_low", "threshold", "threshold_high"))
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in stored.values()):
        raise ValueError
    if not low <= value <= high:
        raise ValueError
    return OperatingPoint(**stored)

"""Thresholds that come with the package, for audits with nobody outside the attack to calibrate by."""

from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.judges import DlibJudge, Judge, RecogniserJudge
from recognition.errors import InputError
from recognition.metrics.calibration import read_calibration
from recognition.metrics.thresholds import DecisionThreshold


def shipped_thresholds(judge: Judge) -> tuple[DecisionThreshold, ...]:
    """Return a judge's shipped thresholds, one for each false match rate; empty for judges without."""
    if isinstance(judge, DlibJudge):
        return tuple(one.decision for one in thresholds())
    if isinstance(judge, RecogniserJudge):
        try:
            points = read_calibration(judge.recogniser).points
        except InputError:
            # None comes with other networks.
            return ()
        return tuple(point.decision for point in points)
    return ()

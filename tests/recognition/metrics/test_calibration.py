"""Calibrated thresholds of a network."""

import json

import pytest

from recognition.bundled import NETWORKS
from recognition.checkpoint import load_recogniser
from recognition.errors import InputError
from recognition.loading import load
from recognition.metrics.calibration import choose_verdict, read_calibration

POINT = {
    **{"threshold": 0.4, "threshold_low": 0.38, "threshold_high": 0.43, "fmr": 0.01, "realised_fmr": 0.0099},
    **{"tar": 0.7, "mated": 40, "nonmated": 3120},
}


def test_a_calibration_is_of_one_network(tiny_model, tmp_path):
    recogniser = load_recogniser(tiny_model)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"points": [POINT], "model": recogniser.source.sha256}))
    assert read_calibration(recogniser, path).at(0.01).threshold == 0.4
    with pytest.raises(InputError, match=r"FMR: expected one that was calibrated \(0\.01\), got 0\.001"):
        read_calibration(recogniser, path).at(0.001)
    content = {"points": [POINT], "model": recogniser.source.sha256}
    path.write_text(json.dumps(content | {"flip": "none"}))
    with pytest.raises(InputError, match=r"expected a calibration with --flip average, .* got --flip none"):
        read_calibration(recogniser, path)
    path.write_text(json.dumps(content | {"flip": "average"}))
    assert read_calibration(recogniser, path).at(0.01).threshold == 0.4
    path.write_text(json.dumps({"points": [POINT], "model": "another"}))
    with pytest.raises(InputError, match="expected the calibration of tiny, got another network's"):
        read_calibration(recogniser, path)
    without = {name: value for name, value in POINT.items() if name != "threshold_low"}
    swapped = POINT | {"threshold_low": 0.41}
    damaged = (json.dumps({"points": [one], "model": recogniser.source.sha256}) for one in (without, swapped))
    for text in ("", "[]", "{}", '{"points": [1], "model": ""}', *damaged):
        path.write_text(text)
        with pytest.raises(InputError, match="expected a file of 'evaluate verification --curve'"):
            read_calibration(recogniser, path)
    with pytest.raises(
        InputError,
        match="expected one of tiny, got none; give --threshold, or --calibration",
    ):
        read_calibration(recogniser)


@pytest.mark.parametrize("name", NETWORKS)
def test_bundled_networks_come_calibrated_with_intervals_of_their_thresholds(name):
    points = read_calibration(load(name)).points
    assert [point.fmr for point in points] == [1e-2, 1e-3]
    assert -1 < points[0].threshold < points[1].threshold < 1
    for point in points:
        # Woodruff's interval, which is wider where fewer pairs exceed the threshold.
        assert point.threshold_low < point.threshold < point.threshold_high
    widths = [point.decision.high - point.decision.low for point in points]
    assert 0 < widths[0] < widths[1] < 0.1


def test_verdicts_by_a_calibration_a_threshold_or_nothing(tiny_model, tmp_path):
    recogniser = load_recogniser(tiny_model)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"points": [POINT], "model": recogniser.source.sha256}))
    calibrated = choose_verdict(recogniser, path, fmr=0.01, threshold=None)
    assert [calibrated.accepts(similarity) for similarity in (0.39, 0.4, 0.41)] == [False, False, True]
    assert calibrated.of(0.5).startswith("same person at FMR 0.01 (threshold 0.400, true accept rate 0.7")
    given = choose_verdict(recogniser, None, fmr=0.01, threshold=0.25)
    assert [given.accepts(similarity) for similarity in (0.24, 0.26)] == [False, True]
    assert given.of(0.2) == ("different people at the given threshold 0.250, whose error rates are not known")
    unknown = choose_verdict(recogniser, None, fmr=0.01, threshold=None)
    assert unknown.accepts(1.0) is None
    assert unknown.of(1.0).startswith("no verdict, because no threshold of tiny is known; give --threshold")
    for threshold in (1.5, float("nan")):
        with pytest.raises(InputError, match="threshold: expected a similarity from -1 to 1, got"):
            choose_verdict(recogniser, None, fmr=0.01, threshold=threshold)
    with pytest.raises(InputError, match="without --calibration, got both"):
        choose_verdict(recogniser, path, fmr=0.01, threshold=0.5)

"""The figures of the benchmark of size, on numbers that are made up."""

import numpy as np
import pytest

from arcinvert.evaluation.calibration import thresholds
from benchmarks.size import draw_people, identity_lines, sheet
from recognition.errors import InputError
from tests.recognition.conftest import write_people


def test_changes_are_paired_by_person():
    names = [f"P{number}" for number in range(8)]
    strictest = min(thresholds(), key=lambda point: point.fmr)
    small = np.linspace(0.1, 0.8, 8)
    # One person falls below the strictest threshold.
    small[5] = strictest.similarity + 0.001
    large = small - 0.002
    attacked = {112: np.full(8, 0.9), 224: np.full(8, 0.89)}
    lines = identity_lines({112: small, 224: large}, attacked, names)
    assert lines[0].startswith(f"Type II at 112 pixels {small.mean():.3f} [")
    assert "change at 224 -0.002 [-0.002, -0.002] (goal: at least -0.005)" in lines[0]
    (strict,) = (line for line in lines if line.startswith(f"SAR at FMR {strictest.fmr:g}:"))
    assert f"SAR at FMR {strictest.fmr:g}: {(small > strictest.similarity).mean():.3f} [" in strict
    assert "change -0.125 [" in strict
    assert lines[-1].startswith("similarity by the attacked network 0.900 [0.900, 0.900], change -0.010 [")


def test_a_sheet_has_no_names():
    crops = {
        "112 pixels": np.zeros((5, 112, 112, 3), np.uint8),
        "224 pixels": np.zeros((5, 224, 224, 3), np.uint8),
    }
    assert sheet(crops).shape[2] == 3


def test_too_few_people_are_refused(tmp_path):
    write_people(tmp_path / "faces", ["Ann", "Bob"], 2)
    with pytest.raises(InputError, match="people: expected at most 2 with two photographs, got 3"):
        draw_people(tmp_path / "faces", 3, seed=0, tuning=True)

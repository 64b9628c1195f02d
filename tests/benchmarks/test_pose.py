"""The figures of the benchmark of pose and expression, on numbers that are made up."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.mesh_measures import MeshMeasures
from benchmarks.pose import HEADS, WISHES, Found, cell, error_of, figures, goals, place_meshes, table
from recognition.errors import InputError

NAMES = ["A", "B", "C", "D"]


def measures(yaw: list[float], pitch: float = 0.0) -> MeshMeasures:
    count = len(yaw)
    still = np.full(count, 0.5)
    return MeshMeasures(np.array(yaw), np.full(count, pitch), still, still, still)


def found(yaw: list[float], accepted: list[bool], smiles: list[bool]) -> Found:
    return Found(measures(yaw), np.array(accepted), {"smile": np.array(smiles)})


def test_errors_are_distances_from_what_was_wanted() -> None:
    error = error_of({"yaw": 30.0}, measures([27.0, 36.0, np.nan]))
    np.testing.assert_array_equal(error, [3.0, 6.0, np.nan])
    np.testing.assert_array_equal(error_of({"pitch": -15.0}, measures([0.0], -11.0)), [4.0])
    assert error_of({"expression": "smile"}, measures([0.0])) is None


def test_rows_and_goals() -> None:
    without = found([0.0] * 4, [True] * 4, [True, False, False, False])
    turned = found([28.0, 34.0, 26.0, np.nan], [True, True, True, False], [False] * 4)
    smiling = found([0.0] * 4, [True] * 4, [True, True, True, False])
    row = figures(WISHES["yaw +30"], turned, without, NAMES)
    assert row.error is not None
    assert row.error.value == pytest.approx((2 + 4 + 4) / 3)
    assert row.reached is None
    assert (row.sar.value, row.change.value) == (0.75, -0.25)
    row = figures(WISHES["smile"], smiling, without, NAMES)
    assert row.reached is not None
    assert row.by_chance is not None
    assert (row.reached.value, row.by_chance.value) == (0.75, 0.25)
    lines = goals({"nothing": without, "yaw +30": turned, "smile": smiling}, WISHES, NAMES)
    assert lines[0].startswith("yaw error: 3.33 [")
    assert lines[1].startswith("expression reached: 0.75 [")
    # A quarter of the people loses half of its pictures.
    assert lines[2].startswith("change of SAR at FMR 0.001: -0.12 [") or lines[2].startswith(
        "change of SAR at FMR 0.001: -0.13 ["
    )
    assert lines[3] == "faces found by the mesh: 0.917"
    text = table(HEADS, {"smile": row})
    assert text.splitlines()[-1].startswith("| smile | 0.00 [")
    assert cell(None) == ""


def test_a_python_without_mediapipe_is_refused(tmp_path: Path) -> None:
    crops = np.zeros((1, 112, 112, 3), np.uint8)
    with pytest.raises(InputError, match="landmarker: expected a Python interpreter, got"):
        place_meshes(crops, tmp_path / "none")
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho ModuleNotFoundError >&2\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(InputError, match=r"mediapipe==0.10.21, but .* ended with: ModuleNotFoundError"):
        place_meshes(crops, script)

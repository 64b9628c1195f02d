"""Which photographs count for a row of the ceiling, and whose they are."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import pose_ceiling
from benchmarks.mesh_measures import Mesh, MeshMeasures
from benchmarks.pose_ceiling import drawn_pairs, shows
from recognition.errors import InputError


def test_photographs_near_a_pose_or_with_an_expression_count() -> None:
    still = np.full(4, 0.5)
    measures = MeshMeasures(np.array([-30.0, -22.6, -22.4, np.nan]), np.zeros(4), still, still, still)

    class Smiles(Mesh):
        def __init__(self) -> None:
            pass

        def reached(self, expression: str, measures: MeshMeasures) -> np.ndarray:
            return np.array([expression == "smile", False, False, False])

    assert shows({"yaw": -30.0}, Smiles(), measures).tolist() == [True, True, False, False]
    assert shows({"pitch": 0.0}, Smiles(), measures).tolist() == [True] * 4
    assert shows({"expression": "smile"}, Smiles(), measures).tolist() == [True, False, False, False]
    assert shows({}, Smiles(), measures).tolist() == [True, True, True, False]


def test_pairs_are_two_photographs_of_a_tuning_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pose_ceiling, "load_notes", lambda path: {"split": {"held_out": ["C"]}})
    for name, count in (("A", 3), ("B", 1), ("C", 4), ("D", 2)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.png").touch()
    names, shown, others = drawn_pairs(tmp_path, 5, seed=0)
    assert sorted(names) == ["A", "A", "A", "D", "D"]
    assert len(set(shown)) == 5
    for name, one, other in zip(names, shown, others, strict=True):
        assert one != other
        assert one.parent == other.parent == tmp_path / name
    with pytest.raises(InputError, match="photographs: expected at most 5, got 6"):
        drawn_pairs(tmp_path, 6, seed=0)

"""Pose and expression by the landmarks of benchmarks/face_mesh.py, which had no part in the deformations.

Poses are rotations of the landmarks in three dimensions against the mean shape of photographs. Expressions
are named by percentiles of photographs, too, so that each has a chance rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

#: Landmarks of the same place on both sides: left in the picture, right in the picture.
_PAIRS = ((234, 454), (127, 356), (93, 323), (33, 263), (61, 291))
#: Rounds of alignment to the mean shape, which hardly changes after two.
_ROUNDS = 4
#: What an expression is, for each number: the percentiles of photographs that it lies between.
REACHED: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "neutral": {"smile": (0, 50), "mouth": (0, 60), "eyes": (10, 100)},
    "smile": {"smile": (80, 100)},
    "open-mouth": {"mouth": (90, 100)},
    "eyes-closed": {"eyes": (0, 5)},
}


@dataclass(frozen=True)
class MeshMeasures:
    """Numbers of faces, each of shape (faces,), NaN where no face was found.

    Args:
        yaw: Degrees, positive where the face turns to the right of the picture.
        pitch: Degrees, positive where it looks up; 0 is the photographs' median.
        smile: Width and lift of the mouth, in distances of the outer corners of the eyes.
        mouth: The gap between the lips, in the same unit.
        eyes: The height of the open eyes in their widths.
    """

    yaw: Values
    pitch: Values
    smile: Values
    mouth: Values
    eyes: Values


class Mesh:
    """Measures faces against photographs.

    Args:
        photographs: Landmarks of shape (photographs, 478, 3).
    """

    def __init__(self, photographs: Values) -> None:
        found = photographs[np.isfinite(photographs).all((1, 2))]
        self._shape = _mean_shape(found)
        self._level = 0.0
        self.photographs = self.measure(found)
        self._level = float(np.median(self.photographs.pitch))
        self.photographs = self.measure(found)

    def measure(self, points: Values) -> MeshMeasures:
        """Return the numbers of landmarks, shape (faces, 478, 3)."""
        rows = np.full((len(points), 5), np.nan)
        for place, face in enumerate(points):
            if np.isfinite(face).all():
                rows[place] = self._numbers(face)
        return MeshMeasures(*rows.T)

    def _numbers(self, face: Values) -> tuple[float, ...]:
        rotation = _rotation(self._shape, face)
        forward = rotation @ (0.0, 0.0, -1.0)
        yaw = np.degrees(np.arctan2(forward[0], -forward[2]))
        pitch = np.degrees(np.arcsin(-forward[1])) - self._level
        # In the mean shape's position, so that the pose does not count.
        level = face @ rotation
        across = _distance(level, (33, 263))
        lips, corners = level[[0, 17, 13, 14]].mean(0), level[[61, 291]].mean(0)
        smile = (_distance(level, (61, 291)) + lips[1] - corners[1]) / across
        mouth = _distance(level, (13, 14), (82, 87), (312, 317)) / across
        eyes = np.mean(
            [
                _distance(level, (160, 144), (158, 153)) / _distance(level, (33, 133)),
                _distance(level, (385, 380), (387, 373)) / _distance(level, (362, 263)),
            ]
        )
        return float(yaw), float(pitch), float(smile), float(mouth), float(eyes)

    def reached(self, expression: str, measures: MeshMeasures) -> NDArray[np.bool_]:
        """Return whether faces show an expression, shape (faces,); those that were not found do not."""
        shown = np.isfinite(measures.yaw)
        for name, (low, high) in REACHED[expression].items():
            least, most = np.percentile(getattr(self.photographs, name), (low, high))
            # The percentiles at the ends exclude nothing.
            value = getattr(measures, name)
            shown &= (value >= least) | (low == 0)
            shown &= (value <= most) | (high == 100)
        return np.asarray(shown)


def _mean_shape(meshes: Values) -> Values:
    """Return the mean of meshes that are turned and scaled to each other, level and facing the camera."""
    shape = meshes[0]
    for _ in range(_ROUNDS):
        aligned = []
        for mesh in meshes:
            centred = mesh - mesh.mean(0)
            aligned.append(centred @ _rotation(shape, mesh) / np.linalg.norm(centred))
        shape = np.mean(aligned, axis=0)
    sides = np.mean([shape[right] - shape[left] for left, right in _PAIRS], axis=0)
    across = sides / np.linalg.norm(sides)
    # What is down, without the part along the sides.
    down = np.array([0.0, 1.0, 0.0]) - across[1] * across
    down /= np.linalg.norm(down)
    return np.asarray(shape @ np.stack([across, down, np.cross(across, down)], axis=1))


def _rotation(shape: Values, mesh: Values) -> Values:
    """Return the rotation, (3, 3), by which the rows of `shape` come nearest to those of `mesh`."""
    left, _, right = np.linalg.svd((mesh - mesh.mean(0)).T @ (shape - shape.mean(0)))
    return np.asarray(left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right)


def _distance(points: Values, *pairs: tuple[int, int]) -> float:
    return float(np.mean([np.linalg.norm(points[one] - points[other]) for one, other in pairs]))

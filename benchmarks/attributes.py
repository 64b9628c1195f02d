"""Attributes of people in photographs: measured pose and skin tone, and labels that a user gives.

Pose is measured by five landmarks, skin tone by the colour of the cheeks. Sex, age and whatever else come
from a CSV file, of benchmarks.face_labels or the user's own.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.appearance.measures import pose_of
from recognition.detection.alignment import detect
from recognition.errors import InputError
from recognition.files import read_text
from recognition.skin import CLASSES, skin_classes

#: The five points of a face in space, millimetres, x to the right and y downwards as seen in the image, z
#: towards the camera: eyes, tip of the nose, corners of the mouth. Source: the mean adult head of common
#: six-point models (S. Mallick, Head Pose Estimation using OpenCV, 2016), with eye centres between the
#: corners.
MODEL_POINTS: NDArray[np.float64] = np.array(
    [(-31.0, -34.0, -25.0), (31.0, -34.0, -25.0), (0.0, 0.0, 0.0), (-27.0, 29.0, -23.0), (27.0, 29.0, -23.0)]
)
#: Yaw, degrees, that separates the groups of pose.
YAW_EDGES = (10.0, 25.0)
YAW_NAMES = ("frontal, below 10°", "turned, 10° to 25°", "turned, 25° and more")
#: Ages, years, that separate groups where a label `age` is a number.
AGE_EDGES = (20, 40, 60)
AGE_NAMES = ("below 20", "20 to 39", "40 to 59", "60 and above")
#: Factor and border, pixels, that give the detector a crop with surroundings.
_ENLARGE, _MARGIN = 3, 60
#: Columns of a file of labels that say whose they are.
_IDENTITY = "identity"


def yaw_of(points: NDArray[np.float64]) -> float:
    """Return the yaw of a face in degrees, positive where it looks to the image's right.

    Args:
        points: Shape (5, 2), landmarks in pixels, (x, y).
    """
    # The model's third axis points towards the camera.
    return pose_of(points, MODEL_POINTS * (1.0, 1.0, -1.0))[0]


def yaw_in_crop(crop: NDArray[np.uint8]) -> float | None:
    """Return the yaw of the face in an aligned crop in degrees; None if no face is found."""
    enlarged = np.kron(crop, np.ones((_ENLARGE, _ENLARGE, 1), dtype=np.uint8))
    padding = ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
    faces = detect(np.pad(enlarged, padding, mode="edge"))
    return yaw_of(faces[0].points) if faces else None


def pose_groups(yaws: Sequence[float | None]) -> list[str | None]:
    """Return the group of pose of each photograph; None where no face was found."""
    return [None if yaw is None else YAW_NAMES[int(np.digitize(abs(yaw), YAW_EDGES))] for yaw in yaws]


def skin_groups(tones: Iterable[float]) -> list[str | None]:
    """Return the class of skin of each photograph, by its typology angle, degrees (see benchmarks.faults)."""
    return [CLASSES[index] for index in skin_classes(np.array(list(tones)))]


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Return labels by attribute and identity, of a CSV file with a column `identity`.

    Every other column is an attribute. A number in the column `age` becomes a group of ages.

    Raises:
        InputError: If the file has no such column, no attribute, or an identity twice.
    """
    rows = list(csv.DictReader(read_text(path, "a CSV file of labels").splitlines()))
    columns = [name for name in (rows[0] if rows else {}) if name]
    attributes = [name for name in columns if name != _IDENTITY]
    if _IDENTITY not in columns or not attributes:
        raise InputError(
            f"{path}: expected the column identity and others such as sex, age or occlusion, got "
            f"{', '.join(columns) or 'none'}"
        )
    found: dict[str, dict[str, str]] = {name: {} for name in attributes}
    for row in rows:
        name = row[_IDENTITY] or ""
        if any(name in labels for labels in found.values()):
            raise InputError(f"{path}: expected each identity once, got {name!r} again")
        for attribute in attributes:
            value = (row[attribute] or "").strip()
            if value:
                found[attribute][name] = age_group(value) if attribute == "age" else value
    return found


def age_group(value: str) -> str:
    """Return the group of a number of years; any other label as it is."""
    if not value.isascii() or not value.isdigit():
        return value
    return AGE_NAMES[int(np.digitize(int(value), AGE_EDGES))]


def labelled(labels: Mapping[str, str], people: Sequence[str]) -> list[str | None]:
    """Return the label of each person; None where there is none."""
    return [labels.get(person) for person in people]


def in_groups(values: Sequence[str | None], order: Sequence[str] = ()) -> dict[str, list[int]]:
    """Return the indices of the people of each group, in an order of groups, those not in it by name."""
    groups: dict[str, list[int]] = {name: [] for name in order}
    for name in sorted({value for value in values if value is not None} - set(order)):
        groups[name] = []
    for index, value in enumerate(values):
        if value is not None:
            groups[value].append(index)
    return {name: members for name, members in groups.items() if members}

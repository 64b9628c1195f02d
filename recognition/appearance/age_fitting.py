"""The change of faces with age, from aligned photographs with labels of age and sex.

Landmarks and pictures are regressed on age together with what goes with it in a collection of photographs,
and would be taken for it: the sex, the pose and the expression by the landmarks, and the skin tone.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from recognition.appearance.ages import READ_SIDE, Ages
from recognition.appearance.change import Change
from recognition.appearance.deformations import Deformation
from recognition.appearance.fitting import LabelledFaces, Values, flow, mirrored_landmarks
from recognition.appearance.measures import measure
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.files import read_text
from recognition.skin import CHEEKS, to_lab

#: Columns of a file of labels, and the largest one that is read, bytes.
COLUMNS = ("identity", "photograph", "male", "age")
_MOST = 64 << 20
#: The years between the two faces whose difference becomes the change of a year.
_YEARS = 30.0
#: The ridge of the regression of age on pixels in [0, 1]: of 0.001, 0.003, 0.01 and 0.03 it gives people who
#: were not fitted the ages that are nearest to their labels.
_RIDGE = 1e-3


@dataclass(frozen=True)
class AgeLabels:
    """What photographs look like by their labels, each of shape (faces,).

    Args:
        age: Years.
        male: The probability of male, by appearance.
    """

    age: Values
    male: Values


def read_labels(path: Path, photographs: Sequence[Path]) -> AgeLabels:
    """Return the labels of photographs in folders of their people.

    Args:
        path: A CSV file with the columns `COLUMNS`; `photograph` is the name of a file without its ending.
        photographs: The photographs.

    Raises:
        InputError: If the file is of another form, or a photograph has no label.
    """
    rows = list(csv.DictReader(read_text(path, "a file of labels", _MOST).splitlines()))
    if not rows or set(COLUMNS) - set(rows[0]):
        raise InputError(
            f"{path}: expected a CSV file with the columns {', '.join(COLUMNS)}; write it by 'python -m "
            "benchmarks.face_labels --photographs'"
        )
    try:
        known = {
            (row["identity"], row["photograph"]): (float(row["age"]), float(row["male"])) for row in rows
        }
        found = np.array([known[one.parent.name, one.stem] for one in photographs])
    except (TypeError, ValueError):
        raise InputError(f"{path}: expected numbers of age and male; make the file anew") from None
    except KeyError as error:
        raise InputError(f"{path}: expected a label of each photograph, found none of {error}") from None
    if not np.isfinite(found).all():
        raise InputError(f"{path}: expected finite numbers of age and male; make the file anew")
    return AgeLabels(found[:, 0], found[:, 1])


def fit_ages(faces: LabelledFaces, labels: AgeLabels) -> Ages:
    """Return how faces change with age.

    Args:
        faces: The photographs; each counts with its mirror image.
        labels: Their labels.

    Raises:
        InputError: If all labels are alike.
    """
    if labels.age.std() < 1:
        raise InputError("labels: expected faces of several ages, got one; give more photographs")
    pictures = faces.pictures.flatten(1).double().numpy()
    mirrored = faces.pictures.flip(-1).flatten(1).double().numpy()
    points = np.concatenate([faces.landmarks, mirrored_landmarks(faces.landmarks)])
    others = np.concatenate(
        [
            np.stack([measure(one) for one in points]),
            np.tile(np.column_stack([labels.male, _skin(faces)]), (2, 1)),
        ],
        1,
    )
    years = np.tile(labels.age, 2)
    design = np.column_stack([np.ones(len(years)), years - years.mean(), others - others.mean(0)])
    # The solution of all regressions at once; the pictures are not held twice.
    solved = np.linalg.pinv(design.T @ design)
    mean_points, more_points = (solved @ (design.T @ points.reshape(len(points), -1)))[:2]
    half = len(pictures)
    mean_picture, more_picture = (solved @ (design[:half].T @ pictures + design[half:].T @ mirrored))[:2]
    before = mean_points.reshape(-1, 2)
    moved = flow(before, before + _YEARS * more_points.reshape(-1, 2))
    shape = faces.pictures.shape[1:]
    face = torch.from_numpy(mean_picture).float().reshape(shape)
    older = face + _YEARS * torch.from_numpy(more_picture).float().reshape(shape)
    colours = older - Deformation(moved, None)(face[None])[0]
    weights, offset = _reading(faces, labels)
    return Ages(Change(moved, colours).times(1 / _YEARS), weights, offset)


def _skin(faces: LabelledFaces) -> Values:
    """Return the mean CIE Lab colour of the cheeks, (faces, 3)."""
    step = ALIGNED_SIZE // faces.pictures.shape[-1]
    patches = [
        faces.pictures[:, :, top // step : bottom // step, left // step : right // step].flatten(2)
        for top, bottom, left, right in CHEEKS
    ]
    return to_lab(torch.cat(patches, 2).mean(2).double().numpy())


def _reading(faces: LabelledFaces, labels: AgeLabels) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights and the offset of the ridge regression of age on pixels."""
    small = F.adaptive_avg_pool2d(faces.pictures, READ_SIDE)
    # A face and its mirror image look equally old.
    rows = (0.5 * (small + small.flip(-1))).flatten(1).double().numpy()
    mean = rows.mean(0)
    centred = rows - mean
    covariance = centred.T @ centred / len(rows)
    wanted = centred.T @ (labels.age - labels.age.mean()) / len(rows)
    found = np.linalg.solve(covariance + _RIDGE * np.eye(len(covariance)), wanted)
    weights = torch.from_numpy(found).float().reshape(small.shape[1:])
    return weights, torch.tensor(labels.age.mean() - mean @ found).float()

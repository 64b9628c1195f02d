"""How embeddings and class centres lie on the sphere: the angles of the ArcFace paper's table 3."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Angles:
    """Degrees; the two with centres are NaN where there are none.

    Args:
        w_ec: mean angle between a centre and the mean embedding of its class.
        w_inter: mean over centres of the smallest angle to another centre.
        intra: mean angle of embeddings to the mean embedding of their class.
        inter: mean over classes of the smallest angle between class means.
        theta: of each embedding to its class centre, or to the mean where there are no centres.
    """

    w_ec: float
    w_inter: float
    intra: float
    inter: float
    theta: NDArray[np.float64]


def measure_angles(embeddings: Array, labels: NDArray[np.integer], centres: Array | None = None) -> Angles:
    """The angles of labelled embeddings.

    Args:
        embeddings: (images, dim), unit norm.
        labels: (images,), 0 to classes - 1, each class with an image.
        centres: (classes, dim), unit norm.

    Raises:
        InputError: there are fewer than two classes, or other than the centres.

    Source: Deng et al., arXiv:1801.07698, table 3.
    """
    classes = int(labels.max(initial=-1)) + 1
    if classes < 2 or len(np.unique(labels)) != classes:
        raise InputError(f"angles: expected at least two classes, each with an image, got {classes} classes")
    if centres is not None and len(centres) != classes:
        raise InputError(f"centres: expected one of each of the {classes} classes, got {len(centres)}")
    means = np.zeros((classes, embeddings.shape[1]))
    np.add.at(means, labels, embeddings)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    around = means if centres is None else centres.astype(np.float64)
    theta = _degrees((embeddings * around[labels]).sum(1))
    return Angles(
        w_ec=float("nan") if centres is None else float(_degrees((around * means).sum(1)).mean()),
        w_inter=float("nan") if centres is None else _nearest(around),
        intra=float(_degrees((embeddings * means[labels]).sum(1)).mean()),
        inter=_nearest(means),
        theta=theta,
    )


def _degrees(cosines: Array) -> NDArray[np.float64]:
    return np.degrees(np.arccos(cosines.astype(np.float64).clip(-1, 1)))


def _nearest(directions: Array) -> float:
    """Mean over directions of the smallest angle to another one, degrees."""
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -1)
    return float(_degrees(cosines.max(1)).mean())


def describe_angles(angles: Angles) -> dict[str, float | int]:
    """The angles as one flat JSON object; those that need centres are left out where there are none."""
    described: dict[str, float | int] = {"images": len(angles.theta)}
    for name in ("w_ec", "w_inter", "intra", "inter"):
        value = getattr(angles, name)
        if not np.isnan(value):
            described[name] = round(value, 2)
    return described | {"theta": round(float(angles.theta.mean()), 2)}

"""How embeddings and class centres lie on the sphere: the angles of the ArcFace paper's table 3."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Angles:
    """Degrees; NaN where there are no centres, or no class with several embeddings.

    Args:
        images: how many embeddings these rest on.
        w_ec: mean angle between a centre and the mean embedding of its class.
        w_inter: mean over centres of the smallest angle to another centre.
        intra: mean angle of embeddings to the mean embedding of their class, of classes with several.
        inter: mean over classes of the smallest angle between class means.
    """

    images: int
    w_ec: float
    w_inter: float
    intra: float
    inter: float


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
    # A single image is its own mean.
    several = np.bincount(labels)[labels] > 1
    nan = float("nan")
    return Angles(
        images=len(labels),
        w_ec=nan if centres is None else float(_degrees((around * means).sum(1)).mean()),
        w_inter=nan if centres is None else _nearest(around),
        intra=float(_degrees((embeddings * means[labels]).sum(1))[several].mean()) if several.any() else nan,
        inter=_nearest(means),
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
    described: dict[str, float | int] = {"images": angles.images}
    for name in ("w_ec", "w_inter", "intra", "inter"):
        value = getattr(angles, name)
        if not np.isnan(value):
            described[name] = round(value, 2)
    return described

"""Angles between embeddings and class centres on the sphere, as in table 3 of the ArcFace paper."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.finite import check_finite
from recognition.metrics.intervals import Estimate, estimate

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Angles:
    """Angles in degrees; NaN where there are no centres, or no class with several embeddings.

    Args:
        images: Number of embeddings.
        w_ec: Mean angle between a class's weight (its centre) and its embedding centre, the mean embedding;
            the paper's W-EC.
        w_inter: Mean over centres of the smallest angle to another centre; the paper's W-Inter.
        intra: Mean angle between embeddings and the mean embedding of their class, over the classes with
            several.
        inter: Mean over classes of the smallest angle between the mean embeddings of two classes.
    """

    images: int
    w_ec: float
    w_inter: float
    intra: float
    inter: float


@dataclass(frozen=True)
class AngleSamples:
    """The angles in degrees whose means `Angles` has; empty where there is nothing to measure.

    Args:
        w_ec: Shape (classes,), between a class's centre and its mean embedding.
        w_inter: Shape (classes,), the smallest of a centre to another one.
        intra: Shape (images of classes with several,), between an embedding and its class's mean.
        intra_classes: The same shape, the class of each.
        inter: Shape (classes,), the smallest of a class's mean embedding to another one.
    """

    w_ec: NDArray[np.float64]
    w_inter: NDArray[np.float64]
    intra: NDArray[np.float64]
    intra_classes: NDArray[np.int64]
    inter: NDArray[np.float64]

    def estimates(self) -> dict[str, Estimate]:
        """Return the mean of each kind of angle that was measured, with its 95 % interval over classes."""
        found = {
            name: estimate(values, np.arange(len(values)))
            for name in ("w_ec", "w_inter", "inter")
            if len(values := getattr(self, name))
        }
        if len(self.intra):
            found["intra"] = estimate(self.intra, self.intra_classes, pooled=True)
        return found


def measure_angles(embeddings: Array, labels: NDArray[np.integer], centres: Array | None = None) -> Angles:
    """Return the mean angles of labelled embeddings; the arguments are those of `angle_samples`.

    Raises:
        InputError: If there are fewer than two classes, not one centre per class, or an embedding is not of
            finite numbers.

    Source: Deng et al., arXiv:1801.07698, table 3.
    """
    samples = angle_samples(embeddings, labels, centres)

    def mean(values: NDArray[np.float64]) -> float:
        return float(values.mean()) if len(values) else float("nan")

    return Angles(
        images=len(labels),
        w_ec=mean(samples.w_ec),
        w_inter=mean(samples.w_inter),
        intra=mean(samples.intra),
        inter=mean(samples.inter),
    )


def angle_samples(
    embeddings: Array, labels: NDArray[np.integer], centres: Array | None = None
) -> AngleSamples:
    """Return the single angles of labelled embeddings.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), class indices in [0, classes), each with an image.
        centres: Shape (classes, dim), unit norm, if known.

    Raises:
        InputError: If there are fewer than two classes, not one centre per class, or an embedding is not of
            finite numbers.
    """
    check_finite("embeddings", embeddings)
    classes = int(labels.max(initial=-1)) + 1
    if classes < 2 or len(np.unique(labels)) != classes:
        raise InputError(f"angles: expected at least two classes, each with an image, got {classes} classes")
    if centres is not None and len(centres) != classes:
        raise InputError(f"centres: expected one of each of the {classes} classes, got {len(centres)}")
    means = np.zeros((classes, embeddings.shape[1]))
    np.add.at(means, labels, embeddings)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    around = means if centres is None else centres.astype(np.float64)
    # The angle of a class's only image to its own mean would be zero.
    several = np.bincount(labels)[labels] > 1
    nothing = np.empty(0)
    return AngleSamples(
        w_ec=nothing if centres is None else _degrees((around * means).sum(1)),
        w_inter=nothing if centres is None else nearest_angles(around),
        intra=_degrees((embeddings * means[labels]).sum(1))[several],
        intra_classes=labels[several].astype(np.int64),
        inter=nearest_angles(means),
    )


def nearest_angles(
    directions: NDArray[np.floating], chosen: NDArray[np.integer] | None = None, *, rows: int = 1024
) -> NDArray[np.float64]:
    """Return the smallest angle of each direction to another one, in degrees, shape (chosen,).

    Args:
        directions: Shape (classes, dim), unit norm, at least two.
        chosen: Indices of the directions whose angles are returned; None takes all.
        rows: Number of directions that are compared at a time, which bounds the memory.
    """
    if len(directions) < 2:
        raise InputError(f"angles: expected at least two directions, got {len(directions)}")
    indices = np.arange(len(directions)) if chosen is None else np.asarray(chosen)
    nearest = []
    for first in range(0, len(indices), rows):
        part = indices[first : first + rows]
        cosines = directions[part] @ directions.T
        cosines[np.arange(len(part)), part] = -1
        nearest.append(_degrees(cosines.max(1)))
    return np.concatenate(nearest) if nearest else np.empty(0)


def _degrees(cosines: Array) -> NDArray[np.float64]:
    return np.degrees(np.arccos(cosines.astype(np.float64).clip(-1, 1)))


def describe_angles(angles: Angles) -> dict[str, float | int]:
    """Return the angles as a flat JSON object, without those that are not known."""
    described: dict[str, float | int] = {"images": angles.images}
    for name in ("w_ec", "w_inter", "intra", "inter"):
        value = getattr(angles, name)
        if not np.isnan(value):
            described[name] = round(value, 2)
    return described

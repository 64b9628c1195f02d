"""Accuracy of pairs over folds, as the protocol of LFW (Labeled Faces in the Wild) defines it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.finite import check_finite

Array = NDArray[np.floating[Any]]


def ten_fold_accuracy(
    similarities: Array, mated: NDArray[np.bool_], folds: NDArray[np.integer]
) -> tuple[float, float]:
    """Return mean and standard deviation over folds of the accuracy at the other folds' best threshold.

    Args:
        similarities: Shape (pairs,).
        mated: Shape (pairs,), whether a pair shows one person.
        folds: Shape (pairs,), the fold of each pair.

    Raises:
        InputError: If a similarity is not a number, or all pairs are of one fold.

    Source: LFW's view 2 protocol, Huang et al., technical report 07-49.
    """
    right = decided_right(similarities, mated, folds)
    accuracies = [right[folds == fold].mean() for fold in np.unique(folds)]
    return float(np.mean(accuracies)), float(np.std(accuracies))


def decided_right(
    similarities: Array, mated: NDArray[np.bool_], folds: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Return whether each pair is decided right at the other folds' best threshold, shape (pairs,).

    The arguments are those of `ten_fold_accuracy`.

    Raises:
        InputError: If a similarity is not a number, or all pairs are of one fold.
    """
    check_finite("similarities", similarities)
    if len(np.unique(folds)) < 2:
        raise InputError(
            f"pairs: expected some in at least two folds, got {len(folds)} in {len(np.unique(folds))}; those "
            "of images that are missing or cannot be read are left out"
        )
    # Double precision has a threshold between any two float32 similarities.
    similarities = similarities.astype(np.float64)
    right = np.zeros(len(similarities), dtype=np.bool_)
    for fold in np.unique(folds):
        inside = folds == fold
        threshold = _best_threshold(similarities[~inside], mated[~inside])
        right[inside] = (similarities[inside] > threshold) == mated[inside]
    return right


def _best_threshold(similarities: Array, mated: NDArray[np.bool_]) -> float:
    order = np.argsort(-similarities, kind="stable")
    descending = similarities[order]
    # Accepting the first k pairs is right for the mated ones among them and for the other nonmated ones.
    right = np.concatenate([[0], np.cumsum(np.where(mated[order], 1, -1))])
    # No threshold separates equal similarities.
    possible = np.concatenate([[True], descending[:-1] != descending[1:], [True]])
    best = int(np.argmax(np.where(possible, right, -len(right))))
    if best == 0:
        return float(descending[0])
    if best == len(descending):
        return float(np.nextafter(descending[-1], -np.inf))
    return float((descending[best - 1] + descending[best]) / 2)

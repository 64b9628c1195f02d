"""What is not a number is refused, and is not counted as a rejection."""

import numpy as np
import pytest

from recognition.errors import InputError
from recognition.metrics.accuracy import ten_fold_accuracy
from recognition.metrics.angles import measure_angles
from recognition.metrics.finite import check_finite
from recognition.metrics.identification import fnir_at_fpir, identify, ranks, search
from recognition.metrics.thresholds import Nonmated, estimate_fmr, threshold_at_rate
from recognition.metrics.verification import roc, tar_at_fmr, verify

LABELS = np.repeat(np.arange(30), 3)


def broken_embeddings(value: float) -> np.ndarray:
    embeddings = np.random.default_rng(0).normal(size=(len(LABELS), 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings[7, 3] = value
    return embeddings


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "measure",
    [
        lambda rows: verify(rows, LABELS),
        lambda rows: identify(rows, LABELS),
        lambda rows: measure_angles(rows, LABELS),
        lambda rows: estimate_fmr(rows, LABELS, 0.5),
        lambda rows: ranks(rows[:10], LABELS[:10], rows[10:], LABELS[:80]),
        lambda rows: search(rows[:10], rows[10:]),
        lambda rows: search(rows[10:], rows[:10]),
        lambda rows: roc(rows[0], rows[7]),
        lambda rows: roc(rows[7], rows[0]),
        lambda rows: threshold_at_rate(rows[7], 0.5),
        lambda rows: tar_at_fmr(rows[7], Nonmated(rows[0], *np.zeros((2, 8), int), np.ones(9, int)), 0.5),
        lambda rows: fnir_at_fpir(rows[7], np.ones(8, dtype=bool), rows[0], 0.5),
        lambda rows: ten_fold_accuracy(rows[7], np.arange(8) < 4, np.arange(8) % 2),
    ],
)
def test_what_is_not_a_number_is_refused(measure, value):
    with pytest.raises(InputError, match=r"expected finite numbers, got .* infinite or not a number"):
        measure(broken_embeddings(value))


def test_finite_values_pass_whatever_their_sum():
    check_finite("values", np.array([1e308, 1e308, 1e308]), np.zeros(0))
    with pytest.raises(InputError, match=r"values: expected finite numbers, got 2 of 5 that"):
        check_finite("values", np.array([np.inf, -np.inf, 1.0]), np.zeros(2))

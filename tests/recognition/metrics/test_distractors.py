"""The rank-one rate among distractors, against all galleries that can be drawn."""

import itertools
import math

import numpy as np
import pytest

from recognition.errors import InputError
from recognition.metrics import distractors
from recognition.metrics.distractors import (
    describe_distractors,
    identified_share,
    identify_among,
    read_distractors,
)


def unit(generator: np.random.Generator, *shape: int) -> np.ndarray:
    values = generator.normal(size=shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def naive(probes, labels, others, size) -> float:
    """Return the rate by its definition: every pair, every gallery of `size` distractors."""
    hits = total = 0
    for a, b in itertools.permutations(range(len(labels)), 2):
        if labels[a] != labels[b]:
            continue
        own = probes[a] @ probes[b]
        for gallery in itertools.combinations(range(len(others)), size):
            total += 1
            hits += all(probes[a] @ others[index] < own for index in gallery)
    return hits / total


@pytest.mark.parametrize("block", [3, 1 << 14])
def test_the_rate_is_the_mean_over_all_galleries(monkeypatch, block):
    monkeypatch.setattr(distractors, "BLOCK", block)
    monkeypatch.setattr(distractors, "_SIMILARITIES", 2 * block)
    generator = np.random.default_rng(0)
    labels = np.array([0, 0, 1, 2, 2, 2, 1, 9])
    probes, others = unit(generator, 8, 3), unit(generator, 8, 3)
    curve = identify_among(probes, labels, [others[:5], others[5:]], sizes=[1, 3, 8])
    assert (curve.pairs, curve.people, curve.distractors) == (2 + 2 + 6, 3, 8)
    for size, rate in zip(curve.sizes, curve.rates, strict=True):
        assert rate.value == pytest.approx(naive(probes, labels, others, size), abs=1e-12)
        assert rate.low <= rate.value <= rate.high
        assert rate.identities == 3


def test_people_who_are_all_identified_leave_an_interval():
    faces = np.eye(12, dtype=np.float32)
    twice, people = np.repeat(faces[:8], 2, axis=0), np.repeat(np.arange(8), 2)
    (rate,) = identify_among(twice, people, [faces[8:]], sizes=[4]).rates
    # Of eight people; both pairs of a person count as more than one and as fewer than two of other people.
    assert rate.value == rate.high == 1.0
    assert 0.63 < rate.low < 0.80


def test_the_share_is_exact_of_millions():
    """By hand: of M distractors one is better; it is in a gallery of N with probability N / M."""
    total = 10_000_000
    for size in (10, 1000, 1_000_000, total):
        found = identified_share(np.array([0, 1, total]), total, size)
        assert found == pytest.approx([1, 1 - size / total, 0], abs=1e-7)
    # Two better ones: C(8, 3) / C(10, 3).
    assert identified_share(np.array([2]), 10, 3)[0] == pytest.approx(56 / math.comb(10, 3))


def test_sizes_are_powers_of_ten_and_all():
    generator = np.random.default_rng(1)
    curve = identify_among(unit(generator, 4, 8), np.array([0, 0, 1, 1]), [unit(generator, 250, 8)])
    assert curve.sizes == (10, 100, 250)
    described = describe_distractors(curve)
    assert list(described["rank_1"]) == ["10", "100", "250"]
    assert described["chance"]["10"] == pytest.approx(1 / 11)


def test_equal_faces_get_no_credit():
    """A network that gives all faces one embedding identifies nobody, whatever is rounded how."""
    same = np.tile(unit(np.random.default_rng(3), 1, 512), (6, 1))
    curve = identify_among(same[:4], np.array([0, 0, 1, 1]), [same[:2], same], sizes=[1, 8])
    assert [rate.value for rate in curve.rates] == [0, 0]


def test_templates_of_a_file_are_normalised_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr(distractors, "BLOCK", 4)
    rows = np.random.default_rng(2).normal(size=(10, 3))
    np.save(tmp_path / "d.npy", rows)
    blocks = list(read_distractors(tmp_path / "d.npy", 3))
    assert [len(block) for block in blocks] == [4, 4, 2]
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-6)


def test_what_cannot_be_measured_is_refused(tmp_path):
    generator = np.random.default_rng(0)
    probes, others = unit(generator, 2, 3), unit(generator, 4, 3)
    same, different = np.array([0, 0]), np.array([0, 1])
    with pytest.raises(InputError, match="expected people with two images or more"):
        identify_among(probes, different, [others])
    with pytest.raises(InputError, match="expected at least 5 of them and sizes from 1, got 4"):
        identify_among(probes, same, [others], sizes=[5])
    with pytest.raises(InputError, match=r"expected templates of shape \(n, 3\), got \(4, 2\)"):
        identify_among(probes, same, [others[:, :2]])
    with pytest.raises(InputError, match="distractors"):
        identify_among(probes, same, [others * np.nan])
    np.save(tmp_path / "zero.npy", np.zeros((2, 3)))
    np.save(tmp_path / "wide.npy", np.ones((2, 4)))
    (tmp_path / "other.npy").write_bytes(b"no array")
    for name, message in (
        ("zero", "other than zero"),
        ("wide", r"\(n, 3\), got \(2, 4\)"),
        ("other", "a .npy file"),
    ):
        with pytest.raises(InputError, match=message):
            list(read_distractors(tmp_path / f"{name}.npy", 3))

"""Membership scores on tiny networks, by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.membership import (
    area,
    area_interval,
    combined,
    membership_scores,
    photographs,
    statistics_difference,
    table,
    threshold_at,
    threshold_of,
)
from recognition.loading import load


def test_the_photographs_of_each_group(tmp_path: Path) -> None:
    for name, count in (("Ann", 1), ("Bob", 12), ("Cat", 2), ("Dan", 3)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number:02d}.png").touch()
    split = {"held_out": ["Cat", "Dan"], "reserved": ["Bob"]}
    found = photographs(tmp_path, split, people=10)
    assert [str(path.relative_to(tmp_path)) for path in found.trained] == ["Ann/00.png", "Bob/00.png"]
    assert [str(path.relative_to(tmp_path)) for path in found.kept_out] == ["Bob/11.png"]
    assert [str(path.relative_to(tmp_path)) for path in found.strangers] == ["Cat/00.png", "Dan/00.png"]


def test_statistics_by_hand() -> None:
    # One channel of mean 3 and deviation 1 in the first image, of mean 1 and deviation 0 in the second.
    activations = torch.tensor([[[[2.0, 4.0]]], [[[1.0, 1.0]]]])
    found = statistics_difference(activations, torch.tensor([1.0]), torch.tensor([4.0]))
    assert found.tolist() == pytest.approx([4 / 4 + (1 / 2 - 1) ** 2, 0 + 1])


def test_scores_of_a_network(tiny_model: Path) -> None:
    recogniser = load(str(tiny_model))
    assert recogniser.centres is not None
    images = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    found = membership_scores(recogniser, [images[:2], images[2:]])
    with torch.no_grad():
        cosines = recogniser(images) @ recogniser.centres.T
    assert found[:, 0] == pytest.approx(cosines.amax(1).numpy(), abs=1e-5)
    # Each image has its own statistics, whatever else is in the batch.
    assert membership_scores(recogniser, [images])[:, 1] == pytest.approx(found[:, 1], abs=1e-5)
    assert (found[:, 1] < 0).all()


def test_thresholds_and_areas() -> None:
    strangers = np.arange(1000.0)
    assert (strangers > threshold_at(strangers, 1e-2)).mean() == 1e-2
    assert (strangers > threshold_at(strangers[:100], 1e-3)).sum() == 900
    assert area(np.array([2.0, 0.5]), np.array([1.0, 2.0])) == pytest.approx((1.5 + 0) / 4)


def test_members_stand_out_where_they_do() -> None:
    generator = np.random.default_rng(0)
    strangers = generator.normal(size=(500, 2))
    members = generator.normal((5.0, 0.0), size=(200, 2))
    lines = table(
        combined(members, strangers), combined(strangers, strangers), combined(strangers, strangers)
    )
    # Of 500 strangers five are expected above the one threshold, and ten above the other.
    assert "FPR 0.01 (not supported)" in lines[0]
    assert "FPR 0.02 |" in lines[0]
    centre, statistics = (line.split("|") for line in (lines[2], lines[5]))
    assert float(centre[5].split()[0]) > 0.95
    assert float(statistics[5].split()[0]) < 0.1
    # Strangers at their own threshold: the false positive rate itself.
    assert lines[4].split("|")[5].split()[0] == "0.020"


def test_the_interval_of_an_area_holds_the_truth() -> None:
    generator, held = np.random.default_rng(1), 0
    for _ in range(60):
        members, strangers = generator.normal(1.0, size=80), generator.normal(size=80)
        low, high = area_interval(members, strangers)
        assert 0 <= low < area(members, strangers) < high <= 1
        # The probability that a normal number exceeds another one with a mean lower by 1.
        held += low <= 0.76025 <= high
    assert held >= 53
    low, high = area_interval(np.arange(5.0) + 9, np.arange(5.0))
    assert low <= high <= 1


def test_a_threshold_of_few_strangers_is_uncertain() -> None:
    strangers = np.random.default_rng(2).normal(size=600)
    found = threshold_of(strangers, 1e-2)
    assert found.value == threshold_at(strangers, 1e-2)
    # 6 of 600: the exact interval of the rate is 0.0037 to 0.0217, of two and of twelve strangers.
    assert (strangers > found.high).sum() == 2
    assert (strangers > found.low).sum() == 12

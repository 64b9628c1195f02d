"""Generated LFW: which pairs are drawn, that parts are kept, and what is counted apart."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from arcinvert.attacker import Attacker
from benchmarks import generated_lfw, reconstructions
from benchmarks.generated_lfw import (
    Comparisons,
    draw_pairs,
    groups_of,
    photographs_of,
    strangers,
    table,
)
from benchmarks.reconstructions import reconstruct
from recognition.errors import InputError
from recognition.images import write_png
from recognition.metrics.accuracy import decided_right, ten_fold_accuracy

FOLDS, EACH = 3, 6


def made_up_pairs():
    """Return pairs of 12 people a fold: six mated, six nonmated."""
    pairs = []
    for fold in range(FOLDS):
        for number in range(EACH):
            one, other = (Path(f"P{fold}{number}{side}", "x_0001.png") for side in "ab")
            pairs.append((one, one.with_name("x_0002.png"), True, fold))
            pairs.append((one, other, False, fold))
    return pairs


def test_as_many_of_each_kind_are_drawn_in_each_fold():
    pairs = made_up_pairs()
    drawn = draw_pairs(pairs, 12, seed=0)
    assert len(set(drawn)) == len(drawn) == 12
    counts = {(pair[3], pair[2]): 0 for pair in pairs}
    for pair in drawn:
        counts[pair[3], pair[2]] += 1
    assert set(counts.values()) == {2}
    assert sorted(draw_pairs(pairs, 10**6, seed=0)) == sorted(pairs)
    assert len(draw_pairs(pairs, 1, seed=0)) == 2 * FOLDS


def test_a_larger_draw_begins_with_the_photographs_of_a_smaller_one():
    pairs = made_up_pairs()
    few, many = (photographs_of(draw_pairs(pairs, count, seed=1)) for count in (12, 30))
    assert many[: len(few)] == few
    assert len(set(many)) == len(many)
    assert photographs_of(draw_pairs(pairs, 12, seed=2)) != few


def test_nobody_stands_for_themselves_on_the_floor():
    people = ["c", "a", "b", "a", "c", "a", "d", "b"]
    moved = strangers(people, 0)
    assert sorted(moved) == list(range(8))
    assert all(people[index] != person for index, person in zip(moved, people, strict=True))
    with pytest.raises(InputError, match=r"^pairs: expected photographs of several people"):
        strangers(["a", "a", "b"], 0)


def test_the_floor_keeps_nothing_of_who_is_on_two_photographs():
    people = [f"P{number // 2:03}" for number in range(400)]
    moved = strangers(people, 1)
    assert sorted(moved) == list(range(400))
    replaced = np.array(people)[moved]
    assert not (replaced == np.array(people)).any()
    # By chance one of 200 pairs; a move of whole people would keep all of them together.
    assert (replaced[::2] == replaced[1::2]).sum() <= 6
    # One person with half of the photographs leaves no choice but the others'.
    half = ["a"] * 10 + list("bcdefghijk")
    assert all(half[index] != person for index, person in zip(strangers(half, 0), half, strict=True))


def test_pairs_are_counted_apart_by_who_is_known():
    photographs = [Path(name, "x.png") for name in ("Ann", "Bob", "Cat", "Dan")]
    listed = [(0, 1), (0, 2), (2, 3), (1, 3)]
    pairs = Comparisons.of(
        [(photographs[one], photographs[other], False, 0) for one, other in listed], photographs
    )
    groups = groups_of(pairs, {"Ann", "Bob"}, np.array([False, False, False, True]))
    assert {name: group.tolist() for name, group in groups.items()} == {
        "all pairs": [True] * 4,
        "held-out people": [True, False, False, False],
        "known people": [False, False, True, False],
        "no public face": [True, True, False, False],
    }


def test_decisions_are_those_of_the_accuracy():
    generator = np.random.default_rng(0)
    mated, folds = np.arange(60) % 2 == 0, np.arange(60) // 20
    values = generator.normal(mated, 1.0)
    right = decided_right(values, mated, folds)
    # By hand for one fold: the threshold of the other two folds that decides most of their pairs right.
    inside = folds == 1
    candidates = np.concatenate([values[~inside], [-np.inf]])
    best = max(((values[~inside] > one) == mated[~inside]).sum() for one in candidates)
    thresholds = [one for one in candidates if ((values[~inside] > one) == mated[~inside]).sum() == best]
    assert any((right[inside] == ((values[inside] > one) == mated[inside])).all() for one in thresholds)
    accuracies = [right[folds == fold].mean() for fold in range(3)]
    assert ten_fold_accuracy(values, mated, folds) == pytest.approx((np.mean(accuracies), np.std(accuracies)))


def test_the_table_has_shares_with_intervals_and_dashes_where_there_are_no_pairs():
    drawn = draw_pairs(made_up_pairs(), 36, seed=0)
    photographs = photographs_of(drawn)
    pairs = Comparisons.of(drawn, photographs)
    perfect = np.where(pairs.mated, 0.9, 0.1)
    alike = np.full(len(drawn), 0.5)
    groups = groups_of(pairs, set(), np.zeros(len(photographs), dtype=bool))
    text, figures = table({"perfect": perfect, "the mean face": alike}, pairs, groups)
    assert figures["perfect"]["accuracy"] == 1
    assert figures["the mean face"]["accuracy"] == 0.5
    assert figures["perfect"]["right"]["held-out people"] is None
    everyone = figures["perfect"]["right"]["all pairs"]
    assert everyone["value"] == everyone["high"] == 1
    assert 0.5 < everyone["low"] < 1
    assert "| perfect | 1.0000 ± 0.0000 | 1.000 [" in text
    assert "held-out people (0 + 0)" in text


@pytest.fixture
def aligned(tmp_path, astronaut_crop):
    """Six people with two photographs each, of noise on one face."""
    generator = np.random.default_rng(0)
    for person in range(6):
        folder = tmp_path / "aligned" / f"Person_{person}"
        folder.mkdir(parents=True)
        for number in (1, 2):
            noisy = astronaut_crop + generator.normal(0, 20, astronaut_crop.shape)
            write_png(folder / f"{folder.name}_000{number}.png", noisy.clip(0, 255).astype(np.uint8))
    return tmp_path / "aligned"


def test_parts_are_read_again_until_something_changes(tiny_model, aligned, tmp_path, monkeypatch):
    monkeypatch.setattr(reconstructions, "PART", 2)
    attacker = Attacker(str(tiny_model))
    runs = []
    real = Attacker.from_crops

    def counted(self, crops, **given):
        runs.append(len(crops))
        return real(self, crops, **given)

    monkeypatch.setattr(Attacker, "from_crops", counted)
    photographs = sorted(aligned.rglob("*.png"))[:3]
    options = {"steps": 1, "restarts": 1, "initialisation": "mean-face"}
    first, public = reconstruct(attacker, photographs, tmp_path / "parts", options)
    assert runs == [2, 1]
    assert first.shape == (3, 112, 112, 3)
    assert public == set()
    again, _ = reconstruct(attacker, photographs, tmp_path / "parts", options)
    assert runs == [2, 1]
    np.testing.assert_array_equal(first, again)
    # A larger number keeps whole parts.
    reconstruct(attacker, sorted(aligned.rglob("*.png"))[:4], tmp_path / "parts", options)
    assert runs == [2, 1, 2]
    reconstruct(attacker, photographs[:2], tmp_path / "parts", options | {"seed": 5})
    assert runs == [2, 1, 2, 2]


def test_the_command_writes_the_table_and_who_is_known(tiny_model, aligned, tmp_path, capsys):
    lines = ["2\t2"]
    for first in (0, 3):
        lines += [f"Person_{first}\t1\t2", f"Person_{first + 1}\t1\t2"]
        lines += [
            f"Person_{first}\t1\tPerson_{first + 2}\t1",
            f"Person_{first + 1}\t2\tPerson_{first + 2}\t1",
        ]
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("\n".join(lines))
    out = tmp_path / "out"
    generated_lfw.compare(
        argparse.Namespace(
            aligned=aligned,
            pairs=pairs,
            model=str(tiny_model),
            judge=None,
            whole=True,
            count=0,
            seed=0,
            steps=1,
            restarts=1,
            initialisation="mean-face",
            batch_size=None,
            out=out,
        )
    )
    printed = capsys.readouterr().out
    assert "8 of LFW's pairs, 10 photographs, 6 people" in printed
    assert (out / "table.md").read_text() in printed.lstrip("\n") + "\n"
    figures = json.loads((out / "figures.json").read_text())
    assert set(figures) == {
        generated_lfw.GENERATED,
        generated_lfw.ONE,
        generated_lfw.OWN,
        generated_lfw.FLOOR,
        generated_lfw.CEILING,
    }
    rows = list(csv.DictReader((out / "pairs.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert [row["mated"] for row in rows] == ["yes", "yes", "no", "no"] * 2
    assert {row["first known"] for row in rows} == {"yes"}, "these people are not the bundled networks'"

import copy
import json
from pathlib import Path

import numpy as np
import pytest

import benchmarks.losses as losses
from arcinvert.output.folder import RESULT_NAME
from arcinvert.subjects import class_centres
from benchmarks.losses import (
    HEADS,
    PHOTOGRAPHS,
    SETTINGS,
    attack_once,
    attack_table,
    difference,
    link_trained,
    trained_photographs,
    weights_to_means,
)
from benchmarks.small_trainings import People
from recognition.checkpoint import sha256
from recognition.data.embedding import embed_files
from recognition.data.folders import split_identities
from recognition.images import write_png
from recognition.loading import load
from recognition.metrics.intervals import estimate
from tests.conftest import TINY_NAMES

NAMES = ["Ann Able", "Bob Baker", "Cat Charlie"]


def make_result(
    type_2: list[float], *, names: list[str] = NAMES, command: str = "generate", digest: str = "d"
) -> dict:
    """A result.json of one sample a person, as far as the table reads it."""

    def figure(values: list[float]) -> dict:
        return vars(estimate(values, names))

    return {
        "command": command,
        "interrupted": False,
        "attacked": {"sha256": digest},
        "options": {"samples": 1, **SETTINGS},
        "summary": {
            "identities": len(names),
            "attacked_similarity": figure([0.9] * len(names)),
            "face_detected": figure([1.0] * len(names)),
            "similarity": figure(type_2),
            "floor": figure([0.2] * len(names)),
            "ceiling": figure([0.6] * len(names)),
            "sar": {
                "0.01": {
                    "attack": figure([float(value > 0.4) for value in type_2]),
                    "floor": figure([0.0] * len(names)),
                    "ceiling": figure([1.0] * len(names)),
                }
            },
        },
        "samples": [
            {"input": name, "judge": {"type_1": value + 0.1, "type_2": value, "floor_type_1": 0.25}}
            for name, value in zip(names, type_2, strict=True)
        ],
    }


def cells(line: str) -> list[str]:
    return [part.strip() for part in line.strip("|").split("|")]


def test_networks_are_compared_person_by_person():
    # Everyone loses 0.1, so the difference is sure, however much people differ.
    reference, other = make_result([0.3, 0.5, 0.7]), make_result([0.2, 0.4, 0.6])
    figure = difference(other, reference)
    assert [figure[name] for name in ("value", "low", "high")] == pytest.approx([-0.1] * 3)
    assert figure["identities"] == 3
    # By name, not by place.
    shuffled = make_result([0.6, 0.2, 0.4], names=[NAMES[2], NAMES[0], NAMES[1]])
    assert difference(shuffled, reference) == figure
    with pytest.raises(ValueError, match=r"the same people, got .*Dan Dog"):
        difference(make_result([0.1], names=["Dan Dog"]), reference)


def test_the_closed_set_table():
    results = {"arcface": make_result([0.3, 0.5, 0.7]), "softmax": make_result([0.2, 0.4, 0.6])}
    header, rule, *rows = attack_table(results, "Closed", {name: HEADS[name][0] for name in results})
    assert cells(header)[0] == "Closed, n = 3"
    columns = {name: place for place, name in enumerate(cells(header))}
    assert "Type I" not in columns
    assert {len(cells(line)) for line in (header, rule, *rows)} == {len(columns)}
    table = {cells(line)[0]: cells(line) for line in rows}
    assert list(table) == ["floor", "arcface", "softmax", "ceiling"]
    assert [table[name][columns["Type II"]][:5] for name in table] == ["0.200", "0.500", "0.400", "0.600"]
    less = columns["less arcface's"]
    assert [table[name][less] for name in table] == ["", "", "-0.100 [-0.100, -0.100]", ""]
    sar = columns["SAR at FMR 0.01"]
    assert [table[name][sar][:5] for name in table] == ["0.000", "0.667", "0.333", "1.000"]
    assert [table[name][columns["paper's cosine"]] for name in table] == ["", "0.625", "0.561", ""]


def test_the_open_set_table_has_type_1_with_its_floor():
    results = {"softmax": make_result([0.2, 0.4, 0.6], command="from-image")}
    header, _, *rows = attack_table(results, "Open", {"softmax": HEADS["softmax"][1]})
    place = cells(header).index("Type I")
    assert [cells(line)[place][:5] for line in rows] == ["0.250", "0.500", ""]
    # Without the reference there is nothing to compare with.
    assert cells(rows[1])[cells(header).index("less arcface's")] == ""
    assert cells(rows[1])[-1] == "0.550"


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, False),
        ({"interrupted": True}, True),
        ({"attacked": {"sha256": "another network"}}, True),
        ({"options": {"samples": 1, **SETTINGS, "steps": 7}}, True),
        ({"samples": make_result([0.3, 0.5, 0.7], names=["A", "B", "C"])["samples"]}, True),
    ],
)
def test_only_a_finished_result_of_the_same_attack_is_read_again(tmp_path, change, again):
    model = tmp_path / "model"
    model.write_bytes(b"weights")
    fresh = make_result([0.3, 0.5, 0.7], digest=sha256(model))
    stored = copy.deepcopy(fresh) | change
    path = tmp_path / RESULT_NAME
    path.write_text(json.dumps(stored))
    done = []

    def attack() -> None:
        done.append(1)
        path.write_text(json.dumps(fresh))

    assert attack_once(tmp_path, model, NAMES, attack) == fresh
    assert bool(done) == again


def test_a_missing_result_is_made(tmp_path):
    model = tmp_path / "model"
    model.write_bytes(b"weights")
    fresh = make_result([0.3, 0.5, 0.7], digest=sha256(model))
    folder = tmp_path / "attack"

    def attack() -> None:
        folder.mkdir()
        (folder / RESULT_NAME).write_text(json.dumps(fresh))

    assert attack_once(folder, model, NAMES, attack) == fresh


@pytest.mark.parametrize("count", [2, 9, 10, 20])
def test_means_are_of_the_very_photographs_that_are_trained_on(count):
    listed = {name: [Path(f"{name}_{number:02}.png") for number in range(count)] for name in "ABC"}
    split = split_identities(listed, held_out=0, seed=0)
    assert trained_photographs(listed["B"]) == split.train["B"]


@pytest.mark.parametrize("count", [10, 19, 20, 21, 35])
def test_the_photograph_that_judges_a_class_is_not_trained_on(count):
    # Of people with ten photographs or more it is the last by name, wherever the list was cut.
    photographs = [Path(f"A_{number:02}.png") for number in range(count)]
    split = split_identities({"A": photographs[:PHOTOGRAPHS], "B": [Path("B.png")]}, held_out=0, seed=0)
    assert photographs[-1] not in split.train["A"]


def test_attacked_classes_are_reserved_training_ones(monkeypatch):
    notes = {"split": {"reserved": {f"P{number}": "last.png" for number in range(50)}}}
    monkeypatch.setattr(losses, "load_notes", lambda path: notes)
    people = People({f"P{number}": [] for number in range(10, 90)}, {}, [])
    chosen = losses.closed_set_people(people)
    assert len(set(chosen)) == losses.PEOPLE
    assert set(chosen) <= {f"P{number}" for number in range(10, 50)}
    assert chosen == losses.closed_set_people(people)


def test_weights_to_means_is_the_mean_angle(tmp_path, tiny_model):
    generator = np.random.default_rng(0)
    names, listed = TINY_NAMES[:2], {}
    for name in names:
        folder = tmp_path / "aligned" / name
        folder.mkdir(parents=True)
        listed[name] = [folder / f"{number}.png" for number in range(2)]
        for path in listed[name]:
            write_png(path, generator.integers(0, 256, (112, 112, 3), dtype=np.uint8))
    # The second time it goes on where the first one was stopped.
    for _ in range(2):
        folder = link_trained(People(listed, {}, []), names, tmp_path / "trained")
    recogniser = load(tiny_model)
    means = [embed_files(recogniser, listed[name]).mean(0) for name in names]
    cosines = [
        mean @ centre.numpy() / np.linalg.norm(mean)
        for mean, centre in zip(means, class_centres(recogniser), strict=False)
    ]
    expected = np.degrees(np.arccos(cosines)).mean()
    assert weights_to_means(tiny_model, names, folder) == pytest.approx(expected, abs=0.01)

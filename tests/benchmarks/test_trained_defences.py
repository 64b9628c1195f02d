"""The experiment on trained defences: its figures by hand, and the whole command at a tiny scale."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import benchmarks.trained_defences as trained
from benchmarks.losses import TRAINING
from benchmarks.small_trainings import People
from benchmarks.trained_defences import (
    DEFENCES,
    NONE,
    accepted_by_person,
    figures_of,
    link_public,
    options_of,
)
from recognition.images import write_png
from recognition.metrics.thresholds import DecisionThreshold
from recognition.training.modules import build_modules

#: Thresholds of a judge that are known exactly.
JUDGE = (DecisionThreshold(0.01, 0.3, 0.3, 0.3), DecisionThreshold(0.001, 0.5, 0.5, 0.5))


def result(type_2: list[float]) -> dict[str, Any]:
    """A result.json of one sample a person, as far as the figures read it."""
    return {
        "samples": [
            {
                "judge": {
                    "type_2": value,
                    "floor_type_2": 0.2,
                    "ceiling": 0.6,
                    "accepted": {"0.01": value > 0.3, "0.001": value > 0.5},
                }
            }
            for value in type_2
        ]
    }


def test_figures_by_hand() -> None:
    results = [result([0.4, 0.6]), result([0.2, 0.6])]
    accepted = [{"Ann": [1.0] * 3, "Bob": [0.5] * 3}, {"Ann": [0.0] * 3, "Bob": [0.5] * 3}]
    found = figures_of(results, accepted, None, judge=JUDGE)
    assert found["TAR at FMR 0.001"].value == pytest.approx((0.5 + 0.5) / 2)
    assert found["SAR at FMR 0.01"].value == pytest.approx((0.5 + 1) / 2)
    assert found["SAR at FMR 0.001"].value == pytest.approx((0 + 1) / 2)
    assert found["gap closed"].value == pytest.approx((0.1 + 0.4) / 0.8)
    reference = ([result([0.5, 0.6]), result([0.3, 0.6])], [{"Ann": [1.0] * 3, "Bob": [1.0] * 3}] * 2)
    less = figures_of(results, accepted, reference, judge=JUDGE)
    assert less["TAR at FMR 0.001"].value == pytest.approx(-0.5)
    assert less["gap closed"].value == pytest.approx(-0.1 / 0.8)
    # Of a defence to itself nothing differs, however much people differ.
    same = figures_of(results, accepted, (results, accepted), judge=JUDGE)
    shares = {name: same.pop(name) for name in list(same) if name.startswith("SAR")}
    assert {(one.value, one.low, one.high) for one in same.values()} == {(0, 0, 0)}
    # Two people of whom none rises or falls do not show that nobody would.
    assert all(one.value == 0 and one.low == -one.high < -0.5 for one in shares.values())


def test_thresholds_are_part_of_the_intervals() -> None:
    results, others = [result([0.25, 0.35] * 20)], [result([0.32, 0.35] * 20)]
    wide = [DecisionThreshold(0.01, 0.3, 0.2, 0.4), DecisionThreshold(0.001, 0.5, 0.5, 0.5)]
    people = [f"{number:02d}" for number in range(60)]
    # Nobody differs at the thresholds; at their lower ends a tenth more are accepted, of the others a fifth.
    accepted, theirs = ([{name: [0.5, 0.3, high] for name in people}] for high in (0.6, 0.7))
    found = figures_of(results, accepted, None, judge=wide)
    assert found["TAR at FMR 0.001"].high - 0.5 >= 0.1
    assert 0.5 - found["TAR at FMR 0.001"].low >= 0.2
    less = figures_of(results, accepted, (others, theirs), judge=wide)
    tar = less["TAR at FMR 0.001"]
    assert (tar.value, tar.high) == (0.0, pytest.approx(np.hypot(0.1, 0.2)))
    assert tar.low == pytest.approx(-np.hypot(0.2, 0.2))
    # At both ends of the one threshold of the judge nobody is accepted by one network alone.
    sar, certain = less["SAR at FMR 0.01"], figures_of(results, accepted, (others, theirs), judge=JUDGE)
    assert sar.value == -0.5
    assert sar.high == pytest.approx(np.hypot(certain["SAR at FMR 0.01"].high + 0.5, 0.5) - 0.5)


def test_a_share_has_an_exact_interval() -> None:
    accepted = [{"Ann": [1.0] * 3, "Bob": [0.5] * 3}]
    found = figures_of([result([0.4] * 32)], accepted, None, judge=JUDGE)["SAR at FMR 0.001"]
    # Clopper-Pearson, none of 32: 1 - 0.025 ** (1 / 32).
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 32))


@pytest.mark.parametrize("defence", DEFENCES)
def test_a_defence_changes_the_training_in_itself_alone(defence: str) -> None:
    options = options_of(defence, 1)
    changed = {name for name, value in vars(options).items() if value != getattr(options_of(NONE, 1), name)}
    assert changed == set(DEFENCES[defence])
    assert (options.seed, options.epochs) == (1, TRAINING.epochs)
    modules = build_modules(options, 3, torch.device("cpu"))
    images = torch.rand(4, 3, 32, 32)
    embeddings = modules.backbone(images)
    assert embeddings.shape == (4, options.embedding_size)
    loss, _ = modules.loss(images, embeddings, torch.tensor([0, 1, 0, 2]), 1.0)
    assert loss.isfinite()


def test_accepted_pairs_of_each_person(tiny_model: Path, tmp_path: Path, monkeypatch) -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(150, 16))
    rows = np.repeat(centres, 2, 0) + 0.01 * generator.normal(size=(300, 16))
    # The first person's photographs show two people.
    rows[1] = generator.normal(size=16)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    held_out = {f"{number:03d}": [tmp_path / "a", tmp_path / "b"] for number in range(150)}
    monkeypatch.setattr(trained, "embed_files", lambda *_: rows)
    monkeypatch.setattr(trained, "load_recogniser", lambda *_: None)
    found = accepted_by_person(tmp_path / "model.safetensors", held_out)
    found = dict(found)
    assert found.pop("000") == [0, 0, 0]
    assert {share for shares in found.values() for share in shares} == {1.0}
    monkeypatch.setattr(trained, "embed_files", None)
    assert accepted_by_person(tmp_path / "model.safetensors", held_out)["000"] == [0, 0, 0]


def test_the_whole_command(tmp_path: Path, monkeypatch, capsys) -> None:
    """Trainings and attacks replaced: what is left is the order of work, the resuming and the tables."""
    (tmp_path / "faces" / "Eve").mkdir(parents=True)
    face = tmp_path / "faces" / "Eve" / "1.png"
    write_png(face, np.zeros((112, 112, 3), np.uint8))
    people = People({"Ann": [face]}, {"Bob": [face]}, [face])
    done: list[str] = []
    monkeypatch.setattr(trained, "choose_people", lambda *_: people)
    monkeypatch.setattr(trained, "open_set_photographs", lambda *_: ["one.png", "two.png"])
    monkeypatch.setattr(trained, "train_and_measure", lambda data, out, *_: done.append(out.name))
    monkeypatch.setattr(trained, "attack_network", lambda model, *_: result([0.4, 0.5]))
    monkeypatch.setattr(trained, "accepted_by_person", lambda *_: {"Bob": [0.5] * 3})
    out = tmp_path / "out"
    arguments = [
        "trained_defences",
        "--aligned",
        "a",
        "--photos",
        "p",
        "--out",
        str(out),
        "--seeds",
        "0",
        "1",
    ]
    monkeypatch.setattr(sys, "argv", [*arguments, "--defences", "none", "bilateral dependence"])
    trained.main()
    # Seed by seed: a run that was stopped has all defences of a seed.
    assert done == ["none-0", "bilateral-dependence-0", "none-1", "bilateral-dependence-1"]
    assert (out / "people.csv").exists()
    assert [path.name for path in (out / "public").iterdir()] == ["Eve-1.png"]
    text = capsys.readouterr().out
    assert "| none | 0.500" in text
    assert "| bilateral dependence | +0.000 [+0.000, +0.000]" in text
    assert "2 people attacked, 1 verified, 2 seeds" in text


def test_public_faces_are_linked_once_more_without_harm(tmp_path: Path) -> None:
    face = tmp_path / "Eve" / "1.png"
    face.parent.mkdir()
    face.write_text(json.dumps("face"))
    people = People({}, {}, [face])
    for _ in range(2):
        folder = link_public(people, tmp_path / "public")
    assert (folder / "Eve-1.png").read_text() == json.dumps("face")

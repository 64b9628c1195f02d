"""The judged table's columns, against people whose embeddings are made up."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcinvert import Attacker
from arcinvert.evaluation.calibration import Threshold
from arcinvert.evaluation.scores import gap_closed
from arcinvert.evaluation.similarity import similarity
from arcinvert.output.folder import write_json
from benchmarks import recipes
from benchmarks.judged import Panel, calibrated, judged, make_panel
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import write_png
from recognition.loading import bundled_path

PEOPLE = 5
#: Of the people's photographs about themselves, and of the others' about all, in the judge's space.
random = np.random.default_rng(0)
SELVES = random.normal(size=(PEOPLE, 128)) * 0.05


@pytest.fixture
def panel() -> Panel:
    crops = random.integers(0, 256, (PEOPLE, 112, 112, 3), dtype=np.uint8)
    near = random.normal(size=(2, PEOPLE, 128)) * 0.01
    return Panel(
        [f"P{number}" for number in range(PEOPLE)],
        [Path(f"P{number}/1.jpg") for number in range(PEOPLE)],
        crops,
        crops,
        SELVES + near[0],
        SELVES + near[1],
        random.normal(size=(30, 128)) * 0.05,
        [
            Threshold(0.01, 0.5, 0.5, 0.5, 0.01, 1.0, 1000, 50, 40),
            Threshold(0.001, 0.8, 0.8, 0.8, 0.001, 1.0, 1000, 50, 40),
        ],
    )


def test_a_row_against_loops(panel):
    pictures = SELVES.copy()
    # One is nobody, one is somebody of the gallery.
    pictures[1] = 0
    pictures[3] = panel.others[7]
    detected = [True, False, True, True, True]
    row = judged(panel, pictures, detected, np.zeros(128))
    own = [1 - np.linalg.norm(pictures[n] - panel.second_embeddings[n]) for n in range(PEOPLE)]
    best = [max(1 - np.linalg.norm(pictures[n] - other) for other in panel.others) for n in range(PEOPLE)]
    assert row.type_2.value == pytest.approx(np.mean(own))
    assert row.similarities.tolist() == pytest.approx(own)
    assert row.type_1.value == pytest.approx(
        np.mean([1 - np.linalg.norm(pictures[n] - panel.first_embeddings[n]) for n in range(PEOPLE)])
    )
    assert row.rank_1.value == np.mean([mine > other for mine, other in zip(own, best, strict=True)])
    assert row.rank_1.value == 3 / 5 + (own[1] > best[1]) / 5
    assert row.face_detected.value == 4 / 5
    for rate, limit in (("0.01", 0.5), ("0.001", 0.8)):
        assert row.sar[rate].value == np.mean([value > limit for value in own])
        assert row.sar[rate].low <= row.sar[rate].value <= row.sar[rate].high
    assert row.type_2.identities == PEOPLE


def test_the_gap_from_floor_to_ceiling(panel):
    floor = np.zeros(128)
    ends = (np.tile(floor, (PEOPLE, 1)), panel.first_embeddings)
    detected = [True] * PEOPLE
    assert [judged(panel, end, detected, floor).gap_closed.value for end in ends] == pytest.approx([0, 1])
    floors, ceilings = np.array([0.2, 0.3, 0.1]), np.array([0.6, 0.5, 0.7])
    half = gap_closed((floors + ceilings) / 2, floors, ceilings)
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.5, 0.5))
    uneven = gap_closed(np.array([0.6, 0.3, 0.1]), floors, ceilings)
    assert uneven.value == pytest.approx(0.4 / 1.2)
    # Three people have Student's interval; the squares of (0.8, -0.2, -0.6) / 3 sum to 1.04 / 9.
    reach = 4.30265 * np.sqrt(3 / 2 * 1.04 / 9) / 1.2
    assert (uneven.low, uneven.high) == pytest.approx((1 / 3 - reach, 1 / 3 + reach))


def test_each_may_have_a_gallery_of_their_own(panel):
    detected = [True] * PEOPLE
    pictures = SELVES.copy()
    pictures[3] = panel.second_embeddings[2]
    others = np.stack([np.delete(panel.second_embeddings, person, 0) for person in range(PEOPLE)])
    own = replace(panel, others=others)
    assert judged(own, pictures, detected, np.zeros(128)).rank_1.value == 4 / 5
    assert "rank-1 of 5 " in recipes.table([], own)
    # The same for all is the same as one for all.
    same = replace(panel, others=np.stack([panel.others] * PEOPLE))
    rows = [judged(one, pictures, detected, np.zeros(128)).rank_1 for one in (panel, same)]
    assert rows[0] == rows[1]


def test_thresholds_of_pairs_of_people():
    # Numbers of its own: those of the module depend on which tests ran before.
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(142), 2)
    selves = generator.normal(size=(142, 128))
    embeddings = selves[labels] + generator.normal(size=(284, 128)) * 0.1
    points = calibrated(embeddings, labels)
    pairs = [
        similarity(embeddings[a], embeddings[b])
        for a in range(284)
        for b in range(a)
        if labels[a] != labels[b]
    ]
    for point in points:
        assert point.nonmated == len(pairs) == 284 * 283 // 2 - 142
        assert point.mated == 142
        assert point.identities == 142
        # The threshold is a pair's similarity, whose last digit a sum in another order changes.
        assert point.realised_fmr == np.mean(np.array(pairs) > point.similarity + 1e-9) <= point.fmr
        assert point.tar == 1


@pytest.mark.slow
@pytest.mark.shared
def test_a_panel_of_real_people(shared, tmp_path, monkeypatch):
    photos = shared / "data" / "lfw" / "images"
    folders = read_folders(photos)
    held_out = [name for name in load_notes(bundled_path())["split"]["held_out"] if len(folders[name]) > 1][
        :26
    ]
    monkeypatch.setattr("benchmarks.judged.load_notes", lambda path: {"split": {"held_out": held_out}})
    monkeypatch.setattr("benchmarks.judged.GALLERY", 6)
    monkeypatch.setattr("benchmarks.judged.PHOTOS_PER_PERSON", 2)
    monkeypatch.setattr("benchmarks.judged.FMRS", (5e-2,))
    panel = make_panel(photos, 3, 0, tmp_path)
    assert len(set(panel.names)) == 3
    assert set(panel.names) <= set(held_out)
    assert [path.parent.name for path in panel.photographs] == panel.names
    assert not any(np.array_equal(*crops) for crops in zip(panel.first, panel.second, strict=True))
    # Photographs of one person are more alike than those of two.
    own = similarity(panel.first_embeddings, panel.second_embeddings)
    assert own.min() > similarity(panel.first_embeddings[:, None], panel.others[None]).max()
    assert len(panel.others) == 5
    assert panel.thresholds[0].identities <= 23

    def never(*_, **__):
        raise AssertionError("embedded again")

    monkeypatch.setattr("benchmarks.judged.DlibJudge", never)
    again = make_panel(photos, 3, 0, tmp_path)
    assert (again.names, again.split) == (panel.names, "held-out")
    assert np.array_equal(again.others, panel.others)
    monkeypatch.setattr("benchmarks.judged.usable_pair", lambda paths: None)
    with pytest.raises(InputError, match=r"people: expected at most 0, .* got 3"):
        make_panel(photos, 3, 0, tmp_path)


def kept(folder: Path, panel: Panel, attacker: Attacker, wanted: dict[str, Any]) -> None:
    """Write what an attack with these options leaves in a folder: the panel's own crops as pictures."""
    folder.mkdir(parents=True)
    samples = []
    for number, crop in enumerate(panel.first):
        write_png(folder / f"{number}.png", crop)
        samples.append({"image": f"{number}.png", "seconds": number})
    write_json(
        folder / "result.json",
        {
            "plan": attacker.plan("template", **wanted).describe(),
            "inputs": {"photographs": [str(path) for path in panel.photographs]},
            "attacked": {"sha256": attacker.recogniser.source.sha256},
            "samples": samples,
        },
    )


def test_a_finished_recipe_is_not_made_again(panel, tiny_model, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("attacked")

    monkeypatch.setattr(Attacker, "from_image", never)
    attacker = Attacker(tiny_model, device="cpu")
    given = Namespace(photos=tmp_path, steps=36, published_steps=300, batch_size=4, seed=1)
    settings = {"seed": 1, "batch_size": 4}
    ours = {"knowledge": "weights", "steps": 3, **settings}
    kept(tmp_path / "arcinvert-weights", panel, attacker, ours)
    images, seconds = recipes.attack("arcinvert/weights", panel, given, tmp_path, attacker)
    assert np.array_equal(images, panel.first)
    assert seconds == 2
    kept(tmp_path / "paper-weights", panel, attacker, {"recipe": "paper", "steps": 300, **settings})
    recipes.attack("paper/weights", panel, given, tmp_path, attacker)
    kept(tmp_path / "deepinversion-weights", panel, attacker, ours)
    with pytest.raises(InputError, match="expected a result of these people and options"):
        recipes.attack("deepinversion/weights", panel, given, tmp_path, attacker)
    given.seed = 2
    with pytest.raises(InputError, match="expected a result of these people and options"):
        recipes.attack("paper/weights", panel, given, tmp_path, attacker)


def test_a_result_with_smaller_batches_than_planned_is_kept(panel, tiny_model, tmp_path):
    attacker = Attacker(tiny_model, device="cpu")
    plan = attacker.plan("template", steps=3)
    kept(tmp_path / "short", panel, attacker, {"steps": 3, "batch_size": 2})
    # The options are the same; memory was short.
    result = json.loads((tmp_path / "short" / "result.json").read_text())
    result["plan"]["changes"] = plan.changes
    write_json(tmp_path / "short" / "result.json", result)
    images, _ = recipes.kept_pictures(panel, plan, tmp_path / "short", attacker=attacker)
    assert np.array_equal(images, panel.first)


def test_restarts_share_the_steps(panel, tiny_model, tmp_path):
    given = Namespace(photos=tmp_path, steps=2, published_steps=None, batch_size=4, seed=1)
    with pytest.raises(InputError, match="steps: expected at least the 12 restarts, got 2"):
        recipes.attack("arcinvert/weights", panel, given, tmp_path, Attacker(tiny_model, device="cpu"))


def test_without_steps_our_recipe_takes_its_own(panel, tiny_model, tmp_path):
    attacker = Attacker(tiny_model, device="cpu")
    given = Namespace(photos=tmp_path, steps=None, published_steps=None, batch_size=4, seed=1)
    settings = {"knowledge": "weights", "seed": 1, "batch_size": 4}
    kept(tmp_path / "arcinvert-weights", panel, attacker, settings)
    images, _ = recipes.attack("arcinvert/weights", panel, given, tmp_path, attacker)
    assert np.array_equal(images, panel.first)


def test_the_table_has_every_column_and_recipe(panel):
    row = judged(panel, SELVES, [True] * PEOPLE, np.zeros(128))
    text = recipes.table([("ours", row, 1.25), ("floor", row, None)], panel)
    header, _, first, second = text.splitlines()
    assert header.count("|") == first.count("|") == second.count("|") == 10
    assert "rank-1 of 31" in header
    assert first.endswith("| 1.2 |")
    assert second.endswith("| - |")
    assert f"{row.type_2.value:.3f} [{row.type_2.low:.3f}, {row.type_2.high:.3f}]" in first
    assert "5 held-out people" in recipes.described(panel)
    assert recipes.ALL == [
        "arcinvert/public-faces",
        "arcinvert/weights",
        "paper/weights",
        "deepinversion/weights",
    ]

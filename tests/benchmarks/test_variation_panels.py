"""Variation panels: failures with their limits, votes, and what the command writes."""

import argparse
import json

import numpy as np
import pytest

from arcinvert.evaluation.calibration import thresholds
from benchmarks import variation_panels
from benchmarks.failures import Judged, beyond, failures, voted, wrong_label
from benchmarks.faults import Measured
from benchmarks.variation_panels import failure_page, group_panel, group_table
from recognition.checkpoint import load_notes
from recognition.errors import InputError
from recognition.images import read_image, write_png
from recognition.loading import bundled_path

PEOPLE = 4


@pytest.fixture
def judged(astronaut_crop):
    """Four people with one face; the last one's reconstruction is nothing."""
    faces = np.stack([astronaut_crop] * PEOPLE)
    pictures = faces.copy()
    pictures[3] = 128
    accepted = thresholds()[-1].similarity + 0.1
    attack = np.array([accepted, accepted, 0.0, -0.2])
    return Judged(["Ann", "Bob", "Cat", "Dan"], faces, faces, pictures, attack, attack - 1, attack * 0 + 0.9)


def measured(**changes):
    values = {name: np.full(PEOPLE, 10.0) for name in ("fringes", "lines", "detail", "tone", "chroma")}
    return Measured(**(values | {"more_faces": np.zeros(PEOPLE, dtype=np.bool_)} | changes))


def test_failures_are_beyond_the_photographs(judged):
    spread = np.array([9.0, 10, 11, 12])
    photographs = measured(lines=spread, chroma=spread)
    others = measured(lines=spread, chroma=spread, tone=np.array([10.0, 14, 6, 10]))
    pictures = measured(
        lines=np.array([10.0, 30, 1, 10]),
        chroma=np.array([10.0, 10, 10, 1]),
        tone=np.array([10.0, 13, -20, 10]),
        more_faces=np.array([False, True, False, False]),
    )
    found = {
        failure.reason: [judged.people[index] for index in np.flatnonzero(failure.failed)]
        for failure in failures(judged, pictures, photographs, others)
    }
    assert found == {
        "no face found": ["Dan"],
        "two faces": ["Bob"],
        "grey": ["Dan"],
        "artefact: fine lines": ["Bob"],
        "artefact: colour fringes": [],
        "blurred": ["Cat"],
        "wrong skin tone": ["Cat"],
        f"not accepted at a false match rate of {thresholds()[-1].fmr:g}": ["Cat", "Dan"],
    }


@pytest.mark.parametrize(("above", "failed"), [(True, [False, False, True]), (False, [True, False, False])])
def test_the_limit_is_a_quantile_of_photographs(above, failed):
    photographs = np.arange(101.0)
    failure = beyond("x", "size", np.array([4.0, 50, 96]), photographs, above=above, unit=" px")
    assert failure.failed.tolist() == failed
    side = "at most 95.00 px" if above else "at least 5.00 px"
    assert failure.text(2) == f"size 96.00 px, photographs {side}"


def test_the_nearest_other_people_vote():
    # One dimension: two crowds, and one person among the others.
    embeddings = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2], [5.3]])
    labels = ["a", "a", "a", "b", "b", "b", None]
    pictures = embeddings.copy()
    pictures[0] = 5.05
    votes = voted(pictures, embeddings, labels)
    # Of five nearest, three are of the other crowd.
    assert votes[0] == "b"
    assert votes[6] is None
    wrong = wrong_label("sex", votes, labels)
    assert wrong.failed[0]
    assert not wrong.failed[6]
    assert wrong.text(0) == "sex: a, most of the nearest photographs: b"


def test_pictures_have_a_row_for_each_group_and_reason(judged):
    groups = {"few": [0], "many": [1, 2, 3]}
    one, two = (group_panel("size", part, judged) for part in ({"few": [0]}, groups))
    assert two.shape[0] > one.shape[0]
    assert two.shape[1] > one.shape[1]
    found = failures(judged, measured(), measured(), measured())
    page = failure_page(found, judged)
    assert page.dtype == np.uint8
    text, figures = group_table({"size": groups}, judged)
    assert figures["size: few"]["attack"]["value"] == 1
    assert figures["size: many"]["attack"]["value"] == pytest.approx(1 / 3)
    assert "| size | many | 3 | 0.33 [" in text


def test_the_command_writes_pictures_and_the_table(tiny_model, astronaut_crop, tmp_path, capsys):
    held_out = sorted(load_notes(bundled_path())["split"]["held_out"])[:7:3]
    generator = np.random.default_rng(0)
    for name in held_out:
        (tmp_path / "aligned" / name).mkdir(parents=True)
        for number in (1, 2):
            noisy = astronaut_crop + generator.normal(0, 10, astronaut_crop.shape)
            write_png(tmp_path / "aligned" / name / f"{number}.png", noisy.clip(0, 255).astype(np.uint8))
    labels = tmp_path / "labels.csv"
    ages = zip(held_out, (70, 12, 45), strict=True)
    labels.write_text("identity,sex,age\n" + "".join(f"{name},female,{age}\n" for name, age in ages))
    given = {"aligned": tmp_path / "aligned", "labels": labels, "model": str(tiny_model), "seed": 0}
    out = tmp_path / "out"
    variation_panels.compare(argparse.Namespace(**given, people=3, steps=0, out=out))
    printed = capsys.readouterr().out
    assert "3 held-out people, attacked: tiny" in printed
    assert "The vote on sex is wrong for 0 of 3 photographs." in printed
    # Ages are in their own order, not in that of the alphabet.
    groups = [line.split(" | ")[1] for line in printed.splitlines() if line.startswith("| age |")]
    assert groups == ["below 20", "40 to 59", "60 and above"]
    for name in ("pose", "skin-tone", "sex", "age", "failures"):
        assert read_image(out / f"{name}.png").ndim == 3
    assert json.loads((out / "figures.json").read_text())["sex: female"]["ceiling"]["identities"] == 3
    with pytest.raises(InputError, match=r"^people: expected at most 3, who have two photographs, got 4$"):
        variation_panels.compare(argparse.Namespace(**given, people=4, steps=0, out=out))

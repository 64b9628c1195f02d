"""The loss table: its rows, what they start from, and two tiny trainings of it."""

from dataclasses import replace

import pytest

from benchmarks import margins, small_trainings
from benchmarks.loss_angles import ANGLES, LOSSES, measure_chance, measure_network, table
from benchmarks.small_trainings import BUDGETS, OPTIONS, People
from recognition.checkpoint import load_notes, load_recogniser
from recognition.data.folders import read_folders
from recognition.metrics.verification import make_pairs, verify
from tests.recognition.conftest import write_people

#: What the issue of the table asks for, with the paper's accuracy on LFW.
PAPER = {
    "arcface 0.4": 99.53,
    "arcface 0.45": 99.46,
    "arcface 0.5": 99.53,
    "arcface 0.55": 99.41,
    "norm-softmax + intra + inter": 98.73,
    "softmax, then triplet": 98.98,
    "arcface 0.5 + intra": 99.45,
    "arcface 0.5 + inter": 99.43,
    "arcface 0.5 + intra + inter": 99.43,
    "arcface 0.5 + triplet": 99.50,
}


def test_rows_have_the_papers_figures_and_heads_that_can_be_built():
    assert {name: margins.ROWS[name].paper[0] for name in PAPER} == PAPER
    for name, row in margins.ROWS.items():
        options = row.options(OPTIONS)
        assert options.head == row.head
        assert options.head_weight == (0 if ", then " in name else 1)
        assert (options.images_per_identity == 4) == bool(
            {"triplet", "tuplet", "contrastive"} & {*row.aux_losses}
        )
    assert len({margins.folder_of(name) for name in margins.ROWS}) == len(margins.ROWS)


def test_a_row_is_trained_after_the_one_that_it_starts_from():
    assert margins.needed(["softmax, then tuplet", "cosface", "softmax"]) == [
        "softmax",
        "softmax, then tuplet",
        "cosface",
    ]
    assert margins.paper_cell((99.42, None, None)) == "99.42 / - / -"
    assert margins.paper_cell(None) == "-"


def test_the_full_budget_is_larger_and_the_quick_one_is_the_common_one():
    quick, full = BUDGETS["quick"], BUDGETS["full"]
    assert quick.options == OPTIONS
    assert full.identities > 10 * quick.identities
    assert full.options.image_size == 112


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> People:
    """Eight people to train on, twenty to measure on, with three images each."""
    names = [f"Person_{index:02}" for index in range(28)]
    folders = read_folders(write_people(tmp_path_factory.mktemp("crowd"), names, 3))
    return People(
        {name: folders[name] for name in names[:8]}, {name: folders[name] for name in names[8:]}, []
    )


def test_a_loss_of_pairs_starts_from_the_softmax_network(crowd, tmp_path, monkeypatch):
    monkeypatch.setattr(margins, "choose_people", lambda *_: crowd)
    monkeypatch.setattr(
        small_trainings,
        "verify",
        lambda embeddings, labels, **_: verify(
            embeddings, labels, pairs=make_pairs(labels), fmrs=(0.1,), intervals=True
        ),
    )
    tiny = replace(OPTIONS, width=1 / 16, embedding_size=16, epochs=1, batch_size=8)
    budget = small_trainings.Budget(8, 3, tiny)
    found = margins.train_rows(tmp_path, tmp_path / "out", budget, ["softmax, then triplet"])
    assert list(found) == ["softmax, then triplet"]
    start = tmp_path / "out/softmax/model.safetensors"
    model = tmp_path / "out/softmax-then-triplet/model.safetensors"
    assert load_notes(model)["started_from"]["name"] == "model"
    assert load_recogniser(start).centres is not None
    assert load_recogniser(model).centres is None
    # What is finished is read again.
    monkeypatch.setattr(margins, "train_and_measure", small_trainings.train_and_measure)
    monkeypatch.setattr(small_trainings, "train", lambda *_, **__: pytest.fail("trained again"))
    assert margins.train_rows(tmp_path, tmp_path / "out", budget, ["softmax, then triplet"]) == found

    columns = {"NS": measure_network(start, crowd), "TripletL": measure_network(model, crowd)}
    assert columns["NS"]["trained"].keys() == {"w_ec", "w_inter", "intra", "inter"}
    assert columns["TripletL"]["trained"].keys() == {"intra", "inter"}
    assert columns["NS"]["held_out"]["intra"].identities == 20
    lines = table({**columns, "chance": measure_chance(crowd, 512)})
    assert len(lines) == 2 + len(ANGLES)
    assert lines[2].startswith("| W-EC | ")
    assert " / 44.26 | - | " in lines[2]
    # Random directions of 512 dimensions are a right angle apart, and the mean of three is 55 degrees away.
    assert measure_chance(crowd, 512)["trained"]["w_ec"].value == pytest.approx(90, abs=3)
    assert measure_chance(crowd, 512)["held_out"]["intra"].value == pytest.approx(54.7, abs=1)


def test_the_papers_angles_are_beside_the_losses():
    assert LOSSES["ArcFace"][1] == (14.29, 71.61, 38.45, 65.83, 28.05, 66.55)
    assert LOSSES["TripletL"][1][:2] == (None, None)
    assert all(row in margins.ROWS for row, _ in LOSSES.values())

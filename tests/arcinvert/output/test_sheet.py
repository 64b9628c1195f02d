"""The one sentence of a run, and which tiles its sheet has."""

from dataclasses import asdict
from typing import Any

import numpy as np

from arcinvert.output.sheet import Shown, method, run_sheet, sheet_rows, summary_line
from recognition.metrics.intervals import estimate


def share(accepted: int, people: int) -> dict[str, Any]:
    return asdict(estimate(np.arange(people) < accepted, range(people)))


def test_the_sentence_has_rates_floor_ceiling_counts_and_intervals() -> None:
    sar = {"attack": share(9, 12), "floor": share(1, 12), "ceiling": share(10, 10)}
    summary = {
        "kind": "type_2",
        "identities": 14,
        "missing": {"second_photograph": 2, "source_photograph": 0, "ceiling": 4},
        "similarity": share(9, 12),
        "gap_closed": {"value": 0.4, "low": 0.25, "high": 0.55, "identities": 10, "comparisons": 10},
        "sar": {"0.01": sar},
    }
    # Exact intervals of 9 and 1 of 12, and of 10 of 10, as tables of Clopper and Pearson have them.
    assert summary_line(summary) == (
        "Type II, 12 identities (2 without a second photograph): SAR at FMR 1 in 100: 0.75 [0.43, 0.95] "
        "(floor 0.08 [0.00, 0.38], ceiling 1.00 [0.69, 1.00] of 10), gap closed 0.40 [0.25, 0.55]."
    )


def test_an_unknown_ceiling_is_called_so() -> None:
    summary = {
        "kind": "type_1",
        "identities": 1,
        "missing": {"second_photograph": 1, "source_photograph": 0, "ceiling": 1},
        "similarity": share(1, 1),
        "gap_closed": None,
        "sar": {"0.01": {"attack": share(1, 1), "floor": share(0, 1), "ceiling": None}},
    }
    assert summary_line(summary) == (
        "Type I, 1 identity: SAR at FMR 1 in 100: 1.00 [0.03, 1.00] (floor 0.00 [0.00, 0.97], "
        "ceiling unknown)."
    )


def test_without_photographs_the_faces_found_are_given() -> None:
    line = summary_line({"kind": None, "face_detected": share(3, 4)})
    assert line == "No photograph to judge by; a face is found in 75% [19% to 99%] of 4 identities."


def test_the_sheet_has_photograph_floor_and_samples_in_a_row_an_identity() -> None:
    colours = {
        "photo": (200, 0, 0),
        "floor": (0, 200, 0),
        "one": (0, 0, 200),
        "two": (200, 200, 0),
        "more": (0, 200, 200),
    }
    pictures = {name: np.full((112, 112, 3), colour, dtype=np.uint8) for name, colour in colours.items()}
    unknown = {"class_photographs": None, "subcentre": None}
    first = {"name": "folder/photo.jpg", "label": None, "picture": pictures["photo"]}
    second = {"name": "Bob Baker", "label": 1, "picture": None}
    verdict = {
        "type_1": 0.5,
        "type_2": None,
        "accepted": {"0.01": True, "0.001": False},
        "floor_type_1": 0.1,
        "floor_type_2": None,
        "ceiling": None,
    }
    nothing: dict[str, Any] = dict.fromkeys(verdict)
    result = {
        "command": "generate",
        "plan": {"recipe": "arcinvert", "changes": {}},
        "attacked": {"name": "tiny"},
        "attacker_knowledge": {"level": "weights"},
        "access": {"kind": "weights"},
        "judge": {"judge": "dlib"},
        "summary": {"kind": None, "face_detected": share(2, 2)},
        "samples": [
            {"sample": 0, "attacked_similarity": 0.9, "judge": verdict, **unknown},
            {"sample": 1, "attacked_similarity": 0.7, "judge": verdict, **unknown},
            {"sample": 0, "attacked_similarity": 0.8, "judge": nothing, **unknown, "class_photographs": 71},
        ],
    }
    entries = zip((first, first, second), ("one", "more", "two"), result["samples"], strict=True)
    shown = [Shown(**identity, image=pictures[name], sample=sample) for identity, name, sample in entries]
    sheet = run_sheet(result, shown, pictures["floor"])

    def places(name: str) -> list[tuple[int, int]]:
        """Top left corners of all tiles of a colour."""
        match = (sheet == colours[name]).all(2)
        corner = match.copy()
        corner[1:] &= ~match[:-1]
        corner[:, 1:] &= ~match[:, :-1]
        return [(int(top), int(left)) for top, left in zip(*np.nonzero(corner), strict=True)]

    (photo,), (one,), (more,), (two,) = (places(name) for name in ("photo", "one", "more", "two"))
    floors = places("floor")
    assert len(floors) == 2
    assert photo[0] == floors[0][0] == one[0] == more[0] < floors[1][0] == two[0]
    assert photo[1] < floors[0][1] < one[1] < more[1]
    assert (floors[1][1], two[1]) == (floors[0][1], one[1])
    # Without a photograph of anybody, the mean face comes first.
    sheet = run_sheet(result, shown[2:], pictures["floor"])
    ((_, left),) = places("floor")
    assert left == photo[1]
    assert not places("photo")


def test_of_a_black_box_the_attacker_knows_answers_and_no_network() -> None:
    result: dict[str, Any] = {
        "command": "from-image",
        "plan": {"recipe": "arcinvert", "changes": {}},
        "attacker_knowledge": {"level": "synthetic-faces"},
        "access": {"kind": "weights"},
        "judge": {"judge": "dlib"},
    }
    assert "the attacker knows the network and synthetic faces." in method(result)
    result["access"] = {
        "kind": "scores",
        "queries": {"count": 1200},
        "surrogate": {"name": "mine"},
        "faces": {"kind": "public faces"},
    }
    known = "the attacker knows the black box's scores for 1,200 images, the network mine, and public faces."
    assert known in method(result)


def test_the_centres_of_a_class_have_a_row_each_with_the_photographs_near_them() -> None:
    colours = {"near": (200, 0, 0), "farther": (0, 200, 0), "one": (0, 0, 200), "other": (200, 200, 0)}
    pictures = {name: np.full((112, 112, 3), colour, dtype=np.uint8) for name, colour in colours.items()}
    nothing = dict.fromkeys(("type_1", "type_2", "accepted", "floor_type_1", "floor_type_2", "ceiling"))
    common = {"sample": 0, "attacked_similarity": 0.9, "judge": nothing, "class_photographs": None}
    centres = (
        {"number": 1, "dominant": True, "angles": [20.0, 61.0, 70.0]},
        {"number": 0, "dominant": False, "angles": []},
    )
    near = (pictures["near"], pictures["farther"])
    rows = sheet_rows(
        [
            Shown("Ann", 3, None, pictures["one"], {**common, "subcentre": centres[0]}, near),
            Shown("Ann", 3, None, pictures["other"], {**common, "subcentre": centres[1]}),
        ],
        np.zeros((112, 112, 3), dtype=np.uint8),
    )
    assert [row.note for row in rows] == [
        "from sub-centre 1 (dominant) of class 3, nearest to 3 of its training photographs",
        "from sub-centre 0 (not dominant) of class 3, nearest to 0 of its training photographs",
    ]
    # Two photographs, the mean face and the reconstruction; the other row has two empty places.
    assert [tile.lines[0] for tile in rows[0].tiles] == [
        "training photograph, 20\N{DEGREE SIGN}",
        "training photograph, 61\N{DEGREE SIGN}",
        "mean face: nothing known",
        "reconstruction",
    ]
    assert [tile.image is None for tile in rows[1].tiles] == [True, True, False, False]
    assert rows[1].tiles[0].lines == ("no photograph is nearest to it",)

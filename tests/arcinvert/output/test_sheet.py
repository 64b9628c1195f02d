"""The one sentence of a run, and which tiles its sheet has."""

from typing import Any

import numpy as np

from arcinvert.output.sheet import Shown, run_sheet, summary_line


def sar(attack: float, floor: float, ceiling: float | None) -> dict[str, Any]:
    return {
        "attack": {"value": attack},
        "floor": {"value": floor},
        "ceiling": None if ceiling is None else {"value": ceiling},
    }


def test_the_sentence_has_rates_floor_and_ceiling() -> None:
    summary = {
        "kind": "type_2",
        "identities": 12,
        "sar": {"0.01": sar(0.754, 0.12, 1.0), "0.001": sar(0.5, 0.0, 0.881)},
    }
    assert summary_line(summary) == (
        "Type II, 12 identities: SAR at FMR 0.01: 0.75 (floor 0.12, ceiling 1.00), "
        "SAR at FMR 0.001: 0.50 (floor 0.00, ceiling 0.88)."
    )


def test_an_unknown_ceiling_is_called_so() -> None:
    summary = {"kind": "type_1", "identities": 1, "sar": {"0.01": sar(1.0, 0.0, None)}}
    assert summary_line(summary) == (
        "Type I, 1 identities: SAR at FMR 0.01: 1.00 (floor 0.00, ceiling unknown)."
    )


def test_without_photographs_the_faces_found_are_given() -> None:
    line = summary_line({"kind": None, "face_detected": {"value": 0.75}})
    assert line == "No photograph to judge by; a face is found in 75%."


def test_the_sheet_has_photograph_floor_and_samples_in_a_row_an_identity() -> None:
    colours = {
        "photo": (200, 0, 0),
        "floor": (0, 200, 0),
        "one": (0, 0, 200),
        "two": (200, 200, 0),
        "more": (0, 200, 200),
    }
    pictures = {name: np.full((112, 112, 3), colour, dtype=np.uint8) for name, colour in colours.items()}
    unknown = {"class_photographs": None}
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
        "judge": {"judge": "dlib"},
        "summary": {"kind": None, "face_detected": {"value": 1.0}},
        "samples": [
            {"sample": 0, "attacked_similarity": 0.9, "judge": verdict, **unknown},
            {"sample": 1, "attacked_similarity": 0.7, "judge": verdict, **unknown},
            {"sample": 0, "attacked_similarity": 0.8, "judge": nothing, "class_photographs": 71},
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

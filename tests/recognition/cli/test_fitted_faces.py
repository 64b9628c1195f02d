"""The photographs that the fitting commands draw."""

import argparse
from pathlib import Path

import pytest

from recognition.cli.fitted_faces import add_faces, draw
from recognition.errors import InputError
from tests.recognition.conftest import write_people


def options(*given: str, count: int | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_faces(parser, count)
    return parser.parse_args(["--out", "x.safetensors", *given])


def test_people_and_photographs_of_the_split_are_left_out(tmp_path: Path) -> None:
    # Of the bundled network's split: a person who was held out, and one whose photograph 19 is reserved.
    faces = write_people(tmp_path / "faces", ["Abdoulaye_Wade", "Abdullah_Gul"], 120)
    found = draw(str(faces), options("--split-of", "lfw-distilled"))
    expected = {f"Abdullah_Gul_{number:04}.png" for number in range(1, 121) if number != 19}
    assert {path.name for path in found} == expected
    assert len(draw(str(faces), options())) == 240
    assert len(draw(str(faces), options(count=130))) == 130
    first, second = (draw(str(faces), options("--faces", "100", "--seed", seed)) for seed in "12")
    assert len(first) == len(second) == 100
    assert first != second


def test_photographs_are_named_by_their_stems(tmp_path: Path) -> None:
    faces = write_people(tmp_path / "faces", ["Abdullah_Gul"], 120)
    for path in (faces / "Abdullah_Gul").iterdir():
        path.rename(path.with_suffix(".jpg"))
    found = draw(str(faces), options("--split-of", "lfw-distilled"))
    assert len(found) == 119
    assert faces / "Abdullah_Gul" / "Abdullah_Gul_0019.jpg" not in found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--faces", "5"), "faces: expected 100 or more, got 5"),
        (("--split-of", "none.safetensors"), "none.safetensors: expected a network, found no such file"),
    ],
)
def test_what_is_refused(tmp_path: Path, given: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(str(tmp_path), options(*given))

"""Checkpoints with numbers of NumPy beside the weights, as many trainings save their best figures."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recognition.errors import InputError
from recognition.loading.torch_files import read_torch_file


class Calls:
    """Is pickled as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def saved(path: Path, content: object) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=path.suffix != ".old")
    return path


@pytest.mark.parametrize("ending", [".pth", ".old"])
@pytest.mark.parametrize(
    "number",
    [
        np.float64(0.9969),
        np.float32(-2.5),
        np.float16(0.5),
        np.int64(-12345678901),
        np.uint8(255),
        np.bool_(True),
        np.array([7.25], ">f8")[0],
        np.array(3, ">i4")[()],
    ],
    ids=lambda number: f"{number.dtype.str}",
)
def test_a_number_of_numpy_is_read_as_a_plain_one(tmp_path: Path, number: Any, ending: str) -> None:
    path = saved(tmp_path / f"a{ending}", {"weight": torch.arange(3.0), "best": number, "all": [number] * 2})
    content = read_torch_file(path)
    assert content["weight"].tolist() == [0, 1, 2]
    for found in (content["best"], *content["all"]):
        assert type(found) in (bool, int, float)
        assert found == number.item()


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(np.str_("text"), id="a text of NumPy"),
        pytest.param(np.datetime64("2026-01-01"), id="a date"),
        pytest.param(np.complex128(1j), id="a complex number"),
        pytest.param(np.zeros(2), id="an array"),
        pytest.param(np.zeros(1, [("a", "f8")])[0], id="a record"),
        pytest.param(Calls(np.dtype, "O8", False, True), id="a type of objects"),
    ],
)
def test_other_things_of_numpy_are_refused_with_the_command_that_converts(
    tmp_path: Path, hostile: Any
) -> None:
    path = saved(tmp_path / "a.pth", {"weight": torch.zeros(3), "other": hostile})
    with pytest.raises(InputError, match=r"could run code .* save its tensors alone"):
        read_torch_file(path)


@pytest.mark.parametrize("ending", [".pth", ".old"])
def test_a_long_text_beside_numbers_of_numpy_is_read(tmp_path: Path, ending: str) -> None:
    notes = "a" * 100_000
    best = [np.float64(number) for number in range(300)] + [np.bool_(number % 2) for number in range(20)]
    path = saved(tmp_path / f"a{ending}", {"notes": notes, "best": best, "again": notes, "last": best[:5]})
    content = read_torch_file(path)
    assert content["notes"] == content["again"] == notes
    assert content["best"] == [*range(300), *(number % 2 == 1 for number in range(20))]


def pickled(*operations: bytes) -> bytes:
    return b"\x80\x02" + b"".join(operations) + b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


FUNCTION, LATIN, LONG = b"c_codecs\nencode\n", text("latin1"), text("a" * 17)
CALL = b"\x86R"
HOSTILE: dict[str, bytes] = {
    # One text, of which bytes are made again and again.
    "a text that is fetched": pickled(
        b"]", b"(", LONG, b"q\x01", *[FUNCTION, b"h\x01", LATIN, CALL] * 3, b"e"
    ),
    "a text that is fetched by the other operation": pickled(
        b"]", b"(", LONG, b"r\x01\x00\x00\x00", *[FUNCTION, b"j\x01\x00\x00\x00", LATIN, CALL] * 3, b"e"
    ),
    "a function that is fetched": pickled(
        b"]",
        b"(",
        LONG,
        b"q\x01",
        FUNCTION,
        b"q\x02",
        b"h\x01",
        LATIN,
        CALL,
        b"h\x02h\x01",
        LATIN,
        CALL,
        b"e",
    ),
    "a tuple that is fetched": pickled(b"]", b"(", LONG, LATIN, b"\x86q\x01", FUNCTION, b"h\x01R", b"e"),
    "a place that is used again": pickled(
        b"]", b"(", text("a"), b"q\x01", LONG, b"q\x01", FUNCTION, b"h\x01", LATIN, CALL, b"e"
    ),
    # Codecs that make more bytes of a text than it has characters.
    "another codec": pickled(FUNCTION, text("a"), text("utf-32"), CALL),
    "no codec": pickled(FUNCTION, text("a"), b"\x85R"),
    "a function that is kept": pickled(b"]", FUNCTION, b"a"),
    "a function as an argument": pickled(FUNCTION, FUNCTION, LATIN, CALL),
    "a later protocol": pickled(b"]", LONG, b"\x94", b"a"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_other_calls_that_make_bytes_are_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", HOSTILE[case])
        archive.writestr("a/version", "3")
    with pytest.raises(InputError, match="could run code"):
        read_torch_file(path)
    # A call as Python writes it.
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled(FUNCTION, b"q\x00", LONG, b"q\x01", LATIN, b"q\x02", CALL))
        archive.writestr("a/version", "3")
    assert read_torch_file(path) == b"a" * 17

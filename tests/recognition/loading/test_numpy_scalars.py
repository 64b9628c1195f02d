"""Checkpoints with numbers of NumPy beside the weights, as many trainings save their best figures."""

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


def test_a_long_text_beside_a_number_of_numpy_is_refused(tmp_path: Path) -> None:
    # The pickle could make bytes of it a million times.
    path = saved(tmp_path / "a.pth", {"best": np.float64(1), "notes": "a" * 201})
    with pytest.raises(InputError, match="could run code"):
        read_torch_file(path)
    assert read_torch_file(saved(tmp_path / "b.pth", {"best": np.float64(1), "notes": "a" * 200}))
    assert read_torch_file(saved(tmp_path / "c.pth", {"best": 1.0, "notes": "a" * 201}))

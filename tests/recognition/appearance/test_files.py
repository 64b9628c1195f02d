"""Files of what was fitted: the tensors are those that were written, of the format alone."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from recognition.appearance.files import read_fitted
from recognition.errors import InputError


def test_tensors_of_the_format_are_read(tmp_path: Path) -> None:
    path = tmp_path / "fitted.safetensors"
    save_file({"angles": torch.arange(3.0)}, path, {"format": "angles-1"})
    found = read_fitted(path, "a file of angles", command="fit-angles", file_format="angles-1")
    assert found["angles"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(
        InputError,
        match=r"fitted.safetensors: expected a file of 'python -m recognition fit-angles' \(angles-2\), got",
    ):
        read_fitted(path, "a file of angles", command="fit-angles", file_format="angles-2")


def test_a_missing_file_is_named_by_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file of angles"):
        read_fitted(tmp_path / "none", "a file of angles", command="fit-angles", file_format="angles-1")

"""The picture of a set shows its first pictures, whatever they are kept in."""

from pathlib import Path

import numpy as np
import pytest

from arcinvert.synthesis.options import FormatName
from arcinvert.synthesis.overview import IDENTITIES, OVERVIEW, PICTURES, write_overview
from arcinvert.synthesis.set_folder import SetFolder
from arcinvert.workers.options import Shard
from recognition.images import read_image


def shade(identity: int, picture: int) -> int:
    return 20 * identity + picture


def made(out: Path, output: FormatName, identities: int, pictures: int) -> SetFolder:
    """Return a set of plain pictures, each of a shade of its own."""
    folder, shard = SetFolder(out, {"options": 1}, output), Shard()
    numbers = [(identity, picture) for identity in range(identities) for picture in range(pictures)]
    for one in numbers:
        folder.write(shard, *one, np.full((112, 112, 3), shade(*one), dtype=np.uint8))
    folder.finish_block(shard, 0, numbers)
    return folder


@pytest.mark.parametrize("output", ["folder", "webdataset"])
def test_the_first_pictures_of_the_first_identities_are_shown(output: FormatName, tmp_path: Path) -> None:
    folder = made(tmp_path / "set", output, IDENTITIES + 2, PICTURES + 1)
    write_overview(folder)
    shown = read_image(folder.path / OVERVIEW)
    assert shown.shape == (8 * 116 + 4, 8 * 116 + 4, 3)
    for identity in range(8):
        for picture in range(8):
            top, left = 116 * identity + 4, 116 * picture + 4
            assert (shown[top : top + 112, left : left + 112] == shade(identity, picture)).all()
    assert (shown[:4] == 255).all()
    assert (shown[:, -4:] == 255).all()


def test_a_damaged_picture_leaves_its_place_empty(tmp_path: Path) -> None:
    folder = made(tmp_path / "set", "folder", 2, 2)
    (folder.path / "faces" / "000001" / "000.png").write_bytes(b"no picture")
    write_overview(folder)
    shown = read_image(folder.path / OVERVIEW)
    assert shown.shape == (236, 236, 3)
    assert (shown[120:232, 4:116] == 255).all()
    assert (shown[120:232, 120:232] == shade(1, 1)).all()


@pytest.mark.parametrize("output", ["folder", "webdataset"])
def test_without_pictures_there_is_no_overview(output: FormatName, tmp_path: Path) -> None:
    folder = SetFolder(tmp_path / "set", {"options": 1}, output)
    (folder.path / "faces" / "000000.tar").write_bytes(b"no tar file")
    write_overview(folder)
    assert not (folder.path / OVERVIEW).exists()

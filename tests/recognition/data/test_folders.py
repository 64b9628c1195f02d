"""Folders of identities and their split."""

import numpy as np
import pytest

from recognition.data.folders import RESERVE_FROM, read_folders, split_identities
from recognition.errors import InputError
from tests.recognition.data.helpers import listed


def test_folders_become_sorted_identities(tmp_path):
    for name in ("b/2.png", "b/1.jpg", "a/x.PNG", "c/notes.txt", "empty/.keep"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "loose.png").write_text("")
    assert list(read_folders(tmp_path).items()) == [
        ("a", [tmp_path / "a/x.PNG"]),
        ("b", [tmp_path / "b/1.jpg", tmp_path / "b/2.png"]),
    ]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: expected a folder of one folder per identity, found none"):
        read_folders(tmp_path / "nowhere")


def test_a_file_for_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder of one folder per identity"):
        read_folders(tmp_path / "file")


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "person").mkdir()
    (tmp_path / "loose.png").write_text("")
    with pytest.raises(InputError, match="expected one folder per identity with images in it, found no"):
        read_folders(tmp_path)


def test_a_split_shares_no_identity_and_loses_none():
    identities = {f"p{index:02}": listed(f"p{index:02}", 1 + index % 13) for index in range(40)}
    split = split_identities(identities, held_out=7, seed=3)
    assert len(split.held_out) == 7
    assert set(split.train) | set(split.held_out) == set(identities)
    assert not set(split.train) & set(split.held_out)
    assert all(split.held_out[name] == identities[name] for name in split.held_out)
    for name, paths in split.train.items():
        kept = [split.reserved[name]] if name in split.reserved else []
        assert paths + kept == identities[name]
        assert (name in split.reserved) == (len(identities[name]) >= RESERVE_FROM)


def test_the_reserved_photograph_is_the_last_from_ten_on():
    identities = {"few": listed("few", 9), "many": listed("many", 10)}
    split = split_identities(identities, held_out=0, seed=0)
    assert split.reserved == {"many": identities["many"][-1]}
    assert split.train == {"few": identities["few"], "many": identities["many"][:-1]}
    assert len(identities["many"]) == 10


def test_a_split_depends_on_its_seed_alone():
    identities = {f"p{index}": listed(f"p{index}", 2) for index in range(30)}
    backwards = dict(reversed(identities.items()))
    first = split_identities(identities, held_out=10, seed=1)
    np.random.seed(5)  # noqa: NPY002
    assert split_identities(backwards, held_out=10, seed=1) == first
    assert split_identities(identities, held_out=10, seed=2) != first


@pytest.mark.parametrize("held_out", [-1, 4, 5, 600])
def test_holding_out_too_many_is_refused(held_out):
    identities = {f"p{index}": listed(f"p{index}", 2) for index in range(5)}
    with pytest.raises(
        InputError, match=f"held-out identities: expected 0 to 3 of 5, got {held_out}".replace("-", "[-]")
    ):
        split_identities(identities, held_out=held_out, seed=0)

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from recognition.data.dataset import AlignedFaces, labelled, read_aligned
from recognition.data.folders import RESERVE_FROM, read_folders, split_identities
from recognition.data.pairs import read_pairs
from recognition.errors import InputError
from recognition.images import read_image, to_tensor, write_png
from recognition.seeds import derive_seed


def listed(name: str, count: int) -> list[Path]:
    """Paths as LFW names them; there need be no such files."""
    return [Path(f"lfw/{name}/{name}_{number:04}.png") for number in range(1, count + 1)]


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[tuple[Path, int]]:
    """Three crops: smooth pictures, so that every augmentation shows."""
    folder = tmp_path_factory.mktemp("crops")
    y, x = np.mgrid[:112, :112]
    made = []
    for index in range(3):
        image = np.stack([2 * x, 2 * y, np.full_like(x, 80 * index)], axis=-1).astype(np.uint8)
        write_png(folder / f"{index}.png", image)
        made.append((folder / f"{index}.png", index))
    return made


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


def test_labels_follow_the_sorted_names():
    identities = {"b": listed("b", 2), "a": listed("a", 1)}
    assert labelled(identities) == [
        (listed("a", 1)[0], 0),
        (listed("b", 2)[0], 1),
        (listed("b", 2)[1], 1),
    ]


def test_items_without_a_seed_are_the_images(samples):
    dataset = AlignedFaces(samples)
    assert len(dataset) == 3
    for index, (path, label) in enumerate(samples):
        image, got = dataset[index]
        assert got == label
        assert torch.equal(image, to_tensor(read_image(path)))


def test_an_item_depends_on_seed_epoch_and_index_alone(samples):
    # The same file twice: only the index tells the items apart.
    dataset = AlignedFaces([samples[0], samples[0]], seed=7)
    dataset.epoch = 2
    torch.manual_seed(0)
    first = dataset[0][0]
    torch.manual_seed(99)
    torch.rand(5)
    again = AlignedFaces([samples[0]], seed=7)
    again.epoch = 2
    assert torch.equal(again[0][0], first)
    assert torch.equal(dataset[0][0], first)
    assert not torch.equal(dataset[1][0], first)
    dataset.epoch = 3
    assert not torch.equal(dataset[0][0], first)
    other = AlignedFaces([samples[0]], seed=8)
    other.epoch = 2
    assert not torch.equal(other[0][0], first)


def test_augmented_items_stay_images(samples):
    dataset = AlignedFaces(samples, seed=0)
    for epoch in range(20):
        dataset.epoch = epoch
        image, _ = dataset[epoch % 3]
        assert image.shape == (3, 112, 112)
        assert image.dtype == torch.float32
        assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_the_global_generators_are_left_alone(samples):
    dataset = AlignedFaces(samples, seed=0)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    dataset[0]
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_shuffled_and_ordered_loaders_see_the_same_images(samples):
    dataset = AlignedFaces(samples, seed=0)
    ordered = {int(label): image for image, label in DataLoader(dataset, batch_size=None)}
    shuffled = {int(label): image for image, label in DataLoader(dataset, batch_size=None, sampler=[2, 0, 1])}
    assert ordered.keys() == shuffled.keys()
    assert all(torch.equal(ordered[label], shuffled[label]) for label in ordered)


def test_a_crop_of_another_size_is_refused(tmp_path):
    write_png(tmp_path / "large.png", np.zeros((250, 200, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"large\.png: expected an aligned 112x112 crop, got 200x250; run"):
        read_aligned(tmp_path / "large.png")


def test_derived_seeds_differ_and_fit_torch():
    seeds = [
        derive_seed(*parts) for parts in [(0,), (1,), (0, 1), (1, 0), (0, "1"), ("a", 1), (10, 1), (1, 1)]
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(3, "a") == derive_seed(3, "a")


@pytest.fixture
def people() -> dict[str, list[Path]]:
    return {"Ann_Able": listed("Ann_Able", 3), "Bob": listed("Bob", 2), "Cat": listed("Cat", 1)}


def write_pairs(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pairs_are_read_with_kinds_and_folds(tmp_path, people):
    path = write_pairs(
        tmp_path, "2\t1", "Ann_Able\t1\t3", "Ann_Able\t2\tBob\t1", "Bob\t1\t2", "Cat\t1\tAnn_Able\t3"
    )
    pairs, missing = read_pairs(path, people)
    ann, bob, cat = people["Ann_Able"], people["Bob"], people["Cat"]
    assert missing == 0
    assert pairs == [
        (ann[0], ann[2], True, 0),
        (ann[1], bob[0], False, 0),
        (bob[0], bob[1], True, 1),
        (cat[0], ann[2], False, 1),
    ]


def test_missing_photographs_are_counted_and_keep_the_folds(tmp_path, people):
    path = write_pairs(
        tmp_path,
        "3 1",
        "Ann_Able 1 9",
        "Ann_Able 1 Dan 1",
        "Bob 1 2",
        "Bob 2 Cat 1",
        "Ann_Able 1 2",
        "Cat 7 Bob 1",
    )
    pairs, missing = read_pairs(path, people)
    assert missing == 3
    assert [(mated, fold) for _, _, mated, fold in pairs] == [(True, 1), (False, 1), (True, 2)]


@pytest.mark.parametrize("text", ["", "hello\n", "10\n", "ten 300\n", "\x00\xff\n", "1 2 3\n"])
def test_a_file_that_is_no_pair_list_is_refused(text, tmp_path, people):
    path = tmp_path / "pairs.txt"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"pairs\.txt: expected a pair list in LFW's format"):
        read_pairs(path, people)


def test_a_missing_pair_list_is_refused(tmp_path, people):
    with pytest.raises(InputError, match="expected a pair list in LFW's format"):
        read_pairs(tmp_path / "none.txt", people)


@pytest.mark.parametrize("line", ["Bob 1", "Bob", "Bob 1 Cat 1 5"])
def test_a_pair_with_other_fields_is_refused(line, tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Ann_Able 1 2", line)
    with pytest.raises(InputError, match="expected 3 or 4 fields in pair 2, got "):
        read_pairs(path, people)


@pytest.mark.parametrize("line", ["Bob one two", "Bob 1 Cat x"])
def test_a_pair_without_numbers_is_refused(line, tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Ann_Able 1 2", line)
    with pytest.raises(InputError, match="pair"):
        read_pairs(path, people)


@pytest.mark.parametrize("header", ["2 0", "0 5", "2 -1", "1 5"])
def test_a_header_without_folds_or_pairs_is_refused(header, tmp_path, people):
    path = write_pairs(tmp_path, header, "Ann_Able 1 2", "Bob 1 Cat 1")
    with pytest.raises(InputError, match="expected"):
        read_pairs(path, people)


def test_pairs_of_other_people_are_refused(tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Dan 1 2", "Eve 1 Dan 1")
    with pytest.raises(InputError, match="expected pairs of these identities"):
        read_pairs(path, people)


def test_pairs_left_in_one_fold_only_are_refused(tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Ann_Able 1 2", "Bob 1 Cat 1", "Dan 1 2", "Eve 1 Dan 1")
    with pytest.raises(InputError, match="in at least 2 folds"):
        read_pairs(path, people)


@pytest.mark.shared
def test_lfws_pairs_are_6000_in_ten_balanced_folds(shared):
    path = shared / "data/lfw/pairs.txt"
    images = shared / "data/lfw/images"
    identities = {folder.name: sorted(folder.iterdir()) for folder in images.iterdir()}
    pairs, missing = read_pairs(path, identities)
    assert (len(pairs), missing) == (6000, 0)
    counts = np.zeros((10, 2), dtype=int)
    for first, second, mated, fold in pairs:
        counts[fold, int(mated)] += 1
        assert (first.parent == second.parent) == mated
    assert (counts == 300).all()
    # Without one person the pairs of that person are missing, and no other.
    gone = "George_W_Bush"
    lines = path.read_text().splitlines()[1:]
    expected = sum(bool(re.search(rf"(^|\t){gone}\t", line)) for line in lines)
    without, missing = read_pairs(path, {name: paths for name, paths in identities.items() if name != gone})
    assert missing == expected > 0
    assert without == [pair for pair in pairs if gone not in (pair[0].parent.name, pair[1].parent.name)]

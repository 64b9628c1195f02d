"""The dataset of training: labels, augmentation, and the order of an epoch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from recognition.data.dataset import AlignedFaces, epoch_order, read_aligned
from recognition.data.keys import labelled
from recognition.errors import InputError
from recognition.images import read_image, to_tensor, write_png
from tests.recognition.data.helpers import listed


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[tuple[Path, int]]:
    """Three crops of smooth gradients, in which every augmentation is visible."""
    folder = tmp_path_factory.mktemp("crops")
    y, x = np.mgrid[:112, :112]
    made = []
    for index in range(3):
        image = np.stack([2 * x, 2 * y, np.full_like(x, 80 * index)], axis=-1).astype(np.uint8)
        write_png(folder / f"{index}.png", image)
        made.append((folder / f"{index}.png", index))
    return made


def test_labels_follow_the_sorted_names():
    identities = {"b": listed("b", 2), "a": listed("a", 1)}
    assert list(labelled(identities)) == [
        (listed("a", 1)[0], 0),
        (listed("b", 2)[0], 1),
        (listed("b", 2)[1], 1),
    ]


def test_labels_follow_a_given_order():
    identities = {"b": listed("b", 2), "a": listed("a", 1)}
    assert list(labelled(identities, ["b", "a"])) == [
        (listed("b", 2)[0], 0),
        (listed("b", 2)[1], 0),
        (listed("a", 1)[0], 1),
    ]


def test_items_without_a_seed_are_the_images(samples):
    dataset = AlignedFaces(samples)
    assert len(dataset) == 3
    for index, (path, label) in enumerate(samples):
        image, got = dataset[index]
        assert got == label
        assert torch.equal(image, to_tensor(read_image(path)))


def test_mild_augmentation_changes_less_than_the_full_one(samples):
    plain = AlignedFaces(samples)[2][0]
    change = {}
    for kind in ("mild", "full"):
        dataset = AlignedFaces([samples[2]] * 40, seed=1, augment=kind)
        # The mirror image is part of both.
        changes = [
            min(float((image - one).abs().mean()) for one in (plain, plain.flip(-1)))
            for image in (dataset[index][0] for index in range(40))
        ]
        change[kind] = np.mean(changes)
    assert 0.005 < change["mild"] < 0.7 * change["full"]


def test_an_item_depends_on_seed_epoch_and_index_alone(samples):
    # The same file twice, so that the items differ in their index only.
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


def test_kept_images_are_read_once(people):
    reads = []

    def read(key):
        reads.append(key)
        return torch.rand(3, 112, 112).mul(255).round() / 255

    key = people / "Person_00/Person_00_0001.png"
    faces = AlignedFaces([(key, 3)], read=read, keep=True)
    first, second = faces[0][0], faces[0][0]
    assert torch.equal(first, second)
    assert reads == [key]


def test_an_epoch_sees_each_image_once_in_an_order_of_its_own():
    labels = np.repeat(np.arange(5), [1, 2, 3, 7, 4])
    for together in (0, 2, 3):
        orders = [epoch_order(labels, seed=1, epoch=epoch, images_per_identity=together) for epoch in (0, 1)]
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(17))
        assert list(orders[0]) != list(orders[1])
        again = epoch_order(labels, seed=1, epoch=0, images_per_identity=together)
        assert list(orders[0]) == list(again)


def test_images_of_an_identity_stay_together():
    labels = np.repeat(np.arange(30), 6)[np.random.default_rng(0).permutation(180)]
    order = epoch_order(labels, seed=0, epoch=0, images_per_identity=3)
    groups = labels[order].reshape(-1, 3)
    assert (groups == groups[:, :1]).all()
    assert (groups[1:, 0] != groups[:-1, 0]).mean() > 0.8, "groups are shuffled"

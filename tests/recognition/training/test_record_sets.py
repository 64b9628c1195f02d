"""Training on sets with many faces in a file: the same as on their folders, and damaged records."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recognition.data.convert import convert
from recognition.data.keys import LabelledKeys
from recognition.data.sources import open_source
from recognition.errors import InputError
from recognition.training.batches import TrainingData
from tests.recognition.conftest import write_people
from tests.recognition.training.helpers import SHORT

OPTIONS = replace(SHORT, batch_size=4, held_out=1)


@pytest.fixture
def data(tmp_path) -> Path:
    """Four people with three crops each."""
    return write_people(tmp_path / "data", ["Ann", "Bob", "Cat", "Dan"], 3)


@pytest.mark.parametrize("form", ["records", "shards", "parquet"])
def test_batches_are_those_of_the_folders(data, tmp_path, form):
    path = tmp_path / ("set.parquet" if form == "parquet" else "set")
    convert(data, path, form)
    folders, inside = TrainingData(data, OPTIONS), TrainingData(path, OPTIONS)
    assert inside.class_names == folders.class_names
    assert inside.describe_split()["held_out"] == folders.describe_split()["held_out"]
    for one, other in zip(folders.batches(0), inside.batches(0), strict=True):
        for part, same in zip(one, other, strict=True):
            assert torch.equal(part, same)
    torch.testing.assert_close(inside.mean_face, folders.mean_face)
    assert isinstance(inside.dataset.samples, LabelledKeys)


def test_processes_read_records(data, tmp_path):
    convert(data, tmp_path / "set", "records")
    images = [batch[0] for batch in TrainingData(tmp_path / "set", OPTIONS).batches(0)]
    apart = [batch[0] for batch in TrainingData(tmp_path / "set", OPTIONS, workers=1).batches(0)]
    for one, other in zip(images, apart, strict=True):
        assert torch.equal(one, other)


def test_a_truncated_set_is_skipped_or_refused_as_asked(data, tmp_path):
    convert(data, tmp_path / "set", "records")
    path = tmp_path / "set/train.rec"
    os.truncate(path, path.stat().st_size * 2 // 3)
    lost = sorted(os.path.relpath(key, tmp_path / "set") for key in open_source(path).unlisted)
    assert lost
    found = TrainingData(tmp_path / "set", OPTIONS)
    assert set(lost) <= set(found.skipped.names)
    assert 4 < len(found.dataset) < 12
    with pytest.raises(InputError, match=r"record \d+: .* \(\d+ in all; --on-unreadable skip goes on"):
        TrainingData(tmp_path / "set", OPTIONS, on_unreadable="stop")


def test_a_damaged_record_is_left_out_by_its_name(data, tmp_path):
    convert(data, tmp_path / "set", "records")
    path = tmp_path / "set/train.rec"
    key = TrainingData(tmp_path / "set", OPTIONS).dataset.samples[5][0]
    begin = int((tmp_path / "set/train.idx").read_text().splitlines()[int(key.name)].split()[1])
    content = bytearray(path.read_bytes())
    content[begin + 60 : begin + 200] = bytes(140)
    path.write_bytes(content)
    found = TrainingData(tmp_path / "set", OPTIONS)
    assert found.skipped.names == [f"train.rec/{key.name}"]
    assert len(found.dataset) == 8
    with pytest.raises(InputError, match=rf"1 of 12 faces cannot be read, such as .*train\.rec/{key.name}"):
        TrainingData(tmp_path / "set", OPTIONS, on_unreadable="stop")

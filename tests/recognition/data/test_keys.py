"""Keys that are made on demand."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from recognition.data.keys import LabelledKeys, NumberedKeys, number_of

REC = Path("a/train.rec")


def test_numbered_keys_are_a_sequence_of_paths():
    for numbers in (range(3, 7), np.arange(3, 7)):
        keys = NumberedKeys(REC, numbers)
        assert list(keys) == [REC / str(n) for n in range(3, 7)]
        assert (keys[-1], list(keys[:-1])) == (REC / "6", [REC / "3", REC / "4", REC / "5"])
        with pytest.raises(IndexError):
            keys[4]


def test_labelled_keys_are_as_a_list_of_all():
    parts = [NumberedKeys(REC, range(2)), [], [Path("b/x.png")], NumberedKeys(REC, np.array([9, 4]))]
    samples = LabelledKeys(parts)
    expected = [(REC / "0", 0), (REC / "1", 0), (Path("b/x.png"), 2), (REC / "9", 3), (REC / "4", 3)]
    assert list(samples) == expected
    assert [samples[index] for index in range(-5, 5)] == [expected[index] for index in range(-5, 5)]
    assert samples[1:4] == expected[1:4]
    assert samples.labels.tolist() == [0, 0, 2, 3, 3]
    assert list(samples.keys) == [key for key, _ in expected]
    assert samples.keys[1:3] == [REC / "1", Path("b/x.png")]
    for index in (5, -6):
        with pytest.raises(IndexError):
            samples[index]
    again = pickle.loads(pickle.dumps(samples))  # noqa: S301 - processes that read images get it so
    assert list(again) == expected


def test_labels_may_be_given():
    samples = LabelledKeys([[], NumberedKeys(REC, range(2)), [Path("x")]], [4, 7, -1])
    expected = [(REC / "0", 7), (REC / "1", 7), (Path("x"), -1)]
    assert list(samples) == [samples[0], samples[1], samples[-1]] == expected
    assert samples.labels.tolist() == [7, 7, -1]


def test_a_million_keys_have_no_object_each():
    samples = LabelledKeys([NumberedKeys(REC, range(n, n + 1000)) for n in range(0, 1_000_000, 1000)])
    # The labels are the only thing that has a value for each face.
    assert len(pickle.dumps(samples)) < 8 * 1_000_000 + 200_000


@pytest.mark.parametrize(
    ("name", "number"), [("17", 17), ("0", 0), ("x", None), ("1.png", None), ("٣", None), ("9" * 19, None)]
)
def test_a_number_is_a_name_of_digits(name, number):
    assert number_of(REC / name) == number

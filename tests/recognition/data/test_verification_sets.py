"""Verification sets: Python's own pickle is the oracle, and pickles that do anything else are refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from recognition.data.dataset import read_aligned
from recognition.data.sources import open_source
from recognition.data.verification_sets import open_verification_set, write_verification_set
from recognition.errors import InputError
from tests.recognition.data.containers import face

IMAGES = [face(shade) for shade in range(24)]
MATED = [number % 3 == 0 for number in range(12)]


def images_of(path: Path) -> list[bytes]:
    pairs = open_verification_set(path)
    return [pairs.image(number) for number in range(len(pairs.keys))]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["bytes", "column", "row"])
@pytest.mark.parametrize("truth", [bool, np.bool_, int])
def test_every_way_of_pickling_is_read(tmp_path, protocol, kind, truth):
    """lfw2pack.py stores bytes; scripts that use cv2.imencode store arrays of shape (n, 1) or (n,)."""
    arrays = [np.frombuffer(image, np.uint8).copy() for image in IMAGES]
    stored = {"bytes": IMAGES, "row": arrays, "column": [array.reshape(-1, 1) for array in arrays]}[kind]
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((stored, [truth(one) for one in MATED]), protocol=protocol))
    assert images_of(path) == IMAGES
    assert open_verification_set(path).mated.tolist() == MATED


def test_the_pickle_of_python_2_is_read(tmp_path):
    """By hand: cPickle stores str as SHORT_BINSTRING or BINSTRING, each with a number in the memo."""
    data = b"\x80\x02]q\x01("
    for number, image in enumerate(IMAGES):
        if len(image) < 256:
            data += b"U" + bytes([len(image)]) + image
        else:
            data += b"T" + len(image).to_bytes(4, "little") + image
        data += b"q" + bytes([2 + number])
    data += b"e]q\x60(" + b"".join(b"\x88" if one else b"\x89" for one in MATED) + b"e\x86q\x61."
    images, mated = pickle.loads(data, encoding="bytes")  # noqa: S301 - the oracle, of the lines above
    assert (images, mated) == (IMAGES, MATED)
    (tmp_path / "lfw.bin").write_bytes(data)
    assert images_of(tmp_path / "lfw.bin") == IMAGES
    assert open_verification_set(tmp_path / "lfw.bin").mated.tolist() == MATED


def test_a_written_set_is_read_by_pickle(tmp_path):
    path = tmp_path / "own.bin"
    pairs = zip(IMAGES[0::2], IMAGES[1::2], MATED, strict=True)
    assert write_verification_set(path, pairs) == 12
    assert pickle.loads(path.read_bytes()) == (IMAGES, MATED)  # noqa: S301 - the oracle, of our own file
    assert images_of(path) == IMAGES


def test_folds_are_those_of_kfold(tmp_path):
    """Twelve pairs in ten folds: scikit-learn gives the first two folds one more."""
    write_verification_set(tmp_path / "a.bin", zip(IMAGES[0::2], IMAGES[1::2], MATED, strict=True))
    folds = open_verification_set(tmp_path / "a.bin").folds
    assert folds.tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_images_are_read_by_their_keys(tmp_path):
    write_verification_set(tmp_path / "a.bin", zip(IMAGES[0::2], IMAGES[1::2], MATED, strict=True))
    assert round(float(read_aligned(tmp_path / "a.bin/17").mean()) * 255) == 17
    with pytest.raises(InputError, match="image 24: expected a number below 24"):
        read_aligned(tmp_path / "a.bin/24")


class Runs:
    """Runs a function when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_pickle_is_run(tmp_path):
    for protocol in (2, 3, 4, 5):
        data = pickle.dumps((IMAGES, [*MATED, Runs(tmp_path / "ran")]), protocol=protocol)
        (tmp_path / "x.bin").write_bytes(data)
        with pytest.raises(InputError, match="which is not allowed"):
            open_verification_set(tmp_path / "x.bin")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "source",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cposix\nsystem\n(U\x04truetR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"c__builtin__\neval\n(U\x011tR.",
        b"cnumpy\nload\n)R.",
        b"(i__main__\nX\n.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\n\x85R.",
    ],
)
def test_instructions_and_names_beyond_the_few_are_refused(tmp_path, source):
    (tmp_path / "x.bin").write_bytes(source)
    with pytest.raises(InputError, match="expected a verification set as InsightFace writes it"):
        open_verification_set(tmp_path / "x.bin")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((IMAGES[:-1], MATED), "expected two images of each of 10 or more pairs, got 23 images and 12 pairs"),
        ((IMAGES[:8], MATED[:4]), "expected two images of each of 10 or more pairs, got 8 images and 4"),
        ((IMAGES, [2, *MATED[1:]]), "something else than truths"),
        ((IMAGES, [1.5] * 12), "which is not allowed"),
        ((IMAGES, MATED, []), "no two lists"),
        (([*IMAGES[:-1], "text"], MATED), "something else in place of an image"),
        (([*IMAGES[:-1], np.zeros(5, np.float32)], MATED), "an array of something else than bytes"),
        (b"", "no two lists"),
    ],
)
def test_other_content_is_refused(tmp_path, content, message):
    (tmp_path / "x.bin").write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match=message):
        open_verification_set(tmp_path / "x.bin")


def test_a_truncated_set_is_refused(tmp_path):
    data = pickle.dumps((IMAGES, MATED))
    for length in (0, 1, len(data) // 2, len(data) - 1):
        (tmp_path / "x.bin").write_bytes(data[:length])
        with pytest.raises(InputError, match="cut off"):
            open_verification_set(tmp_path / "x.bin")


def test_a_verification_set_is_no_source_of_identities(tmp_path):
    write_verification_set(tmp_path / "a.bin", zip(IMAGES[0::2], IMAGES[1::2], MATED, strict=True))
    with pytest.raises(InputError, match="expected faces of known identities, got a verification set"):
        open_source(tmp_path / "a.bin")

"""Embeddings of folders in which some photographs are bad."""

import numpy as np
import pytest

from recognition.checkpoint import load_recogniser
from recognition.data.embedding import embed_files, embed_readable
from recognition.errors import InputError
from recognition.images import write_png
from recognition.metrics.evaluate import embed_identities


@pytest.fixture
def people(tmp_path):
    """Two people with three crops each, the second of each damaged."""
    chance = np.random.default_rng(0)
    for name in ("Ann", "Bob"):
        (tmp_path / name).mkdir()
        for number in (1, 2, 3):
            path = tmp_path / name / f"{name}_{number:04}.png"
            write_png(path, chance.integers(0, 256, (112, 112, 3), dtype=np.uint8))
            if number == 2:
                path.write_bytes(b"no image")
    return tmp_path


def test_readable_files_are_embedded_as_if_the_others_were_not_there(people, tiny_model):
    recogniser = load_recogniser(tiny_model)
    keys = sorted(people.rglob("*.png"))
    embeddings, readable = embed_readable(recogniser, keys)
    assert readable.tolist() == [True, False, True] * 2
    sound = [key for key, read in zip(keys, readable, strict=True) if read]
    np.testing.assert_allclose(embeddings, embed_files(recogniser, sound), atol=1e-6)


def test_nothing_readable_is_refused(people, tiny_model):
    keys = list(people.rglob("*_0002.png"))
    with pytest.raises(InputError, match=r"_0002\.png: expected an image"):
        embed_readable(load_recogniser(tiny_model), keys)


def test_a_photograph_that_has_gone_is_left_out(people, tiny_model):
    keys = [people / "Ann/Ann_0001.png", people / "gone.png"]
    assert embed_readable(load_recogniser(tiny_model), keys)[1].tolist() == [True, False]


def test_pairs_with_bad_photographs_are_left_out_and_the_others_keep_their_images(people, tiny_model):
    lines = ["2\t1", "Ann\t1\t3", "Ann\t1\tBob\t2", "Bob\t1\t3", "Bob\t3\tAnn\t1"]
    (people / "pairs.txt").write_text("\n".join(lines))
    embedded = embed_identities(load_recogniser(tiny_model), people, pairs=people / "pairs.txt", device="cpu")
    assert [path.name for path in embedded.left_out] == ["Bob_0002.png"]
    # The images are Ann 1 and 3, Bob 1 and 3.
    assert embedded.pairs.indices.tolist() == [[0, 1], [2, 3], [3, 0]]
    assert embedded.pairs.mated.tolist() == [True, True, False]
    assert embedded.labels.tolist() == [0, 0, 1, 1]
    assert len(embedded.embeddings) == 4

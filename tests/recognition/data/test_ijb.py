"""The files of IJB-B and IJB-C as InsightFace distributes them."""

from pathlib import Path

import numpy as np
import pytest

from recognition.data.ijb import read_people, read_protocol, read_template_pairs
from recognition.detection.alignment import REFERENCE_POINTS
from recognition.errors import InputError
from recognition.images import write_png

POINTS = " ".join(f"{value:.3f}" for value in REFERENCE_POINTS.ravel())


def write(folder: Path, **files: str | None) -> Path:
    """Write a protocol of two images; arguments replace the text of a file, None leaves it out."""
    texts: dict[str, str | None] = {
        "face_tid_mid.txt": "1.png 10 100\n2.png 11 101\n",
        "name_5pts_score.txt": f"1.png {POINTS} 0.5\n2.png {POINTS} 0.9\n",
        "template_pair_label.txt": "10 11 0\n10 10 1\n",
        "1N_gallery_G1.csv": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n10,7,img/1.png\n10,7,img/2.png\n",
        "1N_gallery_G2.csv": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n11,8,img/1.png\n",
        "1N_probe_mixed.csv": "TEMPLATE_ID,SUBJECT_ID\n11,8\n",
    } | {name.replace("__", "."): text for name, text in files.items()}
    (folder / "meta").mkdir(parents=True, exist_ok=True)
    (folder / "loose_crop").mkdir(exist_ok=True)
    for name, text in texts.items():
        if text is not None:
            (folder / "meta" / f"ijbc_{name}").write_text(text)
    return folder


def test_a_protocol_is_read(tmp_path):
    protocol = read_protocol(write(tmp_path))
    images = protocol.images
    assert images.names.tolist() == ["1.png", "2.png"]
    assert (images.templates.tolist(), images.media.tolist()) == ([10, 11], [100, 101])
    assert images.scores.tolist() == [0.5, 0.9]
    np.testing.assert_allclose(images.points[1], REFERENCE_POINTS, atol=1e-3)
    assert [path.name for path in protocol.galleries] == ["ijbc_1N_gallery_G1.csv", "ijbc_1N_gallery_G2.csv"]
    pairs = [part.tolist() for part in read_template_pairs(protocol.pairs)]
    assert pairs == [[10, 10], [11, 10], [False, True]]
    assert [part.tolist() for part in read_people(protocol.galleries[0])] == [[10], [7]]


def test_photographs_are_aligned_by_their_landmarks(tmp_path):
    """A crop that was moved by (20, 30) in a larger photograph comes back."""
    generator = np.random.default_rng(0)
    crop = generator.integers(0, 256, (7, 7, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    photograph = np.zeros((200, 220, 3), dtype=np.uint8)
    photograph[30:142, 20:132] = crop
    moved = " ".join(f"{value}" for value in np.add(REFERENCE_POINTS, (20, 30)).ravel())
    write(tmp_path, name_5pts_score__txt=f"1.png {moved} 1\n2.png {POINTS} 1\n")
    write_png(tmp_path / "loose_crop/1.png", photograph)
    image = read_protocol(tmp_path).images.read(0)
    np.testing.assert_allclose(image.numpy() * 255, crop.transpose(2, 0, 1), atol=1)


def test_aligned_images_need_no_landmarks(tmp_path):
    write(tmp_path, name_5pts_score__txt=None)
    images = read_protocol(tmp_path).images
    assert images.points is None
    assert images.scores.tolist() == [1, 1]
    for size in (112, 100):
        write_png(tmp_path / "loose_crop/1.png", np.full((size, size, 3), 51, dtype=np.uint8))
        if size == 112:
            assert float(images.read(0).mean()) == pytest.approx(0.2)
        else:
            with pytest.raises(InputError, match="expected an aligned 112x112 crop, got 100x100"):
                images.read(0)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("face_tid_mid__txt", "", "expected an image, a template and a medium in each line"),
        ("face_tid_mid__txt", "1.png 1\n", "in each line, got another line 1"),
        ("face_tid_mid__txt", "1.png a 3\n", "expected 2 whole numbers in each line"),
        ("face_tid_mid__txt", "1.png -1 3\n", "expected 2 whole numbers from 0"),
        (
            "name_5pts_score__txt",
            f"2.png {POINTS} 1\n1.png {POINTS} 1\n",
            ("expected the same images in the same"),
        ),
        ("name_5pts_score__txt", f"1.png {POINTS} x\n2.png {POINTS} 1\n", "expected numbers"),
        ("name_5pts_score__txt", f"1.png {POINTS} nan\n2.png {POINTS} 1\n", "expected finite numbers"),
        ("face_tid_mid__txt", None, "expected one meta/"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read_protocol(write(tmp_path, **{name: text}))


def test_other_pairs_and_people_are_refused(tmp_path):
    path = tmp_path / "x.txt"
    for text, message in (
        ("1 2 3\n", "expected 0 or 1"),
        ("1 2\n", "3 whole numbers"),
        ("", ("found none in it")),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_template_pairs(path)
    wrong_people = (("T,S\n1,2\n1,3\n", "expected one person of each"), ("T,S\nx,3\n", "2 whole numbers"))
    for text, message in wrong_people:
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_people(path)

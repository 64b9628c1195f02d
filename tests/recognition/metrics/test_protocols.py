"""A linear network on small sets laid out as each protocol: the metrics follow from the images by hand."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recognition.data.verification_sets import write_verification_set
from recognition.data.writers import write_folders
from recognition.errors import InputError
from recognition.images import write_png
from recognition.metrics.protocols import (
    Computation,
    evaluate_distractors,
    evaluate_films,
    evaluate_verification_set,
)
from recognition.metrics.template_protocol import describe_templates, evaluate_templates
from recognition.recogniser import Recogniser
from tests.recognition.data.containers import face
from tests.recognition.data.test_ijb import POINTS

QUIET = Computation("cpu", "none", progress=False)


class Means(torch.nn.Module):
    """Embeds an image as the mean colour of its three channels, less a half."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.normalize(images.mean((2, 3)) - 0.5 + 1e-4)


@pytest.fixture(scope="module")
def network() -> Recogniser:
    return Recogniser(Means(), name="means").freeze()


def coloured(red: int, green: int, blue: int) -> bytes:
    """Return a PNG of one colour."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((112, 112, 3), (red, green, blue), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


RED, GREEN, BLUE, DARK = coloured(255, 0, 0), coloured(0, 255, 0), coloured(0, 0, 255), coloured(0, 0, 0)
#: Red as another image, and one between red and green.
REDDISH, BETWEEN = coloured(250, 5, 5), coloured(255, 255, 0)


def test_a_verification_set_by_hand(network, tmp_path):
    """A mated pair of two colours and a nonmated one of one colour cost each of their folds a quarter."""
    pairs = []
    for fold in range(10):
        pairs += [(RED, GREEN if fold == 3 else REDDISH, True), (BLUE, BLUE, True)]
        pairs += [(RED, BLUE, False), (GREEN, GREEN if fold == 7 else BLUE, False)]
    write_verification_set(tmp_path / "x.bin", pairs)
    metrics, left_out = evaluate_verification_set(network, tmp_path / "x.bin", computation=QUIET)
    mean, deviation = metrics.accuracy
    assert mean == pytest.approx(1 - 2 * 0.25 / 10)
    assert deviation == pytest.approx(np.std([1] * 8 + [0.75] * 2))
    assert (metrics.mated, metrics.nonmated, left_out) == (20, 20, [])
    # Red, reddish and green are connected by mated pairs.
    assert metrics.people == 2


def test_an_image_that_cannot_be_read_leaves_its_pairs_out(network, tmp_path):
    pairs = [(RED, REDDISH, True), (RED, BLUE, False)] * 10
    pairs[4] = (RED, b"no image", True)
    write_verification_set(tmp_path / "x.bin", pairs)
    metrics, left_out = evaluate_verification_set(network, tmp_path / "x.bin", computation=QUIET)
    assert (metrics.mated, metrics.nonmated) == (9, 10)
    assert left_out == [tmp_path / "x.bin/9"]


def test_films_are_means_of_their_frames(network, tmp_path):
    """Film Ann/1 is red in two frames of three: nearer to red, unless only its first frame is taken."""
    films = {
        "Ann/0": [RED],
        "Ann/1": [GREEN, RED, RED],
        "Bob/0": [GREEN],
        "Bob/1": [GREEN, DARK],
        "Cat/0": [b"broken"],
    }
    for name, frames in films.items():
        (tmp_path / "films" / name).mkdir(parents=True)
        for number, frame in enumerate(frames):
            (tmp_path / "films" / name / f"{number}.png").write_bytes(frame)
    rows = [
        f"{fold}, {number}, {first}, {second}, {mated}"
        for fold in (1, 2)
        for number, (first, second, mated) in enumerate(
            (
                ("Ann/0", "Ann/1", 1),
                ("Bob/0", "Bob/1", 1),
                ("Ann/0", "Bob/0", 0),
                ("Ann/0", "Bob/1", 0),
                ("Ann/0", "Cat/0", 0),
                ("Ann/0", "Dan/0", 0),
            )
        )
    ]
    (tmp_path / "splits.txt").write_text("\n".join(rows))
    metrics, left_out, missing = evaluate_films(
        network, tmp_path / "films", tmp_path / "splits.txt", computation=QUIET
    )
    assert metrics.accuracy == (1.0, 0.0)
    assert (metrics.mated, metrics.nonmated, missing) == (4, 4, 4)
    assert left_out == [tmp_path / "films/Cat/0/0.png"]
    first_only, _, _ = evaluate_films(
        network, tmp_path / "films", tmp_path / "splits.txt", frames=1, computation=QUIET
    )
    assert first_only.eer > 0, "the first frame of Ann/1 is green"
    with pytest.raises(InputError, match="frames: expected 1 or more, got 0"):
        evaluate_films(network, tmp_path / "films", tmp_path / "splits.txt", frames=0)


def test_distractors_by_hand(network, tmp_path):
    """Probes red and reddish, distractors red, green and blue: red is as similar, the others are not."""
    (tmp_path / "probes").mkdir()
    write_folders(tmp_path / "probes", [("Ann", [RED, REDDISH]), ("Single", [BLUE])])
    (tmp_path / "others").mkdir()
    write_folders(tmp_path / "others", [("Bob", [GREEN]), ("Cat", [BLUE]), ("Dan", [RED, b"broken"])])
    curve, left_out = evaluate_distractors(
        network, tmp_path / "probes", tmp_path / "others", sizes=[1, 2, 3], computation=QUIET
    )
    assert (curve.pairs, curve.people, curve.distractors) == (2, 1, 3)
    # A gallery of N of three has the one better distractor with probability N / 3.
    assert [rate.value for rate in curve.rates] == pytest.approx([2 / 3, 1 / 3, 0])
    assert [path.name for path in left_out] == ["Dan_0002.jpg"]
    np.save(tmp_path / "others.npy", np.array([[-1.0, 2, -1], [-1, -1, 2]]))
    curve, _ = evaluate_distractors(network, tmp_path / "probes", tmp_path / "others.npy", computation=QUIET)
    assert curve.rates[-1].value == 1
    with pytest.raises(InputError, match="expected people with two images or more, found none"):
        evaluate_distractors(network, tmp_path / "probes", tmp_path / "others", only=frozenset(["Single"]))


def write_ijb(folder: Path) -> Path:
    """Write a protocol of six templates of three people; template 2 is a film of two frames."""
    images = {1: [RED], 2: [GREEN, RED], 3: [GREEN], 4: [GREEN], 5: [BLUE], 6: [BLUE]}
    media, landmarks = [], []
    (folder / "meta").mkdir(parents=True)
    (folder / "loose_crop").mkdir()
    for template, contents in images.items():
        for content in contents:
            name = f"{len(media)}.png"
            (folder / "loose_crop" / name).write_bytes(content)
            # The detector was not sure of the green frame of template 2.
            score = 0.1 if template == 2 and content == GREEN else 1
            media.append(f"{name} {template} {template}")
            landmarks.append(f"{name} {POINTS} {score}")
    pairs = [
        f"{first} {second} {int((first + 1) // 2 == (second + 1) // 2)}"
        for first, second in itertools.combinations(images, 2)
    ]
    for name, lines in (
        ("face_tid_mid.txt", media),
        ("name_5pts_score.txt", landmarks),
        ("template_pair_label.txt", pairs),
        ("1N_gallery_G1.csv", ["TEMPLATE_ID,SUBJECT_ID", "1,1", "3,2"]),
        ("1N_gallery_G2.csv", ["TEMPLATE_ID,SUBJECT_ID", "5,3"]),
        ("1N_probe_mixed.csv", ["TEMPLATE_ID,SUBJECT_ID", "2,1", "4,2", "6,3"]),
    ):
        (folder / "meta" / f"small_{name}").write_text("\n".join(lines) + "\n")
    return folder


def test_a_protocol_of_templates_by_hand(network, tmp_path):
    folder = write_ijb(tmp_path / "ijb")
    weighed = evaluate_templates(network, folder, fmrs=[0.3], fpirs=(0.1,), computation=QUIET)
    assert (weighed.images, weighed.templates, weighed.left_out) == (7, 6, ())
    # Template 2 is nearly red: all three mated pairs are above all twelve others.
    assert weighed.verification.eer == 0
    verification = weighed.verification
    assert (verification.mated, verification.nonmated, verification.people) == (3, 12, 3)
    assert {name: found.cmc[0] for name, found in weighed.identification.items()} == {
        "small_1N_gallery_G1": 1,
        "small_1N_gallery_G2": 1,
    }
    first = weighed.identification["small_1N_gallery_G1"]
    assert (first.gallery, first.probes, first.nonmated) == (2, 2, 1)
    # Counted alike, both frames give a template between red and green, which is no better than a tie.
    alike = evaluate_templates(network, folder, weigh=False, fmrs=[0.3], computation=QUIET)
    assert alike.identification["small_1N_gallery_G1"].cmc[0] == 0.5
    assert json.loads(json.dumps(describe_templates(alike)))["verification"]["mated"] == 3


def test_features_of_a_file_are_those_of_the_network(network, tmp_path):
    folder = write_ijb(tmp_path / "ijb")
    colours = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1.0]])
    features = colours - 0.5 + 1e-4
    np.save(tmp_path / "f.npy", features / np.linalg.norm(features, axis=1, keepdims=True))
    options = {"fmrs": [0.3], "computation": QUIET}
    stored = evaluate_templates(network, folder, features=tmp_path / "f.npy", **options)
    own = evaluate_templates(network, folder, **options)
    assert describe_templates(stored) == describe_templates(own)
    np.save(tmp_path / "f.npy", features[1:])
    with pytest.raises(InputError, match=r"expected embeddings of shape \(7, dim\), got \(6, 3\)"):
        evaluate_templates(network, folder, features=tmp_path / "f.npy")
    np.save(tmp_path / "f.npy", features * np.nan)
    with pytest.raises(InputError, match="expected finite numbers"):
        evaluate_templates(network, folder, features=tmp_path / "f.npy")


def test_templates_without_a_readable_image_are_left_out(network, tmp_path):
    folder = write_ijb(tmp_path / "ijb")
    (folder / "loose_crop/0.png").write_bytes(b"broken")
    found = evaluate_templates(network, folder, fmrs=[0.4], computation=QUIET)
    assert (found.templates, found.verification.mated, found.verification.nonmated) == (5, 2, 8)
    assert found.left_out == (folder / "loose_crop/0.png",)
    assert found.identification["small_1N_gallery_G1"].gallery == 1


def test_greyscale_faces_are_read_too(network, tmp_path):
    """A set of one shade has one embedding: nothing is told apart, and nothing fails."""
    write_verification_set(tmp_path / "x.bin", [(face(9), face(9), number % 2 == 0) for number in range(20)])
    metrics, _ = evaluate_verification_set(network, tmp_path / "x.bin", computation=QUIET)
    assert metrics.eer == 0.5


def test_a_folder_without_a_protocol_is_refused(network, tmp_path):
    with pytest.raises(InputError, match="expected one meta/"):
        evaluate_templates(network, tmp_path)
    write_png(tmp_path / "x.png", np.zeros((4, 4, 3), np.uint8))

"""The judge, its shipped calibration, and the detection of faces in crops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.evaluation.calibration import shipped_calibration, thresholds
from arcinvert.evaluation.crops import face_detected
from arcinvert.evaluation.judges import DlibJudge, RecogniserJudge, make_judge, related
from arcinvert.evaluation.similarity import similarity
from recognition.checkpoint import load_recogniser, save_recogniser, sha256
from recognition.detection.alignment import crop_at
from recognition.detection.search import find_face
from recognition.errors import InputError
from recognition.images import list_images, read_image
from recognition.loading import NETWORKS, load

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def crop(astronaut: Image) -> Image:
    return crop_at(astronaut, find_face(astronaut, name="astronaut"))


def test_similarity_by_hand() -> None:
    first = np.array([[0.0, 0.0], [1.0, 0.0], [0.3, 0.4]])
    second = np.array([[0.3, 0.4], [1.0, 0.0], [0.0, 0.0]])
    assert similarity(first, second).tolist() == pytest.approx([0.5, 1.0, 0.5])
    assert float(similarity(first[0], first[1])) == 0.0


def test_embeddings_have_their_shape(crop: Image) -> None:
    embeddings = DlibJudge().embed([crop, crop[:, ::-1]])
    assert embeddings.shape == (2, 128)
    assert embeddings.dtype == np.float64
    assert np.isfinite(embeddings).all()
    assert DlibJudge().embed([]).shape == (0, 128)


def test_an_image_is_most_similar_to_itself(crop: Image) -> None:
    together = DlibJudge().embed([crop, crop])
    alone = DlibJudge().embed([crop])
    assert float(similarity(together[0], together[1])) == pytest.approx(1, abs=1e-6)
    assert float(similarity(together[0], alone[0])) == pytest.approx(1, abs=1e-6)


def test_a_mirror_image_is_the_same_person(crop: Image) -> None:
    strictest = thresholds()[-1]
    embeddings = DlibJudge().embed([crop, crop[:, ::-1]])
    assert strictest.similarity < float(similarity(embeddings[0], embeddings[1])) < 1


def test_noise_is_not_the_person(crop: Image) -> None:
    noise = np.random.default_rng(0).integers(0, 256, crop.shape).astype(np.uint8)
    embeddings = DlibJudge().embed([crop, noise])
    assert float(similarity(embeddings[0], embeddings[1])) < thresholds()[0].similarity


def test_the_photograph_is_not_changed(crop: Image) -> None:
    before = crop.copy()
    DlibJudge().embed([crop])
    face_detected(crop)
    assert np.array_equal(crop, before)


def test_another_matrix_is_used(crop: Image) -> None:
    shipped = DlibJudge().embed([crop])
    same = DlibJudge(np.array(shipped_calibration()["matrix"])).embed([crop])
    corner = DlibJudge(np.array([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]])).embed([crop])
    assert np.array_equal(shipped, same)
    assert float(similarity(shipped[0], corner[0])) < 0.8


def test_faces_are_detected(crop: Image) -> None:
    noise = np.random.default_rng(0).integers(0, 256, crop.shape).astype(np.uint8)
    assert face_detected(crop)
    assert not face_detected(noise)
    assert not face_detected(np.full_like(crop, 128))


def test_thresholds_rest_on_enough_comparisons() -> None:
    shipped = thresholds()
    assert shipped
    for threshold in shipped:
        # Rule of three: a rate is claimed only with three expected false matches.
        assert threshold.nonmated * threshold.fmr >= 3
        assert 0 < threshold.realised_fmr <= threshold.fmr
        assert threshold.mated > 0
        assert threshold.identities > 1
        assert 0 < threshold.tar <= 1


def test_a_lower_rate_asks_for_more() -> None:
    shipped = thresholds()
    rates = [threshold.fmr for threshold in shipped]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(rates) >= 2
    similarities = [threshold.similarity for threshold in shipped]
    assert similarities == sorted(similarities)
    shares = [threshold.tar for threshold in shipped]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.shared
def test_the_judge_separates_people(shared: Path) -> None:
    folders = sorted(path for path in (shared / "data/lfw/images").iterdir() if path.is_dir())
    pairs = []
    for folder in folders[::60]:
        photographs = list_images(folder)
        if len(photographs) >= 2:
            pairs.append((photographs[0], photographs[-1]))
    pairs = pairs[:12]
    assert len(pairs) == 12

    def crops(paths: list[Path]) -> list[Image]:
        photographs = [read_image(path) for path in paths]
        return [crop_at(one, find_face(one, name="photograph", pick="central")) for one in photographs]

    judge = DlibJudge()
    first = judge.embed(crops([pair[0] for pair in pairs]))
    second = judge.embed(crops([pair[1] for pair in pairs]))
    loosest = thresholds()[0].similarity
    mated = similarity(first, second)
    shuffled = similarity(first, np.roll(second, 1, axis=0))
    assert (mated > loosest).mean() >= 0.8
    assert (shuffled > loosest).mean() <= 0.2
    assert mated.mean() > shuffled.mean() + 0.2


def test_a_judge_has_the_preset_of_its_name(crop: Image, tiny_model: Path) -> None:
    given, swapped = make_judge(f"{tiny_model}@channels=BGR"), make_judge(str(tiny_model))
    reversed_crop = np.ascontiguousarray(crop[..., ::-1])
    np.testing.assert_allclose(given.embed([crop]), swapped.embed([reversed_crop]), atol=1e-5)
    assert np.abs(given.embed([crop]) - swapped.embed([crop])).max() > 1e-3
    assert given.describe()["sha256"] == swapped.describe()["sha256"]
    with pytest.raises(InputError, match="expected dlib without a preset"):
        make_judge("dlib@adaface")


def test_a_judge_that_learned_from_the_attacked_network_is_related(tiny_model: Path, tmp_path: Path) -> None:
    teacher = load(tiny_model)
    copied, student = tmp_path / "copy.safetensors", tmp_path / "student.safetensors"
    apart, heir = tmp_path / "apart.safetensors", tmp_path / "heir.safetensors"
    copied.write_bytes(tiny_model.read_bytes())
    parent = {"name": "teacher", "sha256": sha256(tiny_model)}
    save_recogniser(student, teacher, notes={"teacher": parent})
    save_recogniser(heir, teacher, notes={"started_from": {**parent, "centres": True}})
    save_recogniser(apart, teacher, notes={"teacher": {"name": "other", "sha256": "0" * 64}})
    judges = {path: RecogniserJudge(load_recogniser(path)) for path in (copied, student, heir, apart)}
    assert related(judges[copied], teacher)
    assert related(judges[student], teacher)
    assert related(judges[heir], teacher)
    assert not related(judges[apart], teacher)
    # In the other direction, and students of one teacher.
    assert related(RecogniserJudge(teacher), load_recogniser(student))
    assert related(judges[heir], load_recogniser(student))
    assert not related(DlibJudge(), teacher)


def test_bundled_networks_are_related_to_each_other_only(tiny_model: Path) -> None:
    for judge in NETWORKS:
        for attacked in NETWORKS:
            assert related(make_judge(judge), load(attacked))
        assert not related(make_judge(judge), load(tiny_model))


def test_networks_in_memory_are_not_related(tiny_model: Path) -> None:
    one, other = load(tiny_model), load(tiny_model)
    for recogniser in (one, other):
        recogniser.source = replace(recogniser.source, path="", sha256="", format="module")
    assert not related(RecogniserJudge(one), other)

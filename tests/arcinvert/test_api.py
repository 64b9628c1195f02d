"""One-shot attacks on photographs and templates of the tiny network, and what the judge says of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert import Attacker, Run, from_embedding, from_image
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.judges import DlibJudge, Judge
from arcinvert.evaluation.similarity import similarity
from arcinvert.subjects import face_subject
from recognition.checkpoint import sha256
from recognition.detection.search import find_face
from recognition.images import to_tensor
from recognition.recogniser import Recogniser
from tests.arcinvert.support import IDENTITY_ALONE, STEPS, cosine_of, file_names, leave_out_judge

RATES = {"0.01", "0.001"}


@pytest.fixture
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture(scope="module")
def reconstructed(
    tiny_model: Path, photograph: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The astronaut from her photograph, judged by another, written."""
    out = tmp_path_factory.mktemp("reconstructed") / "out"
    return from_image(photograph, photos=photos, model=tiny_model, samples=2, steps=STEPS, out=out)


def test_from_image_is_judged_both_ways(
    reconstructed: Run, photograph: Path, astronaut_crop: NDArray[np.uint8], photos: Path
) -> None:
    assert reconstructed.out is not None
    assert file_names(reconstructed.out) == [
        "first_sample0.png",
        "first_sample1.png",
        "result.json",
        "sheet.png",
    ]
    judge = DlibJudge()
    photograph_embedding = judge.embed([astronaut_crop])[0]
    for image, sample in zip(reconstructed.images, reconstructed.samples, strict=True):
        assert sample["input"] == photograph.name
        assert len(sample["input_sha256"]) == 64
        assert sample["class_id"] is None
        verdict = sample["judge"]
        own = float(similarity(judge.embed([image])[0], photograph_embedding))
        assert verdict["type_1"] == pytest.approx(own, abs=1e-6)
        assert verdict["type_2"] is not None
        assert set(verdict["accepted"]) == RATES
        for threshold in thresholds():
            expected = verdict["type_2"] > threshold.similarity
            assert verdict["accepted"][f"{threshold.fmr:g}"] is expected
        # The mirrored copy is the same person to the judge, and not the same picture.
        assert thresholds()[-1].similarity < verdict["ceiling"] < 1
        assert verdict["floor_type_1"] < verdict["ceiling"]
        assert verdict["floor_type_2"] < verdict["ceiling"]


def test_summary_of_from_image(reconstructed: Run) -> None:
    summary = reconstructed.summary
    assert summary["kind"] == "type_2"
    assert summary["identities"] == 1
    values = [sample["judge"]["type_2"] for sample in reconstructed.samples]
    assert summary["similarity"]["value"] == pytest.approx(np.mean(values))
    assert set(summary["sar"]) == RATES
    for sar in summary["sar"].values():
        assert sar["ceiling"]["value"] == 1.0
    gap = summary["ceiling"]["value"] - summary["floor"]["value"]
    assert summary["gap_closed"]["value"] == pytest.approx(
        (summary["similarity"]["value"] - summary["floor"]["value"]) / gap
    )


def test_the_judge_does_not_steer(reconstructed: Run, photograph: Path, tiny_model: Path) -> None:
    without = from_image(photograph, model=tiny_model, samples=2, steps=STEPS)
    assert without.summary["kind"] == "type_1"
    assert all(sample["judge"]["type_2"] is None for sample in without.samples)
    assert all(np.array_equal(*pair) for pair in zip(reconstructed.images, without.images, strict=True))


@pytest.mark.usefixtures("_unjudged")
def test_from_embedding_attacks_the_same_template(
    photograph: Path, astronaut_crop: NDArray[np.uint8], tiny: Recogniser, tiny_model: Path, tmp_path: Path
) -> None:
    with torch.no_grad():
        template = tiny(to_tensor(astronaut_crop)[None])[0]
    np.save(tmp_path / "template.npy", template.numpy() * 7)
    settings: dict[str, Any] = {
        "model": tiny_model,
        "steps": 20,
        "restarts": 1,
        "initialisation": "noise",
    } | IDENTITY_ALONE
    by_template = from_embedding(tmp_path / "template.npy", **settings)
    by_photograph = from_image(photograph, **settings)
    reached = [run.samples[0]["attacked_similarity"] for run in (by_template, by_photograph)]
    assert reached[0] == pytest.approx(reached[1], abs=0.15)
    for run, value in zip((by_template, by_photograph), reached, strict=True):
        found = cosine_of(tiny, run.images[0], template)
        assert value == pytest.approx(found, abs=0.02)
    short = from_embedding(tmp_path / "template.npy", **settings | {"steps": 1})
    assert reached[0] > short.samples[0]["attacked_similarity"] + 0.1
    assert by_template.result["command"] == "from-embedding"
    assert by_template.result["plan"]["loss"] == "cosine"
    assert by_template.summary["kind"] is None


@pytest.mark.usefixtures("_unjudged")
def test_a_photograph_is_known_by_its_content(
    tiny_model: Path, photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copy.png").write_bytes(photograph.read_bytes())
    monkeypatch.chdir(tmp_path)
    first, second = (from_image(path, model=tiny_model, steps=1) for path in (photograph, "copy.png"))
    assert np.array_equal(first.images[0], second.images[0])


def test_a_prepared_subject_is_attacked_by_its_template(
    tiny: Recogniser, tiny_model: Path, judge: Judge, astronaut: NDArray[np.uint8], photograph: Path
) -> None:
    face = find_face(astronaut, name="astronaut")
    subject = face_subject(tiny, astronaut, face, judge, name="in memory", digest=sha256(photograph))
    attacker = Attacker(tiny_model)
    inversion = attacker.reconstruct([subject], attacker.plan("template", steps=2))
    same = attacker.from_image(photograph, steps=2)
    image = (inversion.images[0] * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    assert np.array_equal(image, same.images[0])
    assert inversion.similarity.tolist() == [same.samples[0]["attacked_similarity"]]

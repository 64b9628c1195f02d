"""Runs of the tiny network: their folder, their records, and the order of both."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from arcinvert import Attacker, Run, Step
from arcinvert.evaluation.judges import DlibJudge
from recognition.images import read_image, write_png
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.support import STEPS, cosine_of, file_names, leave_out_judge, read_result

#: Fields of result.json, as the documentation lists them.
RESULT_FIELDS = {
    "access",
    "schema",
    "created",
    "command",
    "inputs",
    "options",
    "plan",
    "attacked",
    "attacker_knowledge",
    "judge",
    "environment",
    "seconds",
    "interrupted",
    "notes",
    "overlap",
    "summary",
    "samples",
}
SAMPLE_FIELDS = {
    "class_photographs",
    "subcentre",
    "image",
    "input",
    "input_sha256",
    "class_id",
    "sample",
    "attacked_similarity",
    "judge",
    "steps",
    "seconds",
}
VERDICT_FIELDS = {
    "type_1",
    "type_2",
    "accepted",
    "floor_type_1",
    "floor_type_2",
    "ceiling",
    "face_detected",
}
FIGURE_FIELDS = {"value", "low", "high", "identities"}


@pytest.fixture
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture(scope="module")
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(tiny_model, device="cpu")


@pytest.fixture(scope="module")
def generated(attacker: Attacker, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two classes with two samples each, in one batch, written."""
    out = tmp_path_factory.mktemp("generated") / "out"
    return attacker.generate([3, 1], samples=2, steps=STEPS, out=out)


def test_images_sheet_and_result_are_written(generated: Run) -> None:
    assert generated.out is not None
    images = ["class1_sample0.png", "class1_sample1.png", "class3_sample0.png", "class3_sample1.png"]
    assert file_names(generated.out) == sorted([*images, "result.json", "sheet.png"])
    assert file_names(generated.out.parent) == ["out"]
    for image, sample in zip(generated.images, generated.samples, strict=True):
        assert image.shape == (112, 112, 3)
        assert image.dtype == np.uint8
        with Image.open(generated.out / sample["image"]) as file:
            assert file.format == "PNG"
            assert np.array_equal(np.asarray(file), image)
    assert np.array_equal(read_image(generated.out / "sheet.png"), generated.sheet)


def test_ids_and_samples_keep_their_order(generated: Run) -> None:
    order = [(sample["class_id"], sample["sample"]) for sample in generated.samples]
    assert order == [(3, 0), (3, 1), (1, 0), (1, 1)]
    assert [sample["input"] for sample in generated.samples] == ["Dan Dog"] * 2 + ["Bob Baker"] * 2
    assert generated.summary["identities"] == 2
    assert generated.summary["samples"] == 4
    distinct = {image.tobytes() for image in generated.images}
    assert len(distinct) == 4


def test_the_result_has_all_its_fields(generated: Run, attacker: Attacker) -> None:
    assert generated.out is not None
    result = read_result(generated.out)
    assert result == generated.result
    assert set(result) == RESULT_FIELDS
    assert result["schema"] == "arcinvert-result-2"
    assert result["command"] == "generate"
    assert result["inputs"] == {"classes": [3, 1], "photos": None}
    given = {name: value for name, value in result["options"].items() if value not in (None, {})}
    assert given == {"recipe": "arcinvert", "samples": 2, "seed": 0, "steps": STEPS}
    assert result["plan"] == attacker.plan("class", samples=2, steps=STEPS).describe()
    assert result["plan"]["loss"] == "arcface"
    assert result["interrupted"] is False
    assert result["attacker_knowledge"]["level"] == "public-faces"
    assert {"device", "dtype", "threads", "python", "platform", "libraries"} <= set(result["environment"])
    assert {"torch", "numpy", "dlib-bin"} <= set(result["environment"]["libraries"])
    assert [entry["nonmated"] for entry in result["judge"]["thresholds"]]
    assert len(result["samples"]) == 4
    for sample in result["samples"]:
        assert set(sample) == SAMPLE_FIELDS
        assert set(sample["judge"]) == VERDICT_FIELDS
        assert sample["seconds"] >= 0
        assert sample["steps"] == STEPS
    assert set(result["summary"]["attacked_similarity"]) >= FIGURE_FIELDS


def test_the_result_names_the_network(generated: Run, tiny: Recogniser) -> None:
    attacked = generated.result["attacked"]
    assert attacked["name"] == "tiny"
    assert attacked["sha256"] == tiny.source.sha256
    assert len(attacked["sha256"]) == 64
    assert attacked["classes"] == 5
    assert attacked["architecture"]["network"] == "iresnet18"
    assert attacked["preprocessing"]["input_size"] == 112


def test_the_similarity_in_the_result_is_that_of_the_file(generated: Run, tiny: Recogniser) -> None:
    assert generated.out is not None
    assert tiny.centres is not None
    for sample in generated.samples:
        image = read_image(generated.out / sample["image"])
        found = cosine_of(tiny, image, tiny.centres[sample["class_id"]])
        # The file is rounded to 8 bits.
        assert sample["attacked_similarity"] == pytest.approx(found, abs=0.02)


def test_without_photographs_only_the_face_is_judged(generated: Run) -> None:
    assert generated.summary["kind"] is None
    for sample in generated.samples:
        verdict = dict(sample["judge"])
        assert isinstance(verdict.pop("face_detected"), bool)
        assert set(verdict.values()) == {None}


def test_the_same_seed_gives_the_same_files(generated: Run, attacker: Attacker, tmp_path: Path) -> None:
    assert generated.out is not None
    again = attacker.generate([3, 1], samples=2, steps=STEPS, out=tmp_path / "again")
    other = attacker.generate([3, 1], samples=2, steps=STEPS, seed=1)
    pictures = [name for name in file_names(generated.out) if name.endswith(".png")]
    assert len(pictures) == 5
    for name in pictures:
        assert (generated.out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    for first, second in zip(again.images, other.images, strict=True):
        assert not np.array_equal(first, second)


@pytest.mark.usefixtures("_unjudged")
def test_the_global_generators_change_nothing(generated: Run, attacker: Attacker) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        again = attacker.generate([3, 1], samples=2, steps=STEPS)
    assert all(np.array_equal(*pair) for pair in zip(generated.images, again.images, strict=True))


@pytest.mark.usefixtures("_unjudged")
def test_batches_are_counted_in_every_step(attacker: Attacker) -> None:
    seen: list[tuple[int, int, int, int]] = []

    def progress(step: Step) -> None:
        seen.append((step.batch, step.batches, step.number, step.steps))
        assert {"identity", "bn", "tv"} <= set(step.losses)
        assert step.images().shape[1:] == (3, 112, 112)

    run = attacker.generate([0, 4, 2], steps=2, batch_size=2, progress=progress, penalty={"bn": 0.1})
    assert seen == [(1, 2, 1, 2), (1, 2, 2, 2), (2, 2, 1, 2), (2, 2, 2, 2)]
    assert [sample["class_id"] for sample in run.samples] == [0, 4, 2]


@pytest.mark.usefixtures("_unjudged")
def test_without_a_folder_no_file_is_written(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = attacker.generate(0, steps=1)
    assert run.out is None
    assert file_names(tmp_path) == []
    assert [sample["class_id"] for sample in run.samples] == [0]
    assert len(run.images) == 1
    assert run.sheet.ndim == 3


@pytest.mark.parametrize("wanted", [{"class_id": [1, 1]}, {"class_id": 1, "class_name": "Bob Baker"}])
def test_a_class_named_twice_has_no_two_results_in_one_file(
    attacker: Attacker, tmp_path: Path, wanted: dict[str, Any]
) -> None:
    run = attacker.generate(**wanted, steps=1, out=tmp_path / "out")
    files = [sample["image"] for sample in run.samples]
    assert len(set(files)) == len(files)
    for name, image in zip(files, run.images, strict=True):
        assert np.array_equal(read_image(tmp_path / "out" / name), image)


@pytest.mark.usefixtures("_unjudged")
def test_several_templates_have_a_file_each(attacker: Attacker, tmp_path: Path) -> None:
    np.save(tmp_path / "people.npy", np.random.default_rng(0).normal(size=(3, 32)))
    run = attacker.from_embedding(tmp_path / "people.npy", steps=1, out=tmp_path / "out")
    files = [sample["image"] for sample in run.samples]
    assert files == ["people-0_sample0.png", "people-1_sample0.png", "people-2_sample0.png"]
    assert set(files) < set(file_names(tmp_path / "out"))
    assert run.summary["identities"] == 3
    np.save(tmp_path / "more.people.npy", np.random.default_rng(0).normal(size=(11, 32)))
    run = attacker.from_embedding(tmp_path / "more.people.npy", steps=1)
    assert [sample["image"][:14] for sample in run.samples[::10]] == ["more.people-00", "more.people-10"]
    np.save(tmp_path / "person.npy", np.ones(32))
    run = attacker.from_embedding(tmp_path / "person.npy", steps=1)
    assert run.samples[0]["image"] == "person_sample0.png"


@pytest.mark.usefixtures("_unjudged")
def test_photographs_of_one_name_have_a_file_each(
    attacker: Attacker, photograph: Path, tmp_path: Path
) -> None:
    copies = []
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        copies.append(tmp_path / folder / photograph.name)
        copies[-1].write_bytes(photograph.read_bytes())
    run = attacker.from_image(copies, steps=1, out=tmp_path / "out")
    files = [sample["image"] for sample in run.samples]
    assert len(set(files)) == 3
    for name, image in zip(files, run.images, strict=True):
        assert np.array_equal(read_image(tmp_path / "out" / name), image)


def test_other_image_sizes_are_judged_at_112(tiny: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    embed = DlibJudge.embed

    def spy(self: DlibJudge, crops: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
        sizes.extend(crop.shape for crop in crops)
        return embed(self, crops)

    monkeypatch.setattr(DlibJudge, "embed", spy)
    assert tiny.centres is not None
    smaller = Recogniser(
        tiny.backbone, name="smaller", preprocessing=Preprocessing(input_size=96), centres=tiny.centres
    )
    run = Attacker(smaller, device="cpu").generate(0, steps=1)
    assert run.images[0].shape == (96, 96, 3)
    assert sizes
    assert set(sizes) == {(112, 112, 3)}


@pytest.mark.usefixtures("_unjudged")
def test_photographs_without_a_face_are_noted(attacker: Attacker, photos: Path, tmp_path: Path) -> None:
    for name in ("Ann Able", "Bob Baker"):
        (tmp_path / name).mkdir()
    shutil.copy(next((photos / "Eileen_Collins").iterdir()), tmp_path / "Ann Able")
    write_png(tmp_path / "Bob Baker" / "wall.png", np.full((64, 64, 3), 128, dtype=np.uint8))
    run = attacker.generate([0, 1], steps=1, photos=tmp_path)
    assert run.result["notes"] == [
        f"No face in the photographs of Bob Baker in {tmp_path.name}: without a Type II."
    ]
    assert attacker.generate(0, steps=1, photos=tmp_path).result["notes"] == []


@pytest.mark.usefixtures("_unjudged")
def test_what_the_networks_file_leaves_open_is_a_note(tiny_model: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu")
    assert not [note for note in attacker.generate(1, steps=1).result["notes"] if "is assumed" in note]
    source = replace(attacker.recogniser.source, readings=("insightface", "adaface"))
    attacker.recogniser.source = source
    (note,) = (note for note in attacker.generate(1, steps=1).result["notes"] if "is assumed" in note)
    assert "insightface is assumed, and adaface fits as well" in note

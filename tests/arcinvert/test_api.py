"""Whole attacks on the tiny network: what they give, write, refuse and leave behind."""

import errno
import itertools
import json
import os
import shutil
import weakref
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

import arcinvert
from arcinvert import AttackOptions, Run, api, attack, from_embedding, from_image, generate
from arcinvert import runner as runs
from arcinvert.api import from_subject
from arcinvert.audit.attack import attack_options
from arcinvert.audit.options import AuditOptions
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.judges import DlibJudge, Judge
from arcinvert.evaluation.scores import Reference, Verdict
from arcinvert.evaluation.similarity import similarity
from arcinvert.inversion.parametrisations import FacePCA
from arcinvert.inversion.restarts import under_views
from arcinvert.inversion.result import Step, StopInversion
from arcinvert.inversion.targets import ClassTarget, EuclideanTarget
from arcinvert.knowledge.activation_statistics import default_path, measure, save_statistics, statistics_for
from arcinvert.knowledge.nearest_neighbours import NEAREST
from arcinvert.knowledge.regression import FACES_A_DIMENSION
from arcinvert.knowledge.whitening import whitening_of
from arcinvert.recipes import RECIPES, RecipeName
from arcinvert.subjects import Subject, class_subjects, face_subject
from recognition.checkpoint import sha256
from recognition.detection.alignment import find_face
from recognition.errors import InputError
from recognition.images import read_image, resized, to_tensor, to_uint8, write_png
from recognition.loading import bundled_path, load
from recognition.recogniser import Recogniser

STEPS = 3
#: A template of nobody's class.
TEMPLATE = Subject("template.npy", None, torch.zeros(32), Reference())
#: Fields of result.json, as the README lists them.
RESULT_FIELDS = {
    "schema",
    "created",
    "command",
    "inputs",
    "recipe",
    "options",
    "loss",
    "attacked",
    "attacker_knowledge",
    "judge",
    "environment",
    "seconds",
    "interrupted",
    "batch_size",
    "steps",
    "restarts",
    "regression_share",
    "notes",
    "summary",
    "samples",
}
SAMPLE_FIELDS = {
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
RATES = {"0.01", "0.001"}


@pytest.fixture
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No judge, which takes most of a short run's time."""
    verdict = Verdict(None, None, None, None, None, None, False)
    monkeypatch.setattr(runs, "judge_images", lambda judge, images, *_: [verdict] * len(images))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_result(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "result.json").read_text(encoding="utf-8")))


def attacked_similarity(recogniser: Recogniser, image: NDArray[np.uint8], template: torch.Tensor) -> float:
    with torch.no_grad():
        return float(recogniser(to_tensor(image)[None])[0] @ template)


@pytest.fixture(scope="module")
def generated(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two classes with two samples each, in one batch, written."""
    out = tmp_path_factory.mktemp("generated") / "out"
    return generate(class_id=[3, 1], model=tiny_model, samples=2, steps=STEPS, out=out)


@pytest.fixture(scope="module")
def reconstructed(
    tiny_model: Path, photograph: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The astronaut from her photograph, judged by another, written."""
    out = tmp_path_factory.mktemp("reconstructed") / "out"
    return from_image(photograph, photos=photos, model=tiny_model, samples=2, steps=STEPS, out=out)


def test_images_sheet_and_result_are_written(generated: Run) -> None:
    assert generated.out is not None
    images = ["class1_sample0.png", "class1_sample1.png", "class3_sample0.png", "class3_sample1.png"]
    assert names(generated.out) == sorted([*images, "result.json", "sheet.png"])
    assert names(generated.out.parent) == ["out"]
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


def test_the_result_has_all_its_fields(generated: Run) -> None:
    assert generated.out is not None
    result = read_result(generated.out)
    assert result == json.loads(json.dumps(generated.result))
    assert set(result) >= RESULT_FIELDS
    assert result["schema"] == "arcinvert-result-1"
    assert result["command"] == "generate"
    assert result["inputs"]["class_id"] == [3, 1]
    assert result["options"] == asdict(AttackOptions(samples=2, steps=STEPS))
    assert result["loss"] == "arcface"
    assert result["interrupted"] is False
    assert result["attacker_knowledge"]["level"] == "public-faces"
    assert {"device", "dtype", "threads", "python", "platform", "libraries"} <= set(result["environment"])
    assert {"torch", "numpy", "dlib-bin"} <= set(result["environment"]["libraries"])
    assert [entry["nonmated"] for entry in result["judge"]["thresholds"]]
    assert len(result["samples"]) == 4
    for sample in result["samples"]:
        assert set(sample) >= SAMPLE_FIELDS
        assert set(sample["judge"]) >= VERDICT_FIELDS
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


def test_the_similarity_told_is_that_of_the_file(generated: Run, tiny: Recogniser) -> None:
    assert generated.out is not None
    assert tiny.centres is not None
    for sample in generated.samples:
        image = read_image(generated.out / sample["image"])
        found = attacked_similarity(tiny, image, tiny.centres[sample["class_id"]])
        # The file is rounded to 8 bits.
        assert sample["attacked_similarity"] == pytest.approx(found, abs=0.02)


def test_without_photographs_only_the_face_is_judged(generated: Run) -> None:
    assert generated.summary["kind"] is None
    for sample in generated.samples:
        verdict = dict(sample["judge"])
        assert isinstance(verdict.pop("face_detected"), bool)
        assert set(verdict.values()) == {None}


def test_the_same_seed_gives_the_same_files(generated: Run, tiny_model: Path, tmp_path: Path) -> None:
    assert generated.out is not None
    again = generate(class_id=[3, 1], model=tiny_model, samples=2, steps=STEPS, out=tmp_path / "again")
    other = generate(class_id=[3, 1], model=tiny_model, samples=2, steps=STEPS, seed=1)
    pictures = [name for name in names(generated.out) if name.endswith(".png")]
    assert len(pictures) == 5
    for name in pictures:
        assert (generated.out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    for first, second in zip(again.images, other.images, strict=True):
        assert not np.array_equal(first, second)


@pytest.mark.usefixtures("_unjudged")
def test_the_global_generators_change_nothing(generated: Run, tiny_model: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        again = generate(class_id=[3, 1], model=tiny_model, samples=2, steps=STEPS)
    assert all(np.array_equal(*pair) for pair in zip(generated.images, again.images, strict=True))


@pytest.mark.usefixtures("_unjudged")
def test_a_samples_start_depends_on_its_identity_and_number_alone(tiny_model: Path) -> None:
    views: dict[str, Any] = {"flip": False, "shift": 0, "scale": 0.0, "feature_dropout": 0.0}
    settings: dict[str, Any] = {"prior": "none", "steps": 1} | views
    together = generate([0, 1], model=tiny_model, samples=2, batch_size=4, **settings).images
    apart = generate([1, 0], model=tiny_model, samples=2, batch_size=1, **settings).images
    pairs = zip(together, [apart[2], apart[3], apart[0], apart[1]], strict=True)
    # Sums of a batch are rounded in another order, which may turn a step of a single pixel.
    assert all(np.abs(first.astype(float) - second).mean() < 0.5 for first, second in pairs)
    for first, second in itertools.combinations(together, 2):
        assert np.abs(first.astype(float) - second).mean() > 2


@pytest.mark.usefixtures("_unjudged")
def test_batches_are_told_and_cut(tiny_model: Path) -> None:
    heard: list[tuple[int, int, int, int]] = []

    def progress(batch: int, batches: int, step: Step) -> None:
        heard.append((batch, batches, step.number, step.steps))
        assert {"identity", "statistics", "variation"} <= set(step.parts)

    run = generate(
        class_id=[0, 4, 2], model=tiny_model, steps=2, batch_size=2, progress=progress, prior_weight=0.1
    )
    assert heard == [(1, 2, 1, 2), (1, 2, 2, 2), (2, 2, 1, 2), (2, 2, 2, 2)]
    assert [sample["class_id"] for sample in run.samples] == [0, 4, 2]


@pytest.mark.usefixtures("_unjudged")
def test_no_folder_no_files(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = generate(class_id=0, model=tiny_model, steps=1)
    assert run.out is None
    assert names(tmp_path) == []
    assert [sample["class_id"] for sample in run.samples] == [0]
    assert len(run.images) == 1
    assert run.sheet.ndim == 3


@pytest.mark.usefixtures("_unjudged")
def test_classes_by_name(tiny_model: Path) -> None:
    run = generate(class_name="Cat Charlie", class_id=0, model=tiny_model, steps=1)
    assert [(sample["class_id"], sample["input"]) for sample in run.samples] == [
        (0, "Ann Able"),
        (2, "Cat Charlie"),
    ]


@pytest.mark.parametrize("wanted", [{"class_id": [1, 1]}, {"class_id": 1, "class_name": "Bob Baker"}])
def test_a_class_named_twice_has_no_two_results_in_one_file(
    tiny_model: Path, tmp_path: Path, wanted: dict[str, Any]
) -> None:
    run = generate(**wanted, model=tiny_model, steps=1, out=tmp_path / "out")
    files = [sample["image"] for sample in run.samples]
    assert len(set(files)) == len(files)
    for name, image in zip(files, run.images, strict=True):
        assert np.array_equal(read_image(tmp_path / "out" / name), image)


@pytest.mark.usefixtures("_unjudged")
def test_every_choice_runs(tiny_model: Path) -> None:
    default = generate(class_id=0, model=tiny_model, steps=2, prior="none", tv_weight=0, colour_weight=0)
    images = [default.images[0]]
    for option in (
        {"prior": "paper"},
        {"prior": "deepinversion"},
        {"start": "noise"},
        {"parametrisation": "fourier"},
        {"loss": "cosine"},
        {"loss": "euclidean"},
        {"tv_weight": 5.0},
        {"colour_weight": 5.0},
        {"l2_weight": 5.0},
        {"learning_rate": 0.01},
        {"flip": False, "shift": 0},
        {"scale": 0.2},
        {"precision": "bfloat16"},
    ):
        settings = {"prior": "none", "tv_weight": 0, "colour_weight": 0} | option
        run = generate(class_id=0, model=tiny_model, steps=2, **settings)
        assert {key: run.result["options"][key] for key in option} == option
        assert -1 <= run.samples[0]["attacked_similarity"] <= 1
        images.append(run.images[0])
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.usefixtures("_unjudged")
def test_steps_bring_the_image_nearer(tiny_model: Path) -> None:
    short, long = (
        generate(class_id=2, model=tiny_model, steps=steps, prior="none", tv_weight=0, colour_weight=0)
        for steps in (1, 30)
    )
    assert long.samples[0]["attacked_similarity"] > short.samples[0]["attacked_similarity"] + 0.2


@pytest.mark.usefixtures("_unjudged", "_short_dreams")
def test_the_attackers_knowledge_is_told(tiny_model: Path) -> None:
    # Nothing made of faces is used, whether it was allowed or not.
    for options in ({"start": "noise"}, {"knowledge": "weights"}, {"recipe": "paper"}):
        run = generate(class_id=0, model=tiny_model, steps=1, **options)
        assert run.result["attacker_knowledge"] == {"level": "weights"}
    assert run.result["options"]["knowledge"] == "weights"


@pytest.mark.usefixtures("_unjudged", "_short_dreams")
def test_the_first_batch_dreams_for_all(tiny_model: Path) -> None:
    heard: list[tuple[int, int, int]] = []
    run = generate(
        class_id=[0, 1],
        model=tiny_model,
        knowledge="weights",
        steps=2,
        restarts=1,
        batch_size=1,
        progress=lambda batch, batches, step: heard.append((batch, step.number, step.steps)),
    )
    assert heard == [(1, number, 5) for number in range(1, 6)] + [(2, 1, 2), (2, 2, 2)]
    assert (run.result["start"], run.result["parametrisation"]) == ("dream", "pixels")
    assert [sample["steps"] for sample in run.samples] == [2, 2]


@pytest.mark.usefixtures("_unjudged", "_short_dreams")
def test_a_dream_comes_before_all_restarts(tiny_model: Path) -> None:
    heard: list[tuple[int, int]] = []
    generate(
        class_id=0,
        model=tiny_model,
        knowledge="weights",
        steps=2,
        restarts=2,
        progress=lambda batch, batches, step: heard.append((step.number, step.steps)),
    )
    assert heard == [(number, 7) for number in range(1, 8)]


@pytest.mark.usefixtures("_unjudged", "_short_dreams")
def test_an_attack_stopped_in_its_dream_is_told_as_interrupted(tiny_model: Path) -> None:
    def stop(batch: int, batches: int, step: Step) -> None:
        raise StopInversion

    run = generate(class_id=0, model=tiny_model, knowledge="weights", steps=2, restarts=1, progress=stop)
    assert run.interrupted
    assert [sample["steps"] for sample in run.samples] == [0]


@pytest.mark.usefixtures("_unjudged")
def test_what_public_faces_tell_is_the_start_where_it_was_measured(tiny_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "statistics.safetensors"
    faces = torch.rand(4, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    save_statistics(file, measure(load(tiny_model), [faces]))
    settings: dict[str, Any] = {"model": tiny_model, "steps": 1, "restarts": 1}
    mean = generate(class_id=0, **settings)
    told = generate(class_id=0, statistics=str(file), **settings)
    assert (mean.result["start"], told.result["start"]) == ("mean", "nearest_neighbours")
    known = told.result["attacker_knowledge"]
    assert (known["level"], known["nearest_neighbours"]) == ("public-faces", "4 public faces")
    assert not np.array_equal(mean.images[0], told.images[0])
    assert {run.result["parametrisation"] for run in (mean, told)} == {"eigenfaces"}
    assert told.result["views"] == FacePCA.views_from_likeness._asdict() != mean.result["views"]
    thrice = attack.Attack(tiny_model, "cpu", AttackOptions(statistics=str(file)))
    assert (thrice.steps(), thrice.restarts()) == (100, len(NEAREST))


@pytest.mark.usefixtures("_unjudged")
def test_a_start_that_nobody_measured_is_refused(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="arcinvert calibrate"):
        generate(class_id=0, model=tiny_model, steps=1, start="nearest_neighbours")


@pytest.mark.usefixtures("_unjudged")
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_run_and_recorded(recipe: RecipeName, tiny_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "template.npy", np.random.default_rng(0).normal(size=32))
    heard: list[tuple[int, int]] = []
    run = from_embedding(
        tmp_path / "template.npy",
        model=tiny_model,
        recipe=recipe,
        steps=4,
        progress=lambda batch, batches, step: heard.append((step.number, step.steps)),
    )
    assert heard == [(number, 4) for number in (1, 2, 3, 4)]
    assert run.result["recipe"] == {"name": recipe, "changes": {"steps": 4}}
    assert run.result["options"] == asdict(AttackOptions(recipe=recipe, steps=4))
    assert run.result["loss"] == ("cosine" if recipe == "arcinvert" else "euclidean")


@pytest.fixture(scope="module")
def regressed(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a map from templates to faces, and no faces."""
    file = tmp_path_factory.mktemp("regressed") / "statistics.safetensors"
    faces = torch.rand(FACES_A_DIMENSION * 32, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    save_statistics(file, measure(load(tiny_model), [faces], keep_faces=False))
    return file


@pytest.mark.usefixtures("_unjudged")
def test_a_class_is_mixed_with_its_regression(tiny_model: Path, regressed: Path) -> None:
    settings: dict[str, Any] = {"model": tiny_model, "steps": 2, "statistics": str(regressed)}
    mixed, found, mapped = (
        generate(class_id=0, **settings, **share)
        for share in ({}, {"regression_share": 0.0}, {"regression_share": 1.0})
    )
    assert [run.result["start"] for run in (mixed, found, mapped)] == ["regression"] * 3
    assert [run.result["regression_share"] for run in (mixed, found, mapped)] == [0.5, 0.0, 1.0]
    mean = (found.images[0].astype(float) + mapped.images[0]) / 2
    assert np.abs(mixed.images[0] - mean).max() <= 1
    recogniser = load(tiny_model)
    measured = statistics_for(recogniser, regressed)
    assert measured is not None
    assert measured.regression is not None
    centre = F.normalize(recogniser.centres[:1])
    expected = to_uint8(resized(measured.regression.faces(centre), 112))[0]
    assert np.abs(mapped.images[0].astype(int) - expected).max() <= 1
    # The figure is of the picture that is shown, here to the rounding of its pixels.
    seen = float(recogniser(to_tensor(mixed.images[0])[None]) @ centre[0])
    assert mixed.samples[0]["attacked_similarity"] == pytest.approx(seen, abs=2e-3)
    known = mixed.result["attacker_knowledge"]
    assert (known["level"], known["regression"]) == ("public-faces", "128 public faces")


def test_a_template_is_not_mixed_unless_asked(tiny_model: Path, regressed: Path) -> None:
    made = attack.Attack(tiny_model, "cpu", AttackOptions(statistics=str(regressed)))
    (subject,) = class_subjects(made.recogniser, [2], DlibJudge())
    assert (made.regression_share(subject), made.regression_share(TEMPLATE)) == (0.5, 0.0)
    asked = attack.Attack(tiny_model, "cpu", AttackOptions(statistics=str(regressed), regression_share=0.25))
    assert asked.regression_share(TEMPLATE) == 0.25
    # The start is the regression's all the same.
    assert made.knowledge(TEMPLATE)["regression"] == "128 public faces"
    from_mean = attack.Attack(tiny_model, "cpu", AttackOptions(statistics=str(regressed), start="mean"))
    assert "regression" not in from_mean.knowledge(TEMPLATE)
    assert "regression" in from_mean.knowledge(subject)


@pytest.mark.parametrize("asked", [{"start": "regression"}, {"regression_share": 0.5}])
def test_a_regression_that_nobody_fitted_is_refused(
    tiny_model: Path, tmp_path: Path, asked: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match=r"^regression: expected a map from templates of tiny.*calibrate"):
        generate(class_id=0, model=tiny_model, steps=1, out=tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("classes", "whiten"), [(200, True), (200, False), (5, True)])
def test_centres_are_whitened_where_they_are_many(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, classes: int, whiten: bool
) -> None:
    made = attack.Attack(tiny_model, "cpu", AttackOptions(whiten=whiten))
    (subject,) = class_subjects(made.recogniser, [2], DlibJudge())
    dim = subject.template.shape[-1]
    assert 5 < dim < 200
    generator = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(classes, dim, generator=generator))
    monkeypatch.setattr(made.recogniser, "centres", centres)
    embeddings = F.normalize(torch.randn(1, dim, generator=generator))
    kept = whitening_of(centres) if whiten and classes > dim else None
    label, scale = torch.tensor([2]), made.recogniser.scale
    expected = ClassTarget(centres, label, scale=scale, margin=1.0, whitening=kept)(embeddings)
    torch.testing.assert_close(made._target([subject])(embeddings), expected)


def test_the_loss_of_a_recipe(tiny_model: Path, tiny: Recogniser) -> None:
    (subject,) = class_subjects(tiny, [2], DlibJudge())

    def loss(**options: Any) -> tuple[float, float]:
        made = attack.Attack(tiny_model, "cpu", AttackOptions(**options))
        target = made._target([subject])
        assert isinstance(target, ClassTarget)
        return target.scale, target.margin

    assert loss() == (tiny.scale, 1.0)
    assert loss(loss_margin=-1.0) == (tiny.scale, tiny.margin)
    assert loss(recipe="paper") == (64, 0.5)
    assert loss(recipe="deepinversion") == (64, 0)
    assert loss(loss_scale=8.0, loss_margin=0.25) == (8, 0.25)

    def radius(**options: Any) -> float:
        made = attack.Attack(tiny_model, "cpu", AttackOptions(**options))
        target = made._target([replace(subject, label=None)])
        assert isinstance(target, EuclideanTarget)
        return target.scale

    assert radius(recipe="paper") == 64
    assert radius(loss="euclidean") == 1


@pytest.mark.filterwarnings("ignore")
def test_measured_statistics_take_public_faces(tmp_path: Path) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(2 * 110**2, 4)
    )
    torch.onnx.export(
        network.eval(),
        (torch.zeros(1, 3, 112, 112),),
        tmp_path / "plain.onnx",
        dynamo=False,
        input_names=["x"],
    )
    loaded = load(str(tmp_path / "plain.onnx"))
    beside = default_path(loaded)
    assert beside is not None
    save_statistics(beside, measure(loaded, [torch.rand(2, 3, 112, 112)]))
    assert attack.Attack(tmp_path / "plain.onnx", "cpu", AttackOptions()).statistics is not None
    with pytest.raises(InputError, match="measured ones take --knowledge public-faces, or use --prior none"):
        attack.Attack(tmp_path / "plain.onnx", "cpu", AttackOptions(knowledge="weights"))
    without = attack.Attack(tmp_path / "plain.onnx", "cpu", AttackOptions(knowledge="weights", prior="none"))
    assert without.knowledge(TEMPLATE) == {"level": "weights"}
    with pytest.raises(InputError, match=r"each place for --prior per-location, found none; measure them"):
        attack.Attack(tmp_path / "plain.onnx", "cpu", AttackOptions(prior="per-location"))
    # An audit leaves the prior out by itself.
    for level, prior in (("public-faces", {}), ("weights", {"prior": "none"})):
        audited = AuditOptions(images="faces", samples=1, steps=2, attack={"knowledge": level})
        common = {"seed": 0, "samples": 1, "steps": 2, "restarts": 1, "knowledge": level}
        assert attack_options(audited, loaded) == common | prior


def test_places_are_measured_ones_and_channels_the_networks_own(tiny_model: Path, tmp_path: Path) -> None:
    def made(**options: Any) -> attack.Attack:
        return attack.Attack(tiny_model, "cpu", AttackOptions(**options))

    message = r"^tiny: expected statistics of each place for --prior per-location.*arcinvert calibrate"
    with pytest.raises(InputError, match=message):
        made(prior="per-location")
    file = tmp_path / "statistics.safetensors"
    statistics = measure(load(tiny_model), [torch.rand(2, 3, 112, 112)])
    save_statistics(file, statistics)
    with_places = made(prior="per-location", statistics=str(file))
    assert with_places.knowledge(TEMPLATE)["statistics"] == "2 public faces"
    # The network has what every other prior takes.
    assert made(statistics=str(file)).statistics is None
    assert "statistics" not in made(statistics=str(file)).knowledge(TEMPLATE)
    before = tuple(replace(layer, map_mean=None, map_variance=None) for layer in statistics.layers)
    save_statistics(file, replace(statistics, layers=before))
    with pytest.raises(InputError, match=message):
        made(prior="per-location", statistics=str(file))
    save_statistics(file, statistics)
    run = generate(class_id=0, model=tiny_model, prior="per-location", statistics=str(file), steps=2)
    assert run.result["attacker_knowledge"]["level"] == "public-faces"


def test_restarts_are_each_from_other_random_numbers(tiny_model: Path) -> None:
    made = attack.Attack(tiny_model, "cpu", AttackOptions(steps=2, restarts=3, seed=4))
    alone = attack.Attack(tiny_model, "cpu", AttackOptions(steps=2, seed=4))
    batch = [(subject, 0) for subject in class_subjects(made.recogniser, [1, 3], DlibJudge())]
    heard: list[tuple[int, int]] = []
    kept = made.invert(batch, 0, lambda step: heard.append((step.number, step.steps)))
    assert heard == [(number, 6) for number in range(1, 7)]
    assert kept.steps == 6
    target = made._target([subject for subject, _ in batch])
    runs = [made._invert_once(batch, target, (0, restart), lambda step: None) for restart in range(3)]
    assert torch.equal(runs[0].images, alone.invert(batch, 0, lambda step: None).images)
    assert not torch.equal(runs[0].start, runs[1].start)
    scores = torch.stack([under_views(made.recogniser, run.images, target.templates) for run in runs])
    for place, best in enumerate(scores.argmax(0).tolist()):
        assert torch.equal(kept.images[place], runs[best].images[place])
        assert torch.equal(kept.similarity[place], runs[best].similarity[place])


def test_from_image_is_judged_both_ways(
    reconstructed: Run, photograph: Path, astronaut_crop: NDArray[np.uint8], photos: Path
) -> None:
    assert reconstructed.out is not None
    assert names(reconstructed.out) == [
        "first_sample0.png",
        "first_sample1.png",
        "result.json",
        "sheet.png",
    ]
    judge = DlibJudge()
    photograph_embedding = judge.embed([astronaut_crop])[0]
    for image, sample in zip(reconstructed.images, reconstructed.samples, strict=True):
        assert sample["input"] == str(photograph)
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
    assert summary["gap_closed"] == pytest.approx(
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
        "prior": "none",
        "tv_weight": 0,
        "colour_weight": 0,
        "start": "noise",
    }
    by_template = from_embedding(tmp_path / "template.npy", **settings)
    by_photograph = from_image(photograph, **settings)
    reached = [run.samples[0]["attacked_similarity"] for run in (by_template, by_photograph)]
    assert reached[0] == pytest.approx(reached[1], abs=0.15)
    for run, value in zip((by_template, by_photograph), reached, strict=True):
        found = attacked_similarity(tiny, run.images[0], template)
        assert value == pytest.approx(found, abs=0.02)
    begun = from_embedding(tmp_path / "template.npy", **settings | {"steps": 1})
    assert reached[0] > begun.samples[0]["attacked_similarity"] + 0.1
    assert by_template.result["command"] == "from-embedding"
    assert by_template.result["loss"] == "cosine"
    assert by_template.summary["kind"] is None


@pytest.mark.usefixtures("_unjudged")
def test_several_templates_have_a_file_each(tiny_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "people.npy", np.random.default_rng(0).normal(size=(3, 32)))
    run = from_embedding(tmp_path / "people.npy", model=tiny_model, steps=1, out=tmp_path / "out")
    files = [sample["image"] for sample in run.samples]
    assert files == ["people-0_sample0.png", "people-1_sample0.png", "people-2_sample0.png"]
    assert set(files) < set(names(tmp_path / "out"))
    assert run.summary["identities"] == 3
    np.save(tmp_path / "more.people.npy", np.random.default_rng(0).normal(size=(11, 32)))
    run = from_embedding(tmp_path / "more.people.npy", model=tiny_model, steps=1)
    assert [sample["image"][:14] for sample in run.samples[::10]] == ["more.people-00", "more.people-10"]
    np.save(tmp_path / "person.npy", np.ones(32))
    run = from_embedding(tmp_path / "person.npy", model=tiny_model, steps=1)
    assert run.samples[0]["image"] == "person_sample0.png"


@pytest.mark.usefixtures("_unjudged")
def test_photographs_of_one_name_have_a_file_each(tiny_model: Path, photograph: Path, tmp_path: Path) -> None:
    copies = []
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        copies.append(tmp_path / folder / photograph.name)
        copies[-1].write_bytes(photograph.read_bytes())
    run = from_image(copies, model=tiny_model, steps=1, out=tmp_path / "out")
    files = [sample["image"] for sample in run.samples]
    assert len(set(files)) == 3
    for name, image in zip(files, run.images, strict=True):
        assert np.array_equal(read_image(tmp_path / "out" / name), image)


def test_a_backbone_without_centres(tiny: Recogniser, tmp_path: Path) -> None:
    torch.save(tiny.backbone.state_dict(), tmp_path / "backbone.pt")
    np.save(tmp_path / "template.npy", np.ones(32))
    with pytest.raises(InputError, match="class centres"):
        generate(class_id=0, model=tmp_path / "backbone.pt")
    run = from_embedding(tmp_path / "template.npy", model=tmp_path / "backbone.pt", steps=1)
    assert run.result["attacked"]["classes"] is None
    # Its own mean face is not known: the bundled network's stands in, and it is said.
    assert "bundled" in run.result["attacker_knowledge"]["mean_face"]
    assert bundled_path().is_file()


def test_other_image_sizes_are_judged_at_112(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    embed = Judge.embed

    def spy(self: Judge, crops: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
        sizes.extend(crop.shape for crop in crops)
        return embed(self, crops)

    loaded = attack.load(tiny_model)
    loaded.preprocessing = type(loaded.preprocessing)(input_size=96)
    monkeypatch.setattr(attack, "load", lambda model: loaded)
    monkeypatch.setattr(Judge, "embed", spy)
    run = generate(class_id=0, model=tiny_model, steps=1)
    assert run.images[0].shape == (96, 96, 3)
    assert sizes
    assert set(sizes) == {(112, 112, 3)}


def test_something_must_be_named(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="expected a class id or a class name"):
        generate(model=tiny_model)
    with pytest.raises(InputError, match="at least one photograph"):
        from_image([], model=tiny_model)


def test_a_template_has_no_class_loss(tiny_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "template.npy", np.ones(32))
    with pytest.raises(InputError, match="loss: expected cosine or euclidean for a template, got arcface"):
        from_embedding(tmp_path / "template.npy", model=tiny_model, loss="arcface", out=tmp_path / "out")
    assert names(tmp_path) == ["template.npy"]


def test_a_network_without_statistics_needs_no_prior(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attack, "statistics_layers", lambda network: [])
    with pytest.raises(InputError, match=r"BatchNorm layers.*--prior none"):
        generate(class_id=0, model=tiny_model)
    run = generate(class_id=0, model=tiny_model, prior="none", steps=1)
    assert len(run.images) == 1


def interrupt_in(batch: int) -> api.Progress:
    def progress(number: int, batches: int, step: Step) -> None:
        if number == batch:
            raise KeyboardInterrupt

    return progress


@pytest.mark.usefixtures("_unjudged")
def test_a_stopped_run_keeps_the_running_batch_too(tiny_model: Path) -> None:
    def stop(batch: int, batches: int, step: Step) -> None:
        if (batch, step.number) == (2, 3):
            raise StopInversion

    settings: dict[str, Any] = {"model": tiny_model, "batch_size": 1}
    run = generate([4, 0, 1], **settings, steps=9, progress=stop)
    assert run.interrupted
    assert run.result["interrupted"] is True
    assert [sample["class_id"] for sample in run.samples] == [4, 0]
    whole = generate(4, **settings, steps=9)
    assert np.array_equal(run.images[0], whole.images[0])


def test_a_prepared_subject_is_attacked_by_its_template(
    tiny: Recogniser, tiny_model: Path, judge: Judge, astronaut: NDArray[np.uint8], photograph: Path
) -> None:
    face = find_face(astronaut, name="astronaut")
    subject = face_subject(tiny, astronaut, face, judge, name="in memory", digest=sha256(photograph))
    run = from_subject(subject, command="from-image", model=tiny_model, steps=2)
    same = from_image(photograph, model=tiny_model, steps=2)
    assert np.array_equal(run.images[0], same.images[0])
    assert run.samples[0]["judge"] == same.samples[0]["judge"]
    assert run.result["command"] == "from-image"
    assert run.out is None


@pytest.mark.usefixtures("_unjudged")
def test_an_interrupted_run_keeps_what_is_finished(tiny_model: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"model": tiny_model, "steps": 2, "batch_size": 1}
    run = generate([4, 0, 1], **settings, out=tmp_path / "out", progress=interrupt_in(2))
    assert run.interrupted
    assert names(tmp_path / "out") == ["class4_sample0.png", "result.json", "sheet.png"]
    result = read_result(tmp_path / "out")
    assert result["interrupted"] is True
    assert [sample["class_id"] for sample in result["samples"]] == [4]
    assert result["summary"]["samples"] == 1
    whole = generate([4, 0, 1], **settings)
    assert not whole.interrupted
    assert np.array_equal(run.images[0], whole.images[0])


@pytest.mark.parametrize("out", ["out", "deep/down/out"])
def test_an_interruption_at_once_leaves_nothing(tiny_model: Path, tmp_path: Path, out: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        generate(0, model=tiny_model, steps=2, out=tmp_path / out, progress=interrupt_in(1))
    assert names(tmp_path) == []


@pytest.mark.parametrize("victim", ["png", "json"])
def test_a_full_disk_leaves_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if victim == "png":
        monkeypatch.setattr(Image.Image, "save", full)
    else:
        monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left on device"):
        generate(0, model=tiny_model, steps=1, out=tmp_path / "out")
    assert names(tmp_path) == []


def test_a_folder_is_refused_before_the_work(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(InputError, match="other files in it"):
        generate(0, model=tiny_model, out=tmp_path, progress=interrupt_in(1))
    assert names(tmp_path) == ["thesis.txt"]


@pytest.mark.usefixtures("_unjudged")
def test_a_run_replaces_the_one_before(generated: Run, tiny_model: Path, tmp_path: Path) -> None:
    generate(0, model=tiny_model, steps=1, out=tmp_path / "out")
    generate(1, model=tiny_model, steps=1, out=tmp_path / "out")
    assert names(tmp_path / "out") == ["class1_sample0.png", "result.json", "sheet.png"]


@pytest.mark.usefixtures("_unjudged")
def test_a_photograph_is_known_by_its_content(
    tiny_model: Path, photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copy.png").write_bytes(photograph.read_bytes())
    monkeypatch.chdir(tmp_path)
    first, second = (from_image(path, model=tiny_model, steps=1) for path in (photograph, "copy.png"))
    assert np.array_equal(first.images[0], second.images[0])


class Watched:
    """Images of a batch, counted while anybody holds them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alive: set[int] = set()
        self.most = 0
        convert = runs.to_uint8

        def watched(images: torch.Tensor) -> NDArray[np.uint8]:
            made = convert(images)
            if images.ndim == 4:
                self.alive.add(id(made))
                self.most = max(self.most, len(self.alive))
                weakref.finalize(made, self.alive.discard, id(made))
            return made

        monkeypatch.setattr(runs, "to_uint8", watched)


@pytest.mark.usefixtures("_unjudged")
def test_written_images_are_not_kept(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "SHEET_IDENTITIES", 1)
    np.save(tmp_path / "people.npy", np.random.default_rng(0).normal(size=(7, 32)))
    settings: dict[str, Any] = {"model": tiny_model, "steps": 1, "batch_size": 1}
    watched = Watched(monkeypatch)
    run = from_embedding(tmp_path / "people.npy", out=tmp_path / "out", **settings)
    # The one on the sheet, the one that was just written, and the one that is being written.
    assert watched.most <= 3
    assert len(run.images) == len(run.samples) == 7
    again = from_embedding(tmp_path / "people.npy", **settings)
    assert len(watched.alive) >= 7
    assert all(np.array_equal(*pair) for pair in zip(run.images, again.images, strict=True))
    assert np.array_equal(run.images[-1], again.images[-1])
    assert [image.shape for image in run.images[2:4]] == [(112, 112, 3)] * 2
    # A row of the identity shown, under the header; the sheet's title is not in its pixels to be read.
    assert run.sheet.shape == from_embedding(tmp_path / "people.npy", **settings | {"seed": 1}).sheet.shape
    assert run.sheet.shape[0] < 450


@pytest.mark.usefixtures("_unjudged")
def test_images_are_written_as_their_batch_ends(tiny_model: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(batch: int, batches: int, step: Step) -> None:
        seen.append(len(list(tmp_path.glob(".out.*.part/*.png"))))

    generate([0, 1, 2], model=tiny_model, steps=1, batch_size=1, out=tmp_path / "out", progress=watch)
    assert seen == [0, 1, 2]


@pytest.mark.usefixtures("_unjudged")
def test_an_interruption_while_writing_drops_that_batch_alone(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = runs.write_png, []

    def interrupted(path: Path, image: NDArray[np.uint8]) -> None:
        written.append(path.name)
        if len(written) == 4:
            raise KeyboardInterrupt
        write(path, image)

    monkeypatch.setattr(runs, "write_png", interrupted)
    run = generate([0, 1, 2, 3], model=tiny_model, steps=1, batch_size=2, out=tmp_path / "out")
    assert run.interrupted
    assert names(tmp_path / "out") == ["class0_sample0.png", "class1_sample0.png", "result.json", "sheet.png"]
    assert [sample["class_id"] for sample in read_result(tmp_path / "out")["samples"]] == [0, 1]


@pytest.mark.usefixtures("_unjudged")
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    ],
)
def test_batches_are_cut_to_memory(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    room, tried = 3, []
    invert = attack.invert

    def cramped(recogniser: Recogniser, target: Any, *rest: Any, **options: Any) -> Any:
        tried.append(len(target.templates))
        if len(target.templates) > room:
            raise error
        return invert(recogniser, target, *rest, **options)

    monkeypatch.setattr(attack, "invert", cramped)
    heard: list[tuple[int, int]] = []
    run = generate(
        [0, 1, 2, 3, 4],
        model=tiny_model,
        steps=1,
        batch_size=16,
        out=tmp_path / "out",
        progress=lambda batch, batches, step: heard.append((batch, batches)),
    )
    assert tried == [5, 2, 2, 1]
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert [sample["class_id"] for sample in run.samples] == [0, 1, 2, 3, 4]
    result = read_result(tmp_path / "out")
    assert result["batch_size"] == 2
    assert result["options"]["batch_size"] == 16
    assert result["notes"] == ["Memory was short: batches of 2 images in place of 16."]
    room = 0
    with pytest.raises(InputError, match=r"memory: expected room on cpu for one image of tiny"):
        generate(0, model=tiny_model, steps=1, out=tmp_path / "none")
    assert names(tmp_path) == ["out"]


@pytest.mark.usefixtures("_unjudged")
def test_other_errors_are_not_taken_for_a_lack_of_memory(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(attack, "invert", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        generate([0, 1], model=tiny_model, steps=1)


@pytest.mark.usefixtures("_unjudged")
def test_photographs_without_a_face_are_told(tiny_model: Path, photos: Path, tmp_path: Path) -> None:
    for name in ("Ann Able", "Bob Baker"):
        (tmp_path / name).mkdir()
    shutil.copy(next((photos / "Eileen_Collins").iterdir()), tmp_path / "Ann Able")
    write_png(tmp_path / "Bob Baker" / "wall.png", np.full((64, 64, 3), 128, dtype=np.uint8))
    run = generate([0, 1], model=tiny_model, steps=1, photos=tmp_path)
    assert run.result["notes"] == [
        f"No face in the photographs of Bob Baker in {tmp_path}: without a Type II."
    ]
    assert generate(0, model=tiny_model, steps=1, photos=tmp_path).result["notes"] == []


@pytest.mark.usefixtures("_unjudged")
def test_a_settled_attack_ends_early(tiny_model: Path) -> None:
    settings: dict[str, Any] = {"class_id": 0, "model": tiny_model, "steps": 60, "prior": "none"}
    heard: list[int] = []
    early = generate(**settings, settle=5.0, progress=lambda batch, batches, step: heard.append(step.number))
    # Two windows of 20 steps, then the last fifth of the schedule.
    assert early.samples[0]["steps"] == 52
    assert heard == [*range(1, 41), *range(49, 61)]
    never = generate(**settings | {"steps": 41}, settle=1e-9)
    assert never.samples[0]["steps"] == 41


def test_the_package_has_its_doors() -> None:
    assert arcinvert.generate is api.generate
    assert set(arcinvert.__all__) == {"AttackOptions", "Run", "from_embedding", "from_image", "generate"}
    assert all(hasattr(arcinvert, name) for name in arcinvert.__all__)
    with pytest.raises(AttributeError, match="no attribute 'steal'"):
        _ = arcinvert.steal


def test_length_is_the_options_or_the_parametrisations_own(tiny_model: Path) -> None:
    def length(**options: Any) -> tuple[int, int]:
        made = attack.Attack(tiny_model, "cpu", AttackOptions(**options))
        return made.steps(), made.restarts()

    assert length() == (100, 1)
    assert length(parametrisation="pixels") == (100, 3)
    assert length(steps=7, restarts=2) == (7, 2)
    assert length(recipe="paper") == (20_000, 1)


def test_views_are_the_options_or_the_parametrisations_own(tiny_model: Path) -> None:
    own = attack.Attack(tiny_model, "cpu", AttackOptions())
    assert own.parametrisation_name() == "eigenfaces"
    assert own.views() == {"shift": 6, "scale": 0.15, "feature_dropout": 0.4}
    pixels = attack.Attack(tiny_model, "cpu", AttackOptions(parametrisation="pixels", scale=0.1))
    assert pixels.views() == {"shift": 2, "scale": 0.1, "feature_dropout": 0.0}
    none = attack.Attack(tiny_model, "cpu", AttackOptions(shift=0, scale=0.0, feature_dropout=0.0))
    assert none.views() == {"shift": 0, "scale": 0.0, "feature_dropout": 0.0}
    assert [one.colour_weight() for one in (own, pixels, none)] == [1, 4, 1]
    given = attack.Attack(tiny_model, "cpu", AttackOptions(colour_weight=1.5))
    assert given.colour_weight() == 1.5

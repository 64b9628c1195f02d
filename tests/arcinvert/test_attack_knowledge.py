"""What of public faces an attack uses: neighbours, the regression, and measured statistics."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arcinvert import Attacker, InputError
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.knowledge.decoder_file import find_decoder, save_decoder
from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.regression import FACES_PER_DIMENSION
from arcinvert.knowledge.statistics_file import default_path, find_statistics, save_statistics
from recognition.images import resized, to_tensor, to_uint8
from recognition.loading import load
from tests.arcinvert.inversion.initialisation.knowledge import random_decoder
from tests.arcinvert.support import leave_out_judge, shorten_preparation


@pytest.fixture(autouse=True)
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture
def _short_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_preparation(monkeypatch)


@pytest.fixture(scope="module")
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(tiny_model, device="cpu")


@pytest.mark.usefixtures("_short_preparation")
def test_the_attackers_knowledge_is_recorded(tiny_model: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu")
    # Nothing made of faces is used, whether it was allowed or not.
    for options in ({"initialisation": "noise"}, {"knowledge": "weights"}, {"recipe": "paper"}):
        run = attacker.generate(0, steps=1, **options)
        assert run.result["attacker_knowledge"] == {"level": "weights"}
        assert run.result["plan"]["knowledge_used"] == {}


def test_neighbours_are_the_initial_image_where_they_were_measured(
    tiny_model: Path, attacker: Attacker, tmp_path: Path
) -> None:
    file = tmp_path / "statistics.safetensors"
    faces = torch.rand(4, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    save_statistics(file, measure(load(tiny_model), [faces]))
    with_faces = Attacker(tiny_model, device="cpu", statistics=file)
    mean = attacker.generate(0, steps=1, restarts=1)
    near = with_faces.generate(0, steps=1, restarts=1)
    assert [run.result["plan"]["initialisation"] for run in (mean, near)] == [
        "mean-face",
        "nearest-neighbours",
    ]
    known = near.result["attacker_knowledge"]
    assert (known["level"], known["nearest_neighbours"]) == ("public-faces", "4 public faces")
    assert not np.array_equal(mean.images[0], near.images[0])
    assert {run.result["plan"]["parametrisation"] for run in (mean, near)} == {"face-pca"}
    assert FacePCA.augmentation_near is not None
    assert near.result["plan"]["augmentation"] == {
        "flip": True,
        "wrap": False,
        **FacePCA.augmentation_near._asdict(),
    }
    assert near.result["plan"]["augmentation"] != mean.result["plan"]["augmentation"]
    plan = with_faces.plan("class")
    assert (plan.steps, plan.restarts, plan.restart_steps) == (FacePCA.steps, 5, 12)


def test_an_initialisation_that_nobody_measured_is_refused(attacker: Attacker) -> None:
    with pytest.raises(InputError, match="arcinvert calibrate"):
        attacker.generate(0, steps=1, initialisation="nearest-neighbours")


@pytest.fixture(scope="module")
def regressed(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a map from templates to faces, and no faces."""
    file = tmp_path_factory.mktemp("regressed") / "statistics.safetensors"
    faces = torch.rand(FACES_PER_DIMENSION * 32, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    save_statistics(file, measure(load(tiny_model), [faces], keep_faces=False))
    return file


def test_a_class_is_blended_with_its_regression(tiny_model: Path, regressed: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu", statistics=regressed)
    blended, found, mapped = (
        attacker.generate(0, steps=2, **blend)
        for blend in ({}, {"regression_blend": 0.0}, {"regression_blend": 1.0})
    )
    plans = [run.result["plan"] for run in (blended, found, mapped)]
    assert [plan["initialisation"] for plan in plans] == ["regression"] * 3
    assert [plan["regression_blend"] for plan in plans] == [0.5, 0.0, 1.0]
    mean = (found.images[0].astype(float) + mapped.images[0]) / 2
    assert np.abs(blended.images[0] - mean).max() <= 1
    recogniser = load(tiny_model)
    measured = find_statistics(recogniser, regressed)
    assert measured is not None
    assert measured.regression is not None
    assert recogniser.centres is not None
    centre = F.normalize(recogniser.centres[:1])
    expected = to_uint8(resized(measured.regression.faces(centre), 112))[0]
    assert np.abs(mapped.images[0].astype(int) - expected).max() <= 1
    # The figure is of the picture that is shown, here to the rounding of its pixels.
    seen = float(recogniser(to_tensor(blended.images[0])[None]) @ centre[0])
    assert blended.samples[0]["attacked_similarity"] == pytest.approx(seen, abs=2e-3)
    known = blended.result["attacker_knowledge"]
    assert (known["level"], known["regression"]) == ("public-faces", "128 public faces")


def test_a_template_is_not_blended_unless_it_is_given(tiny_model: Path, regressed: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu", statistics=regressed)
    assert attacker.plan("class").regression_blend == 0.5
    template = attacker.plan("template")
    assert template.regression_blend == 0.0
    assert attacker.plan("template", regression_blend=0.25).regression_blend == 0.25
    # The initial image is the regression's all the same.
    assert template.initialisation == "regression"
    assert template.knowledge_used["regression"] == "128 public faces"
    assert "regression" not in attacker.plan("template", initialisation="mean-face").knowledge_used
    assert "regression" in attacker.plan("class", initialisation="mean-face").knowledge_used


@pytest.mark.parametrize(
    ("given", "name"),
    [({"initialisation": "regression"}, "initialisation"), ({"regression_blend": 0.5}, "regression_blend")],
)
def test_a_regression_that_nobody_fitted_is_refused(
    attacker: Attacker, tmp_path: Path, given: dict[str, Any], name: str
) -> None:
    with pytest.raises(
        InputError, match=rf"^{name}: expected a linear map from templates of tiny.*calibrate"
    ):
        attacker.generate(0, steps=1, out=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore")
def test_measured_statistics_belong_to_public_faces(tmp_path: Path) -> None:
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
    without = Attacker(loaded, device="cpu").plan("template", parametrisation="pixels")
    assert "bn" not in {penalty.name for penalty in without.penalties}
    (note,) = without.notes
    assert note.startswith("plain is attacked without the penalty bn: ")
    with pytest.raises(InputError, match=r"^penalty bn: .*calibrate"):
        Attacker(loaded, device="cpu").plan("template", penalty={"bn": 1.0})
    beside = default_path(loaded)
    assert beside is not None
    save_statistics(beside, measure(loaded, [torch.rand(2, 3, 112, 112)]))
    attacker = Attacker(tmp_path / "plain.onnx", device="cpu")
    with_statistics = attacker.plan("template", parametrisation="pixels")
    assert "bn" in {penalty.name for penalty in with_statistics.penalties}
    assert with_statistics.knowledge_used["statistics"] == "2 public faces"
    by_weights = attacker.plan("template", knowledge="weights")
    assert by_weights.knowledge_used == {}
    assert "bn" not in {penalty.name for penalty in by_weights.penalties}
    assert len(by_weights.notes) == 1
    with pytest.raises(InputError, match=r"^penalty bn-per-position: .*calibrate"):
        attacker.plan("template", penalty={"bn-per-position": 1.0})


def test_positions_are_measured_ones_and_channels_the_networks_own(
    tiny_model: Path, attacker: Attacker, tmp_path: Path
) -> None:
    weights = {"bn": 0, "bn-per-position": 1.0}
    message = (
        r"^penalty bn-per-position: expected statistics of each position, found none.*arcinvert calibrate"
    )
    with pytest.raises(InputError, match=message):
        attacker.plan("template", penalty=weights)
    file = tmp_path / "statistics.safetensors"
    statistics = measure(load(tiny_model), [torch.rand(2, 3, 112, 112)])
    save_statistics(file, statistics)
    measured = Attacker(tiny_model, device="cpu", statistics=file)
    assert measured.plan("template", penalty=weights).knowledge_used["statistics"] == "2 public faces"
    # The network itself has what the penalty bn needs.
    assert "statistics" not in measured.plan("template").knowledge_used
    run = measured.generate(0, penalty=weights, steps=2)
    assert run.result["attacker_knowledge"]["level"] == "public-faces"
    without_maps = tuple(replace(layer, map_mean=None, map_variance=None) for layer in statistics.layers)
    save_statistics(file, replace(statistics, layers=without_maps))
    with pytest.raises(InputError, match=message):
        Attacker(tiny_model, device="cpu", statistics=file).plan("template", penalty=weights)


@pytest.fixture(scope="module")
def decoded(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a small decoder of the tiny network's templates."""
    file = tmp_path_factory.mktemp("decoded") / "decoder.safetensors"
    recogniser = load(tiny_model)
    save_decoder(file, random_decoder(32), model_sha256=recogniser.source.sha256, model_name="tiny")
    return file


def test_a_decoder_alone_is_one_pass_without_noise(tiny_model: Path, decoded: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu", decoder=decoded)
    counted: list[int] = []
    run = attacker.generate(
        [0, 1],
        initialisation="decoder",
        steps=0,
        samples=2,
        progress=lambda step: counted.append(step.number),
    )
    plan = run.result["plan"]
    assert (plan["steps"], plan["restarts"], plan["parametrisation"]) == (0, 1, "pixels")
    assert plan["regression_blend"] == 0
    assert run.result["attacker_knowledge"]["decoder"] == "60 faces of nobody"
    assert counted == []
    recogniser = load(tiny_model)
    decoder = find_decoder(recogniser, decoded)
    assert decoder is not None
    assert recogniser.centres is not None
    expected = to_uint8(decoder.decoded(F.normalize(recogniser.centres[:2]), 112))
    for number, image in enumerate(run.images):
        assert np.abs(image.astype(int) - expected[number // 2]).max() <= 1
    assert [sample["steps"] for sample in run.samples] == [0] * 4


def test_a_decoder_is_an_initialisation_and_a_parametrisation(tiny_model: Path, decoded: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu", decoder=decoded)
    for options in ({"initialisation": "decoder"}, {"parametrisation": "decoder"}):
        run = attacker.generate(0, steps=2, **options)
        plan = run.result["plan"]
        assert {name: plan[name] for name in options} == options
        assert plan["knowledge_used"]["decoder"] == "60 faces of nobody"
        assert ("code-prior" in plan["penalties"]) == ("parametrisation" in options)
    # The steps after a deformation optimise no codes, and leave out what penalises them.
    turned = attacker.generate(0, steps=1, parametrisation="decoder", yaw=10.0)
    assert turned.samples[0]["steps"] == 11
    # As both, the first image is the decoder's but for the noise.
    first = attacker.generate(0, steps=1, initialisation="decoder", parametrisation="decoder")
    assert first.images[0].shape == (112, 112, 3)


@pytest.mark.parametrize("name", ["initialisation", "parametrisation"])
def test_a_decoder_that_nobody_trained_is_refused(attacker: Attacker, name: str) -> None:
    message = rf"^{name}: expected a decoder of templates of tiny, found none; train it \(arcinvert learn"
    with pytest.raises(InputError, match=message):
        attacker.plan("template", **{name: "decoder"})


def test_by_the_weights_alone_there_is_no_decoder(tiny_model: Path, decoded: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu", decoder=decoded)
    with pytest.raises(InputError, match=r"^decoder: expected none with knowledge of the weights alone"):
        attacker.plan("template", knowledge="weights")
    without = Attacker(tiny_model, device="cpu")
    for name in ("initialisation", "parametrisation"):
        with pytest.raises(InputError, match=rf"^{name}: expected one that is made of no faces"):
            without.plan("template", knowledge="weights", **{name: "decoder"})

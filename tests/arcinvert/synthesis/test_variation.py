"""Variation within an identity."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arcinvert import Attacker, InputError
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.knowledge.face_pca import pca_coefficients_of
from arcinvert.knowledge.synthetic_faces import load_identity_directions
from arcinvert.synthesis.identities import choose_spread, isotropic, spread_of
from arcinvert.synthesis.pictures import PictureNumber, Pictures, plan_pictures
from arcinvert.synthesis.variation import VariedFaces, finished, targets
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.initialisation.knowledge import request
from tests.arcinvert.inversion.networks import templates
from tests.arcinvert.synthesis.networks import options, small_attacker


def test_a_target_is_as_far_from_its_identity_as_it_says() -> None:
    direction = F.normalize(torch.randn(1, 20, generator=torch.Generator().manual_seed(0)).double())
    directions = direction.expand(400, -1)
    found, degrees = targets(directions, isotropic(20), within=30, seeds=range(400))
    angles = np.degrees(np.arccos((found.double() @ direction[0]).numpy()))
    np.testing.assert_allclose(angles, degrees, atol=0.01)
    # Normal with mean 30 and deviation 7.5: the mean of 400 is within four standard errors.
    assert angles.mean() == pytest.approx(30, abs=4 * 7.5 / 20)
    assert angles.std() == pytest.approx(7.5, abs=1.2)
    same, _ = targets(directions[:3], isotropic(20), within=0, seeds=range(3))
    torch.testing.assert_close(same, directions[:3].float())


def test_targets_vary_where_templates_do() -> None:
    # Templates vary along the second axis alone, but for the shrinkage.
    rows = torch.zeros(100, 8)
    rows[:, 0], rows[:, 1] = 1, torch.linspace(-1, 1, 100)
    direction = F.one_hot(torch.tensor([0] * 50), 8).double()
    found, _ = targets(direction, spread_of(rows, "rows"), within=30, seeds=range(50))
    across = found[:, 1:].square()
    assert (across[:, 0] / across.sum(1)).mean() > 0.5
    even, _ = targets(direction, isotropic(8), within=30, seeds=range(50))
    across = even[:, 1:].square()
    assert (across[:, 0] / across.sum(1)).mean() < 0.35


def test_a_row_depends_on_its_seed_alone() -> None:
    directions = F.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)).double())
    whole, _ = targets(directions, isotropic(8), within=30, seeds=[5, 6, 7])
    alone, _ = targets(directions[1:2], isotropic(8), within=30, seeds=[6])
    torch.testing.assert_close(alone[0], whole[1])
    images = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    pictures = finished(images, variation=1, seeds=[5, 6, 7])
    torch.testing.assert_close(finished(images[1:2], variation=1, seeds=[6])[0], pictures[1])


def test_pictures_are_moved_lit_and_mirrored_a_little() -> None:
    ramp = torch.linspace(0.2, 0.8, 56).expand(3, 56, 56)
    images = ramp.expand(200, -1, -1, -1)
    assert finished(images, variation=0, seeds=range(200)) is images
    pictures = finished(images, variation=1, seeds=range(200))
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    # A ramp that falls was mirrored: half of them, within four standard deviations.
    falling = (pictures[..., 40] < pictures[..., 16]).float().mean((1, 2)) > 0.5
    assert 0.5 - 0.15 < falling.float().mean() < 0.5 + 0.15
    brightness = pictures.mean((1, 2, 3))
    assert 0.02 < brightness.std() < 0.12
    slight = finished(images, variation=1e-4, seeds=range(200))
    upright = torch.where(falling[:, None, None, None], slight.flip(-1), slight)
    torch.testing.assert_close(upright, images, atol=0.02, rtol=0)


def test_start_faces_vary_along_directions_that_do_not_tell_people_apart() -> None:
    asked = request()
    # The network is not run: of another size, its images are the face PCA's own.
    network = Recogniser(asked.recogniser.backbone, name="other", preprocessing=Preprocessing(input_size=56))
    asked = replace(asked, recogniser=network)
    face = INITIALISATIONS["mean-face"]()
    varied = VariedFaces(face, 0.3).images(templates(4), asked, seeds=[1, 2, 3, 4])
    assert varied.shape == (4, 3, 56, 56)
    assert varied.min() >= 0
    assert varied.max() <= 1
    difference = pca_coefficients_of(varied) - pca_coefficients_of(face.faces(templates(4), asked, 0))
    directions = load_identity_directions()[1]
    first = difference[:, : directions.shape[1]]
    deviation = first.square().mean().sqrt()
    assert 0.3 * 0.4 < deviation < 0.3 * 0.9
    # Clipping to [0, 1] alone changes people's directions.
    assert (first @ directions.T).square().mean().sqrt() < 0.3 * deviation
    alone = VariedFaces(face, 0.3).images(templates(1), asked, seeds=[2])
    torch.testing.assert_close(alone[0], varied[1])
    still = VariedFaces(face, 0.0).images(templates(4), asked, seeds=[1, 2, 3, 4])
    torch.testing.assert_close(still, face.faces(templates(4), asked, 0), atol=1e-4, rtol=0)


def test_steps_bring_pictures_nearer_to_their_identity() -> None:
    attacker = Attacker(device="cpu", precision="float32")
    recogniser = attacker.recogniser
    spread = choose_spread("auto", recogniser, attacker.knowledge)
    identity = spread.draw(2, torch.Generator().manual_seed(0))
    numbers = [PictureNumber(0, 0), PictureNumber(1, 0)]

    def similarity(steps: int) -> float:
        chosen = options(steps=steps, variation=0.0)
        plan = plan_pictures(attacker, chosen)
        assert plan.initialisation == "regression"
        images = Pictures(attacker, chosen, plan, spread, 0.0).make(identity, numbers, batch=0)
        assert images.shape == (2, 3, 112, 112)
        with torch.no_grad():
            return float((recogniser(images).double() * identity).sum(1).mean())

    assert similarity(6) > similarity(0) + 0.05


def test_a_network_without_a_regression_starts_from_the_mean_face() -> None:
    attacker = small_attacker()
    statistics = attacker.knowledge.statistics
    assert statistics is not None
    bare = replace(attacker.knowledge, statistics=replace(statistics, regression=None))
    attacker = Attacker(attacker.recogniser, knowledge=bare, device="cpu", precision="float32")
    assert plan_pictures(attacker, options()).initialisation == "mean-face"
    with pytest.raises(InputError, match="steps: expected at least 1 without a regression, got 0"):
        plan_pictures(attacker, options(steps=0))
    assert plan_pictures(attacker, options(knowledge="weights")).initialisation == "mean-face-from-weights"

"""The Gaussian prior on coefficients: their mean square, and nothing without coefficients."""

import pytest
import torch

from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.penalties.base import Setting
from arcinvert.inversion.penalties.pca_prior import PCAPrior
from recognition.errors import InputError
from tests.arcinvert.inversion.networks import linear_recogniser, start


def test_it_is_the_mean_squared_coefficient() -> None:
    parametrisation, penalty = FacePCA(start()), PCAPrior()
    coefficients = parametrisation.pca_coefficients.detach().numpy()
    with penalty.attached(linear_recogniser(), parametrisation):
        values = penalty(parametrisation.images())
    expected = [sum(value**2 for value in row) / len(row) for row in coefficients]
    assert values.tolist() == pytest.approx(expected, rel=1e-5)


def test_its_gradient_pulls_coefficients_to_the_mean_face() -> None:
    parametrisation, penalty = FacePCA(start()), PCAPrior()
    with penalty.attached(linear_recogniser(), parametrisation):
        penalty(parametrisation.images()).sum().backward()
    (leaf,) = parametrisation.parameters
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad, 2 * leaf.detach() / leaf.shape[1])


def test_pixels_have_no_coefficients() -> None:
    recogniser = linear_recogniser()
    assert PCAPrior.missing(Setting(recogniser, FacePCA)) is None
    lacks = PCAPrior.missing(Setting(recogniser, Pixels))
    assert lacks == "expected PCA coefficients to penalise, found none; use --parametrisation face-pca"
    penalty = PCAPrior()
    with (
        penalty.attached(recogniser, Pixels(start())),
        pytest.raises(InputError, match=r"^penalty: expected a parametrisation with PCA coefficients"),
    ):
        penalty(start())
    with pytest.raises(InputError, match=r"^penalty: "):
        penalty(start())

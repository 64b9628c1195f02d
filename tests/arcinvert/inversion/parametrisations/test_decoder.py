"""A decoder's codes: they begin as the start, and their offsets change what the residual adds."""

import torch

from arcinvert.inversion.parametrisations.decoder import DecodedCodes
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.inversion.penalties.code_prior import CodePrior
from tests.arcinvert.inversion.initialisation.knowledge import random_decoder
from tests.arcinvert.inversion.networks import linear_recogniser, templates


def test_the_decoders_own_face_is_reproduced() -> None:
    # Three levels make faces of the side of the face PCA: nothing is lost by resizing.
    decoder = random_decoder(channels=(4, 4, 3))
    start = decoder(templates(2))
    parametrisation = DecodedCodes(start, decoder, templates(2))
    torch.testing.assert_close(parametrisation.images(), start, rtol=0, atol=2e-2)
    # The coefficients are those of the regression.
    wanted = decoder.base_coefficients(templates(2))
    torch.testing.assert_close(parametrisation.pca_coefficients[:, :20], wanted[:, :20], rtol=0, atol=5e-2)
    assert not torch.any(parametrisation.offsets)


def test_it_is_face_pca_plus_the_residual_of_the_moved_codes() -> None:
    decoder, start = random_decoder(), torch.rand(2, 3, 28, 28)
    parametrisation = DecodedCodes(start, decoder, templates(2))
    coefficients, offsets = parametrisation.parameters
    base = FacePCA(start)
    with torch.no_grad():
        offsets.copy_(torch.linspace(-1, 1, offsets.numel()).view_as(offsets))
        base.parameters[0].copy_(coefficients)
    expected = base.images() + decoder.residual(decoder.codes(templates(2)) + offsets)
    torch.testing.assert_close(parametrisation.images(), expected)


def test_the_prior_is_the_mean_square_of_the_offsets() -> None:
    parametrisation = DecodedCodes(torch.rand(2, 3, 28, 28), random_decoder(), templates(2))
    with torch.no_grad():
        parametrisation.offsets[1] = 3.0
    penalty = CodePrior()
    with penalty.attached(linear_recogniser(), parametrisation):
        assert penalty(parametrisation.images()).tolist() == [0.0, 9.0]

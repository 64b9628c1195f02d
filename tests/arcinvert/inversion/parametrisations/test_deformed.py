"""Deformed faces: they begin as the deformation of their start, and move along the face PCA before it."""

import torch

from arcinvert.inversion.parametrisations.deformed import Deformed
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.knowledge.face_pca import faces_of
from recognition.appearance.change import SIDE
from tests.recognition.appearance.deformations import made_up_ages, made_up_deformations


def start() -> torch.Tensor:
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def test_they_begin_as_the_deformed_start_with_what_no_component_has() -> None:
    deformation = made_up_deformations().of(yaw=-30.0, expression="smile")
    images = Deformed(start(), deformation).images()
    torch.testing.assert_close(images, deformation(start()), atol=1e-4, rtol=0)
    assert (FacePCA(start()).images() - start()).abs().mean() > 0.1


def test_the_age_is_that_of_the_start() -> None:
    """So that what the optimisation changes does not move the wanted years."""
    deformation = made_up_deformations().of(aged=made_up_ages().change(start(), 60.0))
    deformed = Deformed(start(), deformation)
    by_hand = torch.zeros_like(deformed.pca_coefficients)
    by_hand[0, 0] = 3.0
    with torch.no_grad():
        deformed.pca_coefficients.add_(by_hand)
    changed = start() + faces_of(by_hand) - faces_of(torch.zeros_like(by_hand))
    assert float((made_up_ages().read(changed) - made_up_ages().read(start()))[0].abs()) > 0.5
    torch.testing.assert_close(deformed.images(), deformation(changed), atol=1e-4, rtol=0)


def test_a_change_of_a_coefficient_is_deformed_too() -> None:
    deformation = made_up_deformations().of(yaw=10.0)
    deformed = Deformed(start(), deformation)
    before = deformed.images().detach()
    coefficients = deformed.pca_coefficients
    assert deformed.parameters == [coefficients]
    by_hand = torch.zeros_like(coefficients)
    by_hand[1, 5] = 2.0
    with torch.no_grad():
        coefficients += by_hand
    # Both the deformation of a pose and the face PCA are linear in the image.
    change = deformation(faces_of(by_hand) - faces_of(torch.zeros_like(by_hand)))
    torch.testing.assert_close(deformed.images().detach() - before, change, atol=1e-4, rtol=0)
    assert change[1].abs().max() > 0.01
    assert not change[0].any()

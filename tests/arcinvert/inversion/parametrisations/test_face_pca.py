"""Face PCA coefficients: images within their span come back."""

import pytest
import torch

from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.inversion.penalties.pca_prior import PCAPrior
from arcinvert.knowledge.face_pca import faces_of, load_face_pca
from tests.arcinvert.inversion.networks import linear_recogniser


def test_a_start_within_the_span_is_reproduced() -> None:
    mean, components, deviations = load_face_pca()
    wanted = torch.tensor([1.0, -2.0, 0.5])
    face = mean + (wanted * deviations[:3])[:, None, None, None].mul(components[:3]).sum(0)
    parametrisation = FacePCA(face[None])
    torch.testing.assert_close(parametrisation.parameters[0][0, :3], wanted, rtol=0, atol=2e-2)
    torch.testing.assert_close(parametrisation.images()[0], face, rtol=0, atol=2e-3)
    assert parametrisation.pca_coefficients is parametrisation.parameters[0]
    # The penalty on the coefficients is their mean square.
    squares = float(wanted.square().sum()) / len(components)
    penalty = PCAPrior()
    with penalty.attached(linear_recogniser(), parametrisation):
        value = penalty(parametrisation.images())
    assert value.detach().tolist() == pytest.approx([squares], rel=0.05)


@pytest.mark.parametrize("size", [(112, 112), (80, 96)])
def test_faces_are_enlarged_to_the_size_of_the_start(size: tuple[int, int]) -> None:
    mean, components, deviations = load_face_pca()
    small = mean + 2 * deviations[0] * components[0]
    start = torch.nn.functional.interpolate(small[None], size, mode="bicubic")
    parametrisation = FacePCA(start)
    with torch.no_grad():
        parametrisation.parameters[0].zero_()
        parametrisation.parameters[0][0, 0] = 2
    torch.testing.assert_close(parametrisation.images(), start, rtol=0, atol=1e-4)


def test_images_and_gradients_are_those_of_whole_components() -> None:
    mean, _, deviations = load_face_pca()
    generator = torch.Generator().manual_seed(0)
    # At the side of the components nothing is enlarged.
    parametrisation = FacePCA(mean.expand(2, -1, -1, -1))
    coefficients = torch.randn(2, len(deviations), generator=generator)
    with torch.no_grad():
        parametrisation.parameters[0].copy_(coefficients)
    coefficients.requires_grad_()
    weights = torch.randn(2, *mean.shape, generator=generator)
    expected, images = faces_of(coefficients), parametrisation.images()
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-5)
    for one in (expected, images):
        (one * weights).sum().backward()
    torch.testing.assert_close(parametrisation.parameters[0].grad, coefficients.grad, rtol=1e-4, atol=1e-5)

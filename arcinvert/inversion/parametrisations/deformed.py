"""Faces that are shown in another pose or with another expression."""

import torch
from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from recognition.appearance.deformations import Deformation


class Deformed(Parametrisation):
    """Finished faces plus changes along the face PCA, deformed.

    It is no entry of the registry: it comes after an optimisation, whatever that one optimised.

    Args:
        start: The faces before they are deformed, shape (batch, 3, h, w) in [0, 1].
        deformation: The deformation.
    """

    of_public_faces = True
    has_coefficients = True

    def __init__(self, start: Tensor, deformation: Deformation) -> None:
        start = start.detach()
        self._deformation = deformation
        self._faces = FacePCA(start)
        with torch.no_grad():
            # What is no combination of the components stays as it is.
            self._rest = start - self._faces.images()

    @property
    def parameters(self) -> list[Tensor]:
        return self._faces.parameters

    @property
    def pca_coefficients(self) -> Tensor:
        return self._faces.pca_coefficients

    def images(self) -> Tensor:
        return self._deformation(self._faces.images() + self._rest)

"""A learned decoder's codes, and face PCA coefficients under them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.parametrisations.base import AugmentationStrength, Parametrisation
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.knowledge.decoder import FaceDecoder
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.mapped_decoder import MappedDecoder
from recognition.errors import InputError


class DecodedCodes(Parametrisation):
    """A face along the principal components, plus what the decoder's residual adds.

    Optimised are the coefficients and an offset of the residual's code at each level, which begins at zero.
    Both are in units of their standard deviation over faces. The coefficients show what 56 pixels can; the
    residual adds detail that keeps to what it learned of faces.

    Args:
        start: The initial images, shape (batch, 3, h, w) in [0, 1].
        decoder: The decoder.
        templates: The templates that the residual begins with, shape (batch, dim), unit norm.
    """

    learning_rate = 0.1
    # As of face PCA, on which it rests.
    activation_penalty_factor = FacePCA.activation_penalty_factor
    penalty_weights = FacePCA.penalty_weights
    augmentation = AugmentationStrength(shift=4, scale=0.1)
    restarts = 1
    of_public_faces = True
    has_coefficients = True
    has_offsets = True

    def __init__(self, start: Tensor, decoder: FaceDecoder | MappedDecoder, templates: Tensor) -> None:
        self._decoder = decoder.like(start)
        self._size = list(start.shape[-2:])
        self._codes = self._decoder.codes(templates.to(start)).clone()
        self._offsets = torch.zeros_like(self._codes).requires_grad_()
        # The residual's own share of coarse structure is left to it, so that the images begin as `start`.
        with torch.no_grad():
            self._base = FacePCA(start - self._residual())

    @classmethod
    def missing(cls, knowledge: Knowledge, name: str) -> str | None:
        return knowledge.decoder_missing(name)

    @classmethod
    def build(cls, start: Tensor, templates: Tensor, knowledge: Knowledge) -> "DecodedCodes":
        if knowledge.decoder is None:
            raise InputError(
                "parametrisation: expected a decoder, found none; use --parametrisation face-pca"
            )
        return cls(start, knowledge.decoder, templates)

    @property
    def parameters(self) -> list[Tensor]:
        return [*self._base.parameters, self._offsets]

    @property
    def pca_coefficients(self) -> Tensor:
        return self._base.pca_coefficients

    @property
    def offsets(self) -> Tensor:
        return self._offsets

    def images(self) -> Tensor:
        images = self._base.images() + self._residual()
        return images.contiguous(memory_format=torch.channels_last)

    def _residual(self) -> Tensor:
        residual = self._decoder.residual(self._codes + self._offsets)
        if list(residual.shape[-2:]) == self._size:
            return residual
        return F.interpolate(residual, self._size, mode="bilinear", antialias=True)

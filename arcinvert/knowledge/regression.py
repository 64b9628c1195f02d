"""Faces from templates by one linear map, fitted on public faces that the network embeds.

Whoever holds the network embeds public faces himself, without labels, and regresses their coordinates along
the eigenfaces on their templates. The map then says of any template what face goes with it on average. That
face is smooth, and poorer than what gradients find; but where it errs it errs in other ways, so that the mean
of both is nearer to the person (benchmarks/regression.py measures it). The map is fitted on many more faces
than a template has dimensions, and shows none of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of

#: Of the mean variance of templates, added to that of each direction.
SHRINKAGE = 0.01
#: Fewer faces to a dimension of the templates make no map: it would be of those few faces.
FACES_A_DIMENSION = 4
#: Of a class's picture; the rest is what gradients found. A template of one photograph says more than a
#: class centre, and gradients alone do better with it.
REGRESSION_SHARE = 0.5


@dataclass(frozen=True)
class FaceRegression:
    """The map from templates to coordinates along all eigenfaces.

    Args:
        template: mean of the templates, (dim,).
        coordinates: mean coordinates of the faces, (n,).
        matrix: (dim, n), from a template less the mean to coordinates less the mean.
        count: how many faces it was fitted on.
    """

    template: Tensor
    coordinates: Tensor
    matrix: Tensor
    count: int

    def is_valid(self) -> bool:
        """Whether the parts are finite, and fit together."""
        parts = (self.template, self.coordinates, self.matrix)
        together = self.matrix.shape == self.template.shape + self.coordinates.shape
        known = self.template.ndim == 1 and self.coordinates.shape == load_face_pca()[2].shape
        return together and known and all(bool(part.isfinite().all()) for part in parts)

    def faces(self, templates: Tensor) -> Tensor:
        """Symmetric faces, (batch, 3, s, s) in [0, 1], of unit-norm templates, (batch, dim)."""
        offsets = (templates - self.template.to(templates)) @ self.matrix.to(templates)
        return faces_of(self.coordinates.to(templates) + offsets).clamp(0, 1)


class RegressionSums:
    """Gathers what the fit needs batch by batch: its size does not grow with the faces."""

    def __init__(self) -> None:
        self._count = 0
        self._sums = [torch.zeros((), dtype=torch.float64) for _ in range(4)]

    def add(self, templates: Tensor, images: Tensor) -> None:
        """Unit-norm templates, (batch, dim), of images, (batch, 3, h, w) in [0, 1]."""
        given = templates.double().cpu()
        # A pile of faces has no side: the mean of an image and its mirror image.
        wanted = pca_coefficients_of((images + images.flip(-1)) / 2).double().cpu()
        parts = (given.sum(0), wanted.sum(0), given.T @ given, given.T @ wanted)
        self._sums = [one + other for one, other in zip(self._sums, parts, strict=True)]
        self._count += len(given)

    def fit(self) -> FaceRegression | None:
        """By ridge regression; None of too few faces."""
        template, coordinates, squares, products = self._sums
        if not self._count or self._count < FACES_A_DIMENSION * len(template):
            return None
        template, coordinates = template / self._count, coordinates / self._count
        covariance = squares / self._count - torch.outer(template, template)
        covariance.diagonal().add_(SHRINKAGE * covariance.diagonal().mean())
        together = products / self._count - torch.outer(template, coordinates)
        matrix = torch.linalg.solve(covariance, together)
        return FaceRegression(template.half(), coordinates.half(), matrix.half().contiguous(), self._count)

"""Linear regression from templates to faces, fitted on public faces that the network embeds.

Whoever holds the network can embed public faces, without labels, and regress their face PCA coefficients on
their templates. The map predicts the average face of any template. That face is smooth, and poorer than what
gradients find; but its errors are of another kind, so that the mean of both is nearer to the person
(benchmarks/regression.py measures it). The map is fitted on many more faces than a template has dimensions,
and shows none of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of

#: A fraction of the mean variance of templates, added to the variance of each direction.
SHRINKAGE = 0.01
#: The fewest faces for each dimension of the templates: a map of fewer would depend on those few faces.
FACES_PER_DIMENSION = 4
#: The default fraction of the regression in the image of a class. A template of one photograph says more than
#: a class centre, and gradients alone do better with it.
REGRESSION_BLEND = 0.5


@dataclass(frozen=True)
class FaceRegression:
    """The map from templates to face PCA coefficients.

    Args:
        template: The mean template, shape (dim,).
        pca_coefficients: The mean coefficients of the faces, shape (n,).
        matrix: Shape (dim, n), from a template less the mean to coefficients less the mean.
        count: The number of faces that it was fitted on.
    """

    template: Tensor
    pca_coefficients: Tensor
    matrix: Tensor
    count: int

    def validate(self) -> None:
        """Raise a ValueError if the parts are not finite or do not fit together."""
        parts = (self.template, self.pca_coefficients, self.matrix)
        together = self.matrix.shape == self.template.shape + self.pca_coefficients.shape
        known = self.template.ndim == 1 and self.pca_coefficients.shape == load_face_pca()[2].shape
        if not (together and known and all(bool(part.isfinite().all()) for part in parts)):
            raise ValueError("regression")

    def faces(self, templates: Tensor) -> Tensor:
        """Return symmetric faces, (batch, 3, s, s) in [0, 1], of unit-norm templates, (batch, dim)."""
        offsets = (templates - self.template.to(templates)) @ self.matrix.to(templates)
        return faces_of(self.pca_coefficients.to(templates) + offsets).clamp(0, 1)


class RegressionSums:
    """Sums what the fit needs batch by batch; its size does not grow with the number of faces."""

    def __init__(self) -> None:
        self._count = 0
        self._sums = [torch.zeros((), dtype=torch.float64) for _ in range(4)]

    def add(self, templates: Tensor, images: Tensor) -> None:
        """Add unit-norm templates, shape (batch, dim), of images, (batch, 3, h, w) in [0, 1]."""
        given = templates.cpu().double()
        # Faces in general have no side: the mean of an image and its mirror image.
        wanted = pca_coefficients_of((images + images.flip(-1)) / 2).cpu().double()
        parts = (given.sum(0), wanted.sum(0), given.T @ given, given.T @ wanted)
        self._sums = [one + other for one, other in zip(self._sums, parts, strict=True)]
        self._count += len(given)

    def fit(self, shrinkage: float = SHRINKAGE, fewest: int | None = None) -> FaceRegression | None:
        """Return the map by ridge regression; None if there are too few faces.

        Args:
            shrinkage: The fraction of the mean variance of templates that is added to each direction's.
            fewest: The fewest faces, at least 1; None for `FACES_PER_DIMENSION`.
        """
        template, coefficients, squares, products = self._sums
        if not self._count or self._count < (fewest or FACES_PER_DIMENSION * len(template)):
            return None
        template, coefficients = template / self._count, coefficients / self._count
        covariance = squares / self._count - torch.outer(template, template)
        covariance.diagonal().add_(shrinkage * covariance.diagonal().mean())
        together = products / self._count - torch.outer(template, coefficients)
        matrix = torch.linalg.solve(covariance, together)
        return FaceRegression(template.half(), coefficients.half(), matrix.half().contiguous(), self._count)

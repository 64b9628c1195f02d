"""A first guess of a face from its template, by linear regression over public faces.

A template tells skin, hair, sex, age and glasses almost linearly. Public faces that the attacker embeds
himself show how: ridge regression of their coordinates along the eigenfaces on their templates. No
label is used. An attack that begins at the guess keeps what it tells, where from the mean face it ends
at some other picture of the same template (benchmarks/ablation.py has the figures).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from arcinvert.eigenfaces import coordinates_of, faces_of, load_eigenfaces

#: Of the ridge, in squared templates of unit variance: a variance of the noise by one of a weight. Between
#: 30 and 3,000, guesses for people left out were as good.
RIDGE = 1000.0
#: A prediction is shrunk to the mean by what a template does not tell; the guess goes so much further.
GAIN = 1.5


@dataclass(frozen=True)
class FaceRegression:
    """Coordinates of a face along the eigenfaces as a linear function of its template.

    Args:
        mean: (dim,), of the templates.
        weights: (dim, n), of a template less the mean.
        intercept: (n,), coordinates at the mean.
        faces: photographs that it rests on, each with its mirror image.
    """

    mean: Tensor
    weights: Tensor
    intercept: Tensor
    faces: int

    def is_sound(self) -> bool:
        """Whether the parts are finite and fit together and to the shipped eigenfaces."""
        parts = (self.mean, self.weights, self.intercept)
        shapes = tuple(part.shape for part in parts)
        coordinates = len(load_eigenfaces()[2])
        fit = shapes == ((len(self.mean),), (len(self.mean), coordinates), (coordinates,))
        return fit and all(bool(part.isfinite().all()) for part in parts)

    def guess(self, templates: Tensor) -> Tensor:
        """Faces, (batch, 3, s, s) in [0, 1], of unit-norm templates, (batch, dim)."""
        mean, weights, intercept = (part.to(templates) for part in (self.mean, self.weights, self.intercept))
        coordinates = intercept + (templates - mean) @ weights
        return faces_of(GAIN * coordinates).clamp(0, 1)


class RegressionFit:
    """Gathers faces and their templates batch by batch, in memory that does not grow with them."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: tuple[Tensor, ...] = ()

    def add(self, templates: Tensor, images: Tensor) -> None:
        """Unit-norm templates, (batch, dim), and their images, (batch, 3, h, w) in [0, 1]."""
        told, shown = templates.double().cpu(), coordinates_of(images).double().cpu()
        sums = (told.sum(0), shown.sum(0), told.T @ told, told.T @ shown)
        self._sums = tuple(a + b for a, b in zip(self._sums, sums, strict=True)) if self._count else sums
        self._count += len(templates)

    def solve(self) -> FaceRegression:
        """The regression; needs at least one batch."""
        mean, intercept = self._sums[0] / self._count, self._sums[1] / self._count
        spread = self._sums[2] - self._count * torch.outer(mean, mean)
        together = self._sums[3] - self._count * torch.outer(mean, intercept)
        ridge = torch.eye(len(mean), dtype=spread.dtype) * (RIDGE / len(mean))
        weights = torch.linalg.solve(spread + ridge, together)
        return FaceRegression(mean.float(), weights.float(), intercept.float(), self._count // 2)

"""Nearest neighbours: public faces whose templates are the most similar to a template.

Whoever holds the network can embed public faces; no label is used. Those whose templates are nearest share
sex, age, skin, hair and glasses with the person, and an attack that starts from their mean keeps what they
share, where from the mean of all faces it may end at another image with the same template
(benchmarks/ablation.py measures it). Faces are kept as coefficients of the face PCA, which is all that a mean
of several shows.
"""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, pca_coefficients_of
from arcinvert.knowledge.whitening import Whitening, whitening_of

#: Coefficients kept of a face: a mean of several faces is too smooth to show more.
COEFFICIENTS = 300
#: How many neighbours are averaged: in the first restart, and in others, which so differ.
NEAREST = (10, 3, 40, 5, 20)
#: Least cosine similarity of a template to that of the same photograph, compressed again at JPEG quality 50,
#: of the bundled network; templates of others reach 0.95 at most (`python -m benchmarks.duplicates`).
SAME_TEMPLATE = 0.96
#: Of the public faces' cosines to their nearest other one, the share that must be lower: other networks may
#: find all faces alike.
_ALIKE = 0.99
#: Public faces among which that is measured.
_SAMPLE = 512
#: A neighbour that is nearer by this cosine similarity has e times the weight.
TEMPERATURE = 0.1


@dataclass(frozen=True)
class NearestNeighbours:
    """Public faces with their templates.

    Args:
        templates: Shape (faces, dim), unit norm, each of a face and its mirror image.
        pca_coefficients: Shape (faces, 300), the first coefficients of the face PCA.
    """

    templates: Tensor
    pca_coefficients: Tensor

    def __len__(self) -> int:
        return len(self.templates)

    def validate(self) -> None:
        """Raise a ValueError if the parts are not finite or do not fit together."""
        finite = all(bool(part.isfinite().all()) for part in (self.templates, self.pca_coefficients))
        together = self.templates.ndim == 2 and 0 < len(self.templates) == len(self.pca_coefficients)
        if not (finite and together and self.pca_coefficients.shape[1:] == (COEFFICIENTS,)):
            raise ValueError("nearest neighbours")

    def has_template(self, templates: Tensor) -> Tensor:
        """Return whether templates, (n, dim), unit norm, are nearly those of public faces, shape (n,).

        Such a template is of the same photograph, hardly changed. Another photograph of the person has a
        lower cosine than the nearest of many strangers, and is not found.
        """
        known = self.templates.float()
        highest = [(part.float() @ known.T).amax(1) for part in templates.cpu().split(_SAMPLE)]
        return torch.cat(highest) > self._highest_of_others

    @functools.cached_property
    def _highest_of_others(self) -> float:
        """The cosine similarity that a template of none of these people hardly exceeds."""
        known = self.templates.float()
        cosines = known[:_SAMPLE] @ known.T
        rows = torch.arange(len(cosines))
        cosines[rows, rows] = -1.0
        return max(SAME_TEMPLATE, float(cosines.amax(1).quantile(_ALIKE)))

    @functools.cached_property
    def _whitening(self) -> Whitening:
        return whitening_of(self.templates.float())

    def nearest(
        self, templates: Tensor, count: int, *, whiten: bool = True, without_itself: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the indices of the nearest faces and their weights, each of shape (batch, count).

        Args:
            templates: Shape (batch, dim), unit norm.
            count: How many; fewer where there are fewer faces.
            whiten: Find them by whitened templates; plain cosines find those of like sex and light first.
            without_itself: Leave out the very nearest, which a template of these faces is itself.
        """
        known = self.templates.to(templates)
        if whiten:
            whitening = self._whitening.to(templates)
            templates, known = whitening(templates), whitening(known)
        first = int(without_itself)
        found = (templates @ known.T).topk(min(count + first, len(self)), dim=1)
        return found.indices[:, first:], F.softmax(found.values[:, first:] / TEMPERATURE, dim=1)

    def mean_faces(self, templates: Tensor, nearest: int = NEAREST[0], *, whiten: bool = True) -> Tensor:
        """Return symmetric mean faces of the neighbours, shape (batch, 3, s, s) in [0, 1].

        Args:
            templates: Shape (batch, dim), unit norm.
            nearest: How many neighbours are averaged.
            whiten: Find them by whitened templates; plain cosines find those of like sex and light first.
        """
        indices, weights = self.nearest(templates, nearest, whiten=whiten)
        coefficients = (weights[..., None] * self.pca_coefficients[indices].to(templates)).sum(1)
        faces = faces_of(coefficients)
        return ((faces + faces.flip(-1)) / 2).clamp(0, 1)


class NeighbourCollector:
    """Collects nearest neighbours batch by batch."""

    def __init__(self) -> None:
        self._templates: list[Tensor] = []
        self._coefficients: list[Tensor] = []

    def add(self, templates: Tensor, mirrored: Tensor, images: Tensor) -> None:
        """Add templates, (batch, dim), of images, (batch, 3, h, w) in [0, 1], and of their mirror images."""
        self._templates.append(F.normalize(templates + mirrored).half().cpu())
        self._coefficients.append(pca_coefficients_of(images, COEFFICIENTS).half().cpu())

    def result(self) -> NearestNeighbours:
        """Return what was collected, at least one batch, in half precision as a file keeps it."""
        return NearestNeighbours(torch.cat(self._templates), torch.cat(self._coefficients))

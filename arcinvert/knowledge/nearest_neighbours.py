"""A first guess of a face from its template: the mean of public faces that look alike to the network.

Whoever holds the network embeds public faces himself; no label is used. Those whose templates are the
nearest share sex, age, skin, hair and glasses with the face asked for, and an attack that begins at their
mean keeps what they share, where from the mean of all faces it may end at some other picture of the same
template (benchmarks/ablation.py measures it). Faces are kept as coordinates along the eigenfaces,
which is all that a mean of several shows.
"""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, pca_coefficients_of
from arcinvert.knowledge.whitening import Whitening, whitening_of

#: Coordinates kept of a face: a mean of several faces is too smooth to show more.
COEFFICIENTS = 300
#: How many of the nearest a guess is the mean of: of the first beginning, and of others, which so differ.
NEAREST = (10, 3, 40)
#: One that is nearer by this cosine weighs e times as much.
TEMPERATURE = 0.1


@dataclass(frozen=True)
class NearestNeighbours:
    """Public faces with their templates.

    Args:
        templates: (faces, dim), unit norm, each of a face and its mirror image.
        coordinates: (faces, 300), along the first eigenfaces.
    """

    templates: Tensor
    coordinates: Tensor

    def __len__(self) -> int:
        return len(self.templates)

    def is_valid(self) -> bool:
        """Whether the parts are finite, and fit together."""
        finite = all(bool(part.isfinite().all()) for part in (self.templates, self.coordinates))
        together = self.templates.ndim == 2 and 0 < len(self.templates) == len(self.coordinates)
        return finite and together and self.coordinates.shape[1:] == (COEFFICIENTS,)

    @functools.cached_property
    def _whitening(self) -> Whitening:
        return whitening_of(self.templates.float())

    def guess(self, templates: Tensor, nearest: int = NEAREST[0], *, whiten: bool = True) -> Tensor:
        """Symmetric faces, (batch, 3, s, s) in [0, 1], of unit-norm templates, (batch, dim).

        Args:
            nearest: how many of the nearest a guess is the mean of.
            whiten: find them in whitened coordinates; plain cosines find those of like sex and light first.
        """
        known = self.templates.to(templates)
        if whiten:
            whitening = self._whitening.to(templates)
            templates, known = whitening(templates), whitening(known)
        cosines = templates @ known.T
        values, places = cosines.topk(min(nearest, len(self)), dim=1)
        shares = F.softmax(values / TEMPERATURE, dim=1)
        coordinates = (shares[..., None] * self.coordinates[places].to(templates)).sum(1)
        faces = faces_of(coordinates)
        return ((faces + faces.flip(-1)) / 2).clamp(0, 1)


class Gathered:
    """Gathers look-alikes batch by batch."""

    def __init__(self) -> None:
        self._templates: list[Tensor] = []
        self._coordinates: list[Tensor] = []

    def add(self, templates: Tensor, mirrored: Tensor, images: Tensor) -> None:
        """Templates, (batch, dim), of images, (batch, 3, h, w) in [0, 1], and of their mirror images."""
        self._templates.append(F.normalize(templates + mirrored).half().cpu())
        self._coordinates.append(pca_coefficients_of(images, COEFFICIENTS).half().cpu())

    def all(self) -> NearestNeighbours:
        """At least one batch, as a file keeps them: in half precision."""
        return NearestNeighbours(torch.cat(self._templates), torch.cat(self._coordinates))

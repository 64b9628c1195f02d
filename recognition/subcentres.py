"""The several centres of each class of a network that was trained with sub-centres."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

#: Relative difference up to which sub-centres count as equally long.
_EQUAL = 1e-3


@dataclass(frozen=True)
class SubCentres:
    """All centres of each class.

    Args:
        directions: Unit norm, shape (classes, K, dim).
        dominant: Index of the dominant centre of each class, shape (classes,); None if it is not known.

    Source: Deng et al., Sub-center ArcFace, ECCV 2020, section 3.2.
    """

    directions: Tensor
    dominant: Tensor | None

    @property
    def count(self) -> int:
        """The number of centres of a class, the paper's K."""
        return self.directions.shape[1]


def subcentres_of_weights(weights: Tensor) -> SubCentres:
    """Return the sub-centres of class weights, shape (classes, K, dim).

    The dominant one is the longest: a step of training on normalised weights is at right angles to them and
    makes them longer, so that the centre that most images of a class are nearest to becomes the longest.
    Where all are equally long, as in files of normalised weights, it is not known.
    """
    lengths = weights.norm(dim=2)
    longest, shortest = lengths.amax(1), lengths.amin(1)
    alike = bool((longest - shortest <= _EQUAL * longest).all())
    return SubCentres(F.normalize(weights, dim=2), None if alike else lengths.argmax(1))


def subcentres_of_centres(directions: Tensor, centres: Tensor) -> SubCentres:
    """Return sub-centres whose dominant ones are known as the classes' centres.

    Args:
        directions: Shape (classes, K, dim).
        centres: The dominant centre of each class, shape (classes, dim).
    """
    directions = F.normalize(directions, dim=2)
    nearest = torch.einsum("ckd,cd->ck", directions, F.normalize(centres)).argmax(1)
    return SubCentres(directions, nearest)


def one_centre_each(weights: Tensor) -> Tensor:
    """Return one centre of each class, shape (classes, dim), of class weights, (classes, K, dim).

    It is the dominant one, or the mean direction of all where that is not known.
    """
    found = subcentres_of_weights(weights)
    if found.dominant is None:
        return found.directions.mean(1)
    return weights[torch.arange(len(weights)), found.dominant]

"""What varies between pictures of one identity: the target, the start face, and pose and light at the end.

Every random number follows from the set's seed, the identity and the picture alone.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest, gaussian
from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of
from arcinvert.knowledge.synthetic_faces import load_identity_directions
from arcinvert.synthesis.identities import Spread
from recognition.images import resized

#: The standard deviation of the angle of targets, as a fraction of its mean.
_ANGLE_DEVIATION = 0.25
#: Angles of targets are at most this many degrees, where another identity is as near.
_MOST_ANGLE = 80.0
#: Standard deviations of a start face along directions that do not tell people apart, at a variation of 1, in
#: units of those of photographs: symmetric ones, and the others, which are pose and light from a side.
_SYMMETRIC, _ONE_SIDED = 0.5, 0.8
#: Standard deviations at the end, at a variation of 1: rotation in degrees, size and position as fractions of
#: the side, brightness and contrast as factors, and light from one side as a fraction of white.
_ROTATION, _SIZE, _POSITION, _BRIGHTNESS, _CONTRAST, _SIDE_LIGHT = 3.0, 0.02, 0.01, 0.08, 0.08, 0.04


def targets(
    directions: Tensor, spread: Spread, *, within: float, seeds: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return the target of each picture, float32, unit norm, (n, dim), and its angle in degrees, (n,).

    The angle is normal with mean `within`, and the side to which the target lies is drawn from the network's
    own spread, as photographs of a person do not vary along directions in which no template varies.

    Args:
        directions: The identity of each picture, unit norm, float64, shape (n, dim).
        spread: How templates spread.
        within: The mean angle of a target to its identity, degrees.
        seeds: A seed for each picture.
    """
    angles, sides = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        normal = torch.randn((), generator=generator, dtype=torch.float64)
        angles.append(within * (1 + _ANGLE_DEVIATION * normal))
        noise = torch.randn(len(spread.mean), generator=generator, dtype=torch.float64)
        sides.append(noise @ spread.root)
    side = torch.stack(sides)
    side = F.normalize(side - (side * directions).sum(1, keepdim=True) * directions)
    degrees = torch.stack(angles).clamp(0, _MOST_ANGLE)
    angle = torch.deg2rad(degrees)[:, None]
    return F.normalize(angle.cos() * directions + angle.sin() * side).float(), degrees


class VariedFaces(Initialisation):
    """Another initialisation's face, with random coefficients along directions that do not tell people apart.

    Args:
        face: The initialisation.
        variation: The strength; 0 leaves its face as it is.
    """

    def __init__(self, face: Initialisation, variation: float) -> None:
        self._face, self._variation = face, variation

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        return self._face.faces(templates, request, restart)

    def images(
        self, templates: Tensor, request: InitialisationRequest, *, seeds: Sequence[int], restart: int = 0
    ) -> Tensor:
        faces = self.faces(templates, request, restart)
        components = load_face_pca()[1]
        directions = load_identity_directions()[1]
        symmetric = (components == components.flip(-1)).flatten(1).all(1)
        deviations = torch.where(symmetric, _SYMMETRIC, _ONE_SIDED)
        varied = gaussian(seeds, (len(components),)) * deviations * self._variation
        first = varied[:, : directions.shape[1]]
        first -= first @ directions.T @ directions
        images = faces_of(pca_coefficients_of(faces) + varied)
        return resized(images.clamp(0, 1), request.recogniser.input_size)


def finished(images: Tensor, *, variation: float, seeds: Sequence[int]) -> Tensor:
    """Return pictures, shape (n, 3, h, w) in [0, 1], mirrored at random and with small pose and light.

    Args:
        images: Shape (n, 3, h, w) in [0, 1].
        variation: The strength; 0 returns the images as they are.
        seeds: A seed for each picture.
    """
    if not variation:
        return images
    uniform, normal = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        uniform.append(torch.rand((), generator=generator))
        normal.append(torch.randn(8, generator=generator))
    mirrored = torch.where(torch.stack(uniform)[:, None, None, None] < 0.5, images.flip(-1), images)
    drawn = variation * torch.stack(normal)
    angle = math.radians(_ROTATION) * drawn[:, 0]
    size = torch.exp(_SIZE * drawn[:, 1])
    cosine, sine = angle.cos() / size, angle.sin() / size
    # The sides of an image are at -1 and 1.
    x, y = 2 * _POSITION * drawn[:, 2], 2 * _POSITION * drawn[:, 3]
    matrices = torch.stack([cosine, -sine, x, sine, cosine, y], 1).unflatten(1, (2, 3))
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    moved = F.grid_sample(mirrored, grid, padding_mode="reflection", align_corners=False)
    brightness, contrast, side, height = (drawn[:, one, None, None, None] for one in (4, 5, 6, 7))
    mean = moved.mean((1, 2, 3), keepdim=True)
    lit = (moved - mean) * torch.exp(_CONTRAST * contrast) + mean * torch.exp(_BRIGHTNESS * brightness)
    across = torch.linspace(-1, 1, images.shape[-1])
    down = torch.linspace(-1, 1, images.shape[-2])[:, None]
    return (lit + _SIDE_LIGHT * (side * across + height * down)).clamp(0, 1)

"""Where an optimisation begins."""

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.images import resized

#: Standard deviation of the noise laid on a start that is a face, so that samples of one identity differ,
#: and its grid: coarse and without colour, since fine grain and coloured spots would stay in the picture.
FACE_START_NOISE = 0.05
FACE_START_GRID = 7
#: Standard deviation of a start at noise, around mid-grey: N(0, 1) in the network's own units.
NOISE_START_DEVIATION = 0.5


def noise_initialisation(*, seeds: list[int], size: int) -> Tensor:
    """Noise, (len(seeds), 3, size, size) in [0, 1]; each image depends on its seed alone."""
    return (0.5 + NOISE_START_DEVIATION * _noise(seeds, (3, size, size))).clamp(0, 1)


def face_initialisation(faces: Tensor, *, seeds: list[int], size: int) -> Tensor:
    """Faces with a little noise, (len(seeds), 3, size, size) in [0, 1].

    Args:
        faces: (len(seeds), 3, h, w) in [0, 1], resized where needed; on the CPU.
    """
    coarse = F.interpolate(_noise(seeds, (1, FACE_START_GRID, FACE_START_GRID)), size, mode="bicubic")
    return (resized(faces, size) + FACE_START_NOISE * coarse).clamp(0, 1)


def _noise(seeds: list[int], shape: tuple[int, ...]) -> Tensor:
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

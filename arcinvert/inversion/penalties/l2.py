"""Distance of the pixels from mid-grey."""

from torch import Tensor

from arcinvert.inversion.penalties.base import Penalty


class SquaredNorm(Penalty):
    """Mean squared distance of the pixels from mid-grey."""

    def __call__(self, images: Tensor) -> Tensor:
        return (images - 0.5).square().mean((1, 2, 3))

"""Gaussian noise."""

from collections.abc import Sequence

from torch import Tensor

from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest, gaussian

#: Standard deviation around mid-grey: N(0, 1) in the units of a network whose input is in -1..1.
DEVIATION = 0.5


class Noise(Initialisation):
    """Gaussian noise around mid-grey, clipped to the range of pixels."""

    of_public_faces = False

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        size = request.recogniser.input_size
        return templates.new_full((len(templates), 3, size, size), 0.5)

    def images(
        self, templates: Tensor, request: InitialisationRequest, *, seeds: Sequence[int], restart: int = 0
    ) -> Tensor:
        return noise_images(seeds=seeds, size=request.recogniser.input_size)


def noise_images(*, seeds: Sequence[int], size: int) -> Tensor:
    """Return noise, shape (len(seeds), 3, size, size) in [0, 1]; each image depends on its seed alone."""
    return (0.5 + DEVIATION * gaussian(seeds, (3, size, size))).clamp(0, 1)

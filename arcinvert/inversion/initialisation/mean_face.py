"""The mean of public faces."""

from torch import Tensor

from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest


class MeanFace(Initialisation):
    """The mean of aligned public faces, which puts eyes, nose and mouth where the network expects them."""

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        return request.knowledge.mean_face.expand(len(templates), -1, -1, -1)

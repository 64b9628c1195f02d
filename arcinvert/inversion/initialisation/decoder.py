"""The face that a learned decoder makes of the template."""

from torch import Tensor

from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest
from arcinvert.knowledge.knowledge import Knowledge
from recognition.errors import InputError


class DecodedFaces(Initialisation):
    """The face that a decoder makes of the template: the network's own, or the bundled one behind a map.

    Without a step after it, it is an attack of one pass (Mai et al., NbNet, arXiv:1703.00832).
    """

    near = True

    @classmethod
    def missing(cls, knowledge: Knowledge, name: str) -> str | None:
        return knowledge.decoder_missing(name)

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        decoder = request.knowledge.decoder
        if decoder is None:
            raise InputError(f"initialisation: {self.missing(request.knowledge, request.recogniser.name)}")
        return decoder.decoded(templates, request.recogniser.input_size)

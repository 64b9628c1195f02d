"""The mean of the public faces whose templates are the most similar."""

from torch import Tensor

from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.nearest_neighbours import NEAREST
from recognition.errors import InputError


class NearestNeighbourFaces(Initialisation):
    """The mean of the nearest public faces; each restart averages another number of them."""

    near = True
    # Now and then a restart ends at another face, which shows after 12 steps, so that more and shorter ones
    # find the person more often in the same time: tuned on people that the bundled network was trained on.
    restarts = len(NEAREST)
    restart_steps = 12
    # Where no public face resembles a person, all restarts may end at somebody else.
    retries = 2

    @classmethod
    def missing(cls, knowledge: Knowledge, name: str) -> str | None:
        if knowledge.nearest_neighbours is not None:
            return None
        return (
            f"expected public faces with templates of {name}, found none; embed some "
            "(arcinvert calibrate --model MODEL --images FACES), or use --initialisation mean-face"
        )

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        neighbours = request.knowledge.nearest_neighbours
        if neighbours is None:
            raise InputError(f"initialisation: {self.missing(request.knowledge, request.recogniser.name)}")
        return neighbours.mean_faces(templates, NEAREST[restart % len(NEAREST)], whiten=request.whiten)

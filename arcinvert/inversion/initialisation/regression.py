"""The face that a linear regression predicts from the template."""

from torch import Tensor

from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest
from arcinvert.knowledge.knowledge import Knowledge
from recognition.errors import InputError


class RegressionFaces(Initialisation):
    """The face that the linear regression of public faces on their templates predicts."""

    @classmethod
    def missing(cls, knowledge: Knowledge, name: str) -> str | None:
        return knowledge.regression_missing(name)

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        regression = request.knowledge.regression
        if regression is None:
            raise InputError(f"initialisation: {self.missing(request.knowledge, request.recogniser.name)}")
        return regression.faces(templates)

"""What Gaussian priors on the parameters of a parametrisation share."""

import contextlib
from abc import abstractmethod
from collections.abc import Iterator

from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties.base import Penalty
from recognition.errors import InputError
from recognition.recogniser import Recogniser


class GaussianPrior(Penalty):
    """Mean square of an image's parameters, which are in units of their standard deviation.

    A subclass says which parameters: `parameters`, and their name in `name`.
    """

    #: What the parameters are called in messages.
    name: str

    def __init__(self) -> None:
        self._parametrisation: Parametrisation | None = None

    @abstractmethod
    def parameters(self, parametrisation: Parametrisation) -> Tensor | None:
        """Return the parameters of each image, shape (batch, ...); None if the parametrisation has none."""

    @contextlib.contextmanager
    def attached(self, recogniser: Recogniser, parametrisation: Parametrisation) -> Iterator[None]:
        self._parametrisation = parametrisation
        try:
            yield
        finally:
            self._parametrisation = None

    def __call__(self, images: Tensor) -> Tensor:
        found = None if self._parametrisation is None else self.parameters(self._parametrisation)
        if found is None:
            raise InputError(f"penalty: expected a parametrisation with {self.name}, got another")
        return found.square().flatten(1).mean(1)

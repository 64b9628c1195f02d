"""A Gaussian prior on the coefficients of the face PCA."""

import contextlib
from collections.abc import Iterator

from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties.base import Penalty, Setting
from recognition.errors import InputError
from recognition.recogniser import Recogniser


class PCAPrior(Penalty):
    """Mean squared coefficient, in squared standard deviations of faces.

    Source: Turk and Pentland, Journal of Cognitive Neuroscience 3(1), 1991.
    """

    def __init__(self) -> None:
        self._parametrisation: Parametrisation | None = None

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        if setting.parametrisation.has_coefficients:
            return None
        return "expected PCA coefficients to penalise, found none; use --parametrisation face-pca"

    @contextlib.contextmanager
    def attached(self, recogniser: Recogniser, parametrisation: Parametrisation) -> Iterator[None]:
        self._parametrisation = parametrisation
        try:
            yield
        finally:
            self._parametrisation = None

    def __call__(self, images: Tensor) -> Tensor:
        coefficients = None if self._parametrisation is None else self._parametrisation.pca_coefficients
        if coefficients is None:
            raise InputError("pca-prior: expected a parametrisation with PCA coefficients, got another")
        return coefficients.square().mean(1)

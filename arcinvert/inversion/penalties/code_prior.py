"""A Gaussian prior on the offsets of a decoder's codes."""

import contextlib
from collections.abc import Iterator

from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties.base import Penalty, Setting
from recognition.errors import InputError
from recognition.recogniser import Recogniser


class CodePrior(Penalty):
    """Mean squared offset of the codes from those of the template, in squared standard deviations of codes.

    Far from the codes of faces a decoder makes what is none.

    Source: Zhu et al., arXiv:2012.09036, for an inversion that stays near the codes of real images.
    """

    def __init__(self) -> None:
        self._parametrisation: Parametrisation | None = None

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        if setting.parametrisation.has_offsets:
            return None
        return "expected offsets of codes to penalise, found none; use --parametrisation decoder"

    @contextlib.contextmanager
    def attached(self, recogniser: Recogniser, parametrisation: Parametrisation) -> Iterator[None]:
        self._parametrisation = parametrisation
        try:
            yield
        finally:
            self._parametrisation = None

    def __call__(self, images: Tensor) -> Tensor:
        offsets = None if self._parametrisation is None else self._parametrisation.offsets
        if offsets is None:
            raise InputError("code-prior: expected a parametrisation with codes, got another")
        return offsets.square().flatten(1).mean(1)

"""A Gaussian prior on the offsets of a decoder's codes."""

from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties.base import Setting
from arcinvert.inversion.penalties.gaussian_prior import GaussianPrior


class CodePrior(GaussianPrior):
    """Mean squared offset of the codes from those of the template, in squared standard deviations of codes.

    Far from the codes of faces a decoder makes what is none.

    Source: Zhu et al., arXiv:2012.09036, for an inversion that stays near the codes of real images.
    """

    name = "codes"

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        if setting.parametrisation.has_offsets:
            return None
        return "expected offsets of codes to penalise, found none; use --parametrisation decoder"

    def parameters(self, parametrisation: Parametrisation) -> Tensor | None:
        return parametrisation.offsets

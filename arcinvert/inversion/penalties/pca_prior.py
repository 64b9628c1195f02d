"""A Gaussian prior on the coefficients of the face PCA."""

from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties.base import Setting
from arcinvert.inversion.penalties.gaussian_prior import GaussianPrior


class PCAPrior(GaussianPrior):
    """Mean squared coefficient, in squared standard deviations of faces.

    Source: Turk and Pentland, Journal of Cognitive Neuroscience 3(1), 1991.
    """

    name = "PCA coefficients"

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        if setting.parametrisation.has_coefficients:
            return None
        return "expected PCA coefficients to penalise, found none; use --parametrisation face-pca"

    def parameters(self, parametrisation: Parametrisation) -> Tensor | None:
        return parametrisation.pca_coefficients

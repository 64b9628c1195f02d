"""What is optimised: leaf tensors, and the images they stand for."""

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.inversion.parametrisations.fourier import Fourier
from arcinvert.inversion.parametrisations.low_resolution import LowResolution
from arcinvert.inversion.parametrisations.pixels import Pixels

#: By the names of the command line.
PARAMETRISATIONS: dict[str, type[Parametrisation]] = {
    "eigenfaces": FacePCA,
    "pixels": Pixels,
    "fourier": Fourier,
}

__all__ = ["PARAMETRISATIONS", "FacePCA", "Fourier", "LowResolution", "Parametrisation", "Pixels"]

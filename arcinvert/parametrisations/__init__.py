"""What is optimised: leaf tensors, and the images they stand for."""

from arcinvert.parametrisations.base import Parametrisation
from arcinvert.parametrisations.coarse import Coarse
from arcinvert.parametrisations.eigenfaces import Eigenfaces
from arcinvert.parametrisations.fourier import Fourier
from arcinvert.parametrisations.pixels import Pixels

#: By the names of the command line.
PARAMETRISATIONS: dict[str, type[Parametrisation]] = {
    "eigenfaces": Eigenfaces,
    "pixels": Pixels,
    "fourier": Fourier,
}

__all__ = ["PARAMETRISATIONS", "Coarse", "Eigenfaces", "Fourier", "Parametrisation", "Pixels"]

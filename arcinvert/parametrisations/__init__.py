"""What is optimised: leaf tensors, and the images they stand for."""

from arcinvert.parametrisations.base import Parametrisation
from arcinvert.parametrisations.fourier import Fourier
from arcinvert.parametrisations.pixels import Pixels

#: By the names of the command line.
PARAMETRISATIONS: dict[str, type[Parametrisation]] = {"pixels": Pixels, "fourier": Fourier}

__all__ = ["PARAMETRISATIONS", "Fourier", "Parametrisation", "Pixels"]

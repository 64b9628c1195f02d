"""Parametrisations: what is optimised, and the images it stands for.

A new parametrisation is one more module here and one more line in `PARAMETRISATIONS`.
"""

from typing import TYPE_CHECKING

from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from arcinvert.inversion.parametrisations.base import Parametrisation as Parametrisation

_HERE = "arcinvert.inversion.parametrisations"
#: Parametrisations by the names that `--parametrisation` takes.
PARAMETRISATIONS: "Registry[type[Parametrisation]]" = Registry(
    "parametrisation",
    {
        "face-pca": Entry(
            f"{_HERE}.face_pca:FacePCA", "coefficients along the principal components of faces"
        ),
        "decoder": Entry(
            f"{_HERE}.decoder:DecodedCodes", "face PCA coefficients and the codes of a learned decoder"
        ),
        "pixels": Entry(f"{_HERE}.pixels:Pixels", "the pixels themselves"),
        "fourier": Entry(f"{_HERE}.fourier:Fourier", "Fourier coefficients, scaled as in photographs"),
    },
)

"""Initialisations: the images that an optimisation starts from.

A new initialisation is one more module here and one more line in `INITIALISATIONS`.
"""

from typing import TYPE_CHECKING

from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from arcinvert.inversion.initialisation.base import Initialisation

_HERE = "arcinvert.inversion.initialisation"
#: Initialisations by the names that `--initialisation` takes, the nearest to the person first.
INITIALISATIONS: "Registry[type[Initialisation]]" = Registry(
    "initialisation",
    {
        "nearest-neighbours": Entry(
            f"{_HERE}.nearest_neighbours:NearestNeighbourFaces",
            "the mean of the public faces whose templates are the most similar",
        ),
        "decoder": Entry(
            f"{_HERE}.decoder:DecodedFaces", "the face that a learned decoder makes of the template"
        ),
        "regression": Entry(
            f"{_HERE}.regression:RegressionFaces", "the face that a linear map predicts from the template"
        ),
        "mean-face": Entry(f"{_HERE}.mean_face:MeanFace", "the mean of public faces"),
        "mean-face-from-weights": Entry(
            f"{_HERE}.mean_face_from_weights:MeanFaceFromWeights",
            "the mean face that the network itself expects of an aligned image",
        ),
        "noise": Entry(f"{_HERE}.noise:Noise", "Gaussian noise"),
    },
)

"""Penalties: what is known of images and of activations of faces, as losses for each image.

A new penalty is one more module here and one more line in `PENALTIES`; `--penalty NAME=WEIGHT` then uses it.
"""

from typing import TYPE_CHECKING, NamedTuple

from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from arcinvert.inversion.penalties.base import Penalty

_HERE = "arcinvert.inversion.penalties"
#: Penalties by the names that `--penalty` takes, in the order in which they are evaluated.
PENALTIES: "Registry[type[Penalty]]" = Registry(
    "penalty",
    {
        "tv": Entry(f"{_HERE}.total_variation:TotalVariation", "total variation"),
        "colour-tv": Entry(
            f"{_HERE}.total_variation:ColourVariation", "total variation of the colours alone"
        ),
        "l2": Entry(f"{_HERE}.l2:SquaredNorm", "mean squared distance of pixels from mid-grey"),
        "tv-norm": Entry(
            f"{_HERE}.deepinversion_image:VariationNorm", "total variation in DeepInversion's form"
        ),
        "l2-norm": Entry(f"{_HERE}.deepinversion_image:ImageNorm", "Euclidean norm of the image"),
        "pca-prior": Entry(f"{_HERE}.pca_prior:PCAPrior", "Gaussian prior on the face PCA coefficients"),
        "code-prior": Entry(
            f"{_HERE}.code_prior:CodePrior", "Gaussian prior on the offsets of a decoder's codes"
        ),
        "bn": Entry(
            f"{_HERE}.bn_relative:RelativeStatistics",
            "batch statistics against BatchNorm's, in units of the training faces' spread",
        ),
        "bn-per-image": Entry(f"{_HERE}.bn_relative:PerImageStatistics", "bn, for each image by itself"),
        "bn-per-position": Entry(
            f"{_HERE}.bn_per_position:PerPositionStatistics",
            "bn, and the statistics of each position as measured on public faces",
        ),
        "bn-arcface": Entry(
            f"{_HERE}.bn_published:ArcFaceStatistics", "BatchNorm statistics in the ArcFace paper's form"
        ),
        "bn-deepinversion": Entry(
            f"{_HERE}.bn_published:DeepInversionStatistics", "BatchNorm statistics in DeepInversion's form"
        ),
    },
)


class WeightedPenalty(NamedTuple):
    """A penalty in an inversion.

    Args:
        name: The name in reported losses.
        weight: The weight in the loss.
        penalty: The penalty itself.
    """

    name: str
    weight: float
    penalty: "Penalty"

"""Targets of an inversion: embeddings to a loss for each image.

A new loss is one more module here and one more line in `LOSSES`.
"""

from typing import TYPE_CHECKING

from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from arcinvert.inversion.targets.base import Target

#: Losses by the names that `--loss` takes.
LOSSES: "Registry[type[Target]]" = Registry(
    "loss",
    {
        "arcface": Entry(
            "arcinvert.inversion.targets.arcface:ClassTarget",
            "the ArcFace loss of a class against all other class centres",
        ),
        "cosine": Entry(
            "arcinvert.inversion.targets.cosine:CosineTarget", "1 - cosine similarity to a template"
        ),
        "euclidean": Entry(
            "arcinvert.inversion.targets.euclidean:EuclideanTarget", "Euclidean distance to a template"
        ),
    },
)

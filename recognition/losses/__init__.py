"""Auxiliary losses, which are added to the loss of any head.

Importing this package does not import torch; a loss's module is imported when the loss is first used.
"""

from typing import TYPE_CHECKING

from recognition import registry
from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from recognition.losses.base import AuxiliaryLoss

#: Auxiliary losses by the names that `train --aux-loss` takes. A new one is a module and one line here.
AUXILIARY_LOSSES: Registry["type[AuxiliaryLoss]"] = Registry(
    "auxiliary loss",
    {
        "centre": Entry("recognition.losses.centre:CentreLoss", "distance to a running mean of the class"),
        "intra": Entry("recognition.losses.intra:IntraLoss", "angle to the class's own centre"),
        "inter": Entry("recognition.losses.inter:InterLoss", "angle between centres, which it widens"),
        "triplet": Entry("recognition.losses.triplet:TripletLoss", "semi-hard triplets within a batch"),
        "tuplet": Entry(
            "recognition.losses.tuplet:TupletLoss", "each pair against all images of others within a batch"
        ),
        "contrastive": Entry("recognition.losses.contrastive:ContrastiveLoss", "all pairs within a batch"),
        "dependence": Entry(
            "recognition.losses.dependence:DependenceLoss",
            "dependence on pixels less that on labels, a defence against inversion",
        ),
    },
)


def build_auxiliary_loss(spec: str, embedding_size: int, classes: int) -> "AuxiliaryLoss":
    """Build an auxiliary loss by name.

    Args:
        spec: A name in `AUXILIARY_LOSSES`, optionally with options of that loss, such as
            `triplet:weight=0.5,margin=0.3`.
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.

    Raises:
        InputError: If no auxiliary loss has this name, or an option is unknown or out of range.
    """
    return registry.build("auxiliary loss", spec, AUXILIARY_LOSSES, embedding_size, classes)

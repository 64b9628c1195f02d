"""Classification heads: logits over the training identities from embeddings and labels, and the loss.

Importing this package does not import torch; a head's module is imported when the head is first used.
"""

from typing import TYPE_CHECKING

from recognition import registry
from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from recognition.heads.base import Head

#: Additive angular margin where none is given, radians: that of the bundled network. The ArcFace paper's 0.5
#: is for data sets of millions of photographs.
DEFAULT_MARGIN = 0.4

#: Heads by the names that `train --head` takes. A new head is a module and one line here.
HEADS: Registry["type[Head]"] = Registry(
    "head",
    {
        "softmax": Entry("recognition.heads.fixed_margin:SoftmaxHead", "plain softmax with biases"),
        "norm-softmax": Entry(
            "recognition.heads.fixed_margin:NormSoftmaxHead", "scaled cosines without a margin"
        ),
        "sphereface": Entry("recognition.heads.fixed_margin:SphereFaceHead", "multiplicative angular margin"),
        "a-softmax": Entry(
            "recognition.heads.fixed_margin:ASoftmaxHead",
            "SphereFace's own: annealed multiplicative margin, scaled by the embedding's norm",
        ),
        "cosface": Entry("recognition.heads.fixed_margin:CosFaceHead", "additive cosine margin"),
        "arcface": Entry("recognition.heads.fixed_margin:ArcFaceHead", "additive angular margin"),
        "combined": Entry("recognition.heads.fixed_margin:CombinedMarginHead", "all three margins, m1 to m3"),
        "cm1": Entry("recognition.heads.fixed_margin:CM1Head", "combined margins 1, 0.3, 0.2"),
        "cm2": Entry("recognition.heads.fixed_margin:CM2Head", "combined margins 0.9, 0.4, 0.15"),
        "subcentre": Entry(
            "recognition.heads.subcentre:SubCentreArcFaceHead", "ArcFace with several centres per class"
        ),
        "adaface": Entry(
            "recognition.heads.adaptive_margin:AdaFaceHead", "margin that adapts to image quality"
        ),
        "magface": Entry(
            "recognition.heads.adaptive_margin:MagFaceHead", "margin that grows with the embedding's norm"
        ),
    },
)


def build_head(
    spec: str, embedding_size: int, classes: int, *, scale: float, margin: float = DEFAULT_MARGIN
) -> "Head":
    """Build a head by name.

    Args:
        spec: A name in `HEADS`, optionally with options of that head, such as
            `combined:m1=0.9,m2=0.4,m3=0.15`.
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Scale of every head on the hypersphere whose spec gives none.
        margin: Additive angular margin, radians, of ArcFace and its variants whose spec gives none; other
            heads have defaults of their own.

    Raises:
        InputError: If no head has this name, or an option is unknown or out of range.
    """
    from recognition.heads.fixed_margin import ArcFaceHead

    defaults = {"scale": scale}
    if issubclass(HEADS[spec.partition(":")[0]], ArcFaceHead):
        defaults["margin"] = margin
    return registry.build("head", spec, HEADS, embedding_size, classes, defaults=defaults)

"""Heads: embeddings and labels to logits over the training identities, one class each."""

from torch import Tensor

from recognition import registry
from recognition.heads.adaptive_margin import AdaFaceHead, MagFaceHead
from recognition.heads.base import CosineHead, Head
from recognition.heads.fixed_margin import (
    ArcFaceHead,
    CM1Head,
    CM2Head,
    CombinedMarginHead,
    CosFaceHead,
    NormSoftmaxHead,
    SoftmaxHead,
    SphereFaceHead,
)
from recognition.heads.margins import additive_angular_margin
from recognition.heads.subcentre import SubCentreArcFaceHead

__all__ = [
    "HEADS",
    "AdaFaceHead",
    "ArcFaceHead",
    "CM1Head",
    "CM2Head",
    "CombinedMarginHead",
    "CosFaceHead",
    "CosineHead",
    "Head",
    "MagFaceHead",
    "NormSoftmaxHead",
    "SoftmaxHead",
    "SphereFaceHead",
    "SubCentreArcFaceHead",
    "additive_angular_margin",
    "arcface_logits",
    "build_head",
]

#: Heads by the names that `train --head` takes.
HEADS: dict[str, type[Head]] = {
    "softmax": SoftmaxHead,
    "norm-softmax": NormSoftmaxHead,
    "sphereface": SphereFaceHead,
    "cosface": CosFaceHead,
    "arcface": ArcFaceHead,
    "combined": CombinedMarginHead,
    "cm1": CM1Head,
    "cm2": CM2Head,
    "subcentre": SubCentreArcFaceHead,
    "adaface": AdaFaceHead,
    "magface": MagFaceHead,
}


def build_head(spec: str, embedding_size: int, classes: int, *, scale: float, margin: float) -> Head:
    """A head by name.

    Args:
        spec: a key of `HEADS`, with options of its own behind it: `combined:m1=0.9,m2=0.4,m3=0.15`.
        scale: of every head on the sphere whose spec says no other.
        margin: radians, of ArcFace and sub-center ArcFace, if their spec says no other.

    Raises:
        InputError: no head has this name, or an option is unknown or out of its range.
    """
    defaults = {"scale": scale}
    if issubclass(HEADS.get(spec.partition(":")[0], Head), ArcFaceHead):
        defaults["margin"] = margin
    return registry.build("head", spec, HEADS, embedding_size, classes, defaults=defaults)


def arcface_logits(cosines: Tensor, labels: Tensor, *, scale: float, margin: float) -> Tensor:
    """ArcFace's logits, (batch, classes): every cosine times `scale`, the target's with the margin.

    Args:
        cosines: (batch, classes), of unit embeddings and unit centres.
        labels: (batch,), class indices.
        scale: the radius of the sphere that embeddings are put on.
        margin: radians.
    """
    targets = cosines.gather(1, labels[:, None])
    with_margin = additive_angular_margin(targets, margin)
    return scale * cosines.scatter(1, labels[:, None], with_margin)

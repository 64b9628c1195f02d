"""Backbones, the networks from images to embeddings, and their registry.

Importing this package does not import torch; a backbone's module is imported when it is first used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from torch import nn

#: Backbones that can be trained and saved, by name. A new one is a module and one line here.
BACKBONES: Registry["Callable[..., nn.Module]"] = Registry(
    "network",
    {
        "iresnet18": Entry("recognition.backbones.iresnet:iresnet18", "IResNet of 8 residual units"),
        "iresnet34": Entry("recognition.backbones.iresnet:iresnet34", "IResNet of 16 residual units"),
        "iresnet50": Entry("recognition.backbones.iresnet:iresnet50", "IResNet of 24 residual units"),
        "iresnet100": Entry("recognition.backbones.iresnet:iresnet100", "IResNet of 49 residual units"),
        "iresnet200": Entry("recognition.backbones.iresnet:iresnet200", "IResNet of 98 residual units"),
        "mobilefacenet": Entry(
            "recognition.backbones.mobilefacenet:MobileFaceNet", "small network of depthwise convolutions"
        ),
    },
)


def build_backbone(name: str, **options: Any) -> "nn.Module":
    """Build a backbone by name, with random weights.

    Args:
        name: A name in `BACKBONES`.
        **options: Options of the backbone, such as `width` and `embedding_size`.

    Raises:
        InputError: If no backbone has this name, or an option is out of range.
    """
    return BACKBONES[name](**options)

"""Backbones and their registry."""

from collections.abc import Callable
from typing import Any

from torch import nn

from recognition.backbones.iresnet import DEPTHS, IResNet
from recognition.backbones.mobilefacenet import MobileFaceNet
from recognition.errors import InputError

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    **{f"iresnet{depth}": lambda depth=depth, **options: IResNet(depth=depth, **options) for depth in DEPTHS},
    "mobilefacenet": MobileFaceNet,
}
NAMES: tuple[str, ...] = tuple(_BUILDERS)


def build_backbone(name: str, **options: Any) -> nn.Module:
    """A backbone by name.

    Args:
        name: one of `NAMES`.
        options: the backbone's own: width, embedding_size, and so on.

    Raises:
        InputError: no backbone has this name, or an option is out of its range.
    """
    if name not in _BUILDERS:
        raise InputError(f"network: expected one of {', '.join(NAMES)}, got {name!r}")
    return _BUILDERS[name](**options)

"""Warm start: initial weights from another network, of the same layout or narrower."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recognition.backbones.iresnet import IResNet
from recognition.backbones.widen import widen
from recognition.errors import InputError
from recognition.heads.base import Head
from recognition.loading import load, with_preset
from recognition.recogniser import Preprocessing, Recogniser
from recognition.seeds import derive_seed

#: The layers of an IResNet whose sizes depend on the embedding's.
_LAST = ("fc.", "features.")


def load_initial_weights(
    model: str | os.PathLike[str],
    backbone: nn.Module,
    head: Head,
    *,
    class_names: tuple[str, ...],
    held_out: Iterable[str],
    seed: int,
) -> dict[str, Any]:
    """Initialise a backbone, and where possible a head, with the weights of another network.

    A network of the same layout is copied; with another embedding size, all but the last layer of an IResNet.
    A narrower IResNet of the same depth and embedding size is widened. The head gets the network's class
    centres if both have the same classes, in any order, and the head has one unit-norm centre per class.

    Args:
        model: The other network, as `with_preset` takes it.
        backbone: The backbone to initialise.
        head: The head to initialise.
        class_names: Names of the training's classes, in order.
        held_out: Names of the identities on which the training is measured.
        seed: Seed of the noise that makes the copied channels of a widened network differ.

    Returns:
        What is saved with the trained network: `name` and `sha256` of the other network, and `centres`,
        whether the head got its class centres.

    Raises:
        InputError: If the network cannot be read, does not fit, expects another preprocessing, or was
            trained on held-out identities, whose measurements would then be too optimistic.
    """
    started = load(with_preset(model))
    name = Path(started.source.path).stem
    if not started.source.sha256:
        raise InputError(
            f"{model}: expected a network with a file of weights to start from, got code alone; "
            "use CODE@WEIGHTS"
        )
    if replace(started.preprocessing, input_size=Preprocessing.input_size) != Preprocessing():
        raise InputError(
            f"{name}: expected a network for RGB images scaled to [-1, 1] to start from, got "
            f"{started.preprocessing}; use another network"
        )
    known = sorted(set(held_out).intersection(started.class_names or ()))
    if known:
        raise InputError(
            f"{name}: expected a network that was not trained on the held-out identities, got one trained "
            f"on {len(known)} of them, such as {known[0]}; use the --seed and --held-out of its training"
        )
    _copy_or_widen(started.backbone, backbone, name, derive_seed("widen", seed))
    centres = _fitting_centres(started, head, class_names)
    if centres is not None:
        with torch.no_grad():
            head.weight.copy_(centres)
    return {"name": name, "sha256": started.source.sha256, "centres": centres is not None}


def _copy_or_widen(old: nn.Module, new: nn.Module, name: str, seed: int) -> None:
    layouts = [{key: value.shape for key, value in part.state_dict().items()} for part in (old, new)]
    if type(old) is type(new):
        if layouts[0] == layouts[1]:
            new.load_state_dict(old.state_dict())
            return
        if _differ_in_the_last_layer(*layouts):
            # Another embedding size: the last layer stays random.
            fitting = {key: value for key, value in old.state_dict().items() if not key.startswith(_LAST)}
            new.load_state_dict(fitting, strict=False)
            return
        if isinstance(old, IResNet) and isinstance(new, IResNet):
            try:
                widen(old, new, seed=seed)
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
            return
    raise InputError(
        f"{name}: expected a network of the same layout to start from, or a narrower IResNet of the same "
        "depth and embedding size, got a different one; use its --network, --width and --embedding-size"
    )


def _differ_in_the_last_layer(old: dict[str, torch.Size], new: dict[str, torch.Size]) -> bool:
    """Return whether two layouts have the same layers, all of one size but the last."""
    return old.keys() == new.keys() and all(
        shape == new[key] or key.startswith(_LAST) for key, shape in old.items()
    )


def _fitting_centres(started: Recogniser, head: Head, class_names: tuple[str, ...]) -> Tensor | None:
    """Return a network's class centres in the order of a training's classes; None if they do not fit."""
    names, centres = started.class_names, started.centres
    if centres is None or names is None or centres.shape != head.weight.shape:
        return None
    index_of = {name: index for index, name in enumerate(names)}
    if not head.one_centre_per_class or index_of.keys() != set(class_names):
        return None
    return centres[[index_of[name] for name in class_names]]

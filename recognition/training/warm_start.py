"""A training that begins with the weights of another network: the same again, or a narrower one widened."""

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
from recognition.heads import CosineHead, Head, SubCentreArcFaceHead
from recognition.loading import load
from recognition.recogniser import Preprocessing, Recogniser
from recognition.seeds import derive_seed


def load_initial_weights(
    model: str | os.PathLike[str],
    backbone: nn.Module,
    head: Head,
    *,
    class_names: tuple[str, ...],
    held_out: Iterable[str],
    seed: int,
) -> dict[str, Any]:
    """Put another network's weights into a training's.

    A network of the same layout is copied, a narrower IResNet of the same depth and embedding size
    widened. Its class centres are the head's too, where they are of the same classes and the head has one
    centre a class on the sphere.

    Args:
        model: as `recognition.loading.load` takes it.
        class_names: of the training, in order; held_out: people whose figures are measured.
        seed: of the noise that tells a widened network's copies apart.

    Returns:
        What to note of it: name, sha256, and whether the centres are its too.

    Raises:
        InputError: it cannot be read, fits neither way, expects other images, or was trained on the held-out
            people, whose figures would then flatter.
    """
    started = load(model)
    name = Path(started.source.path).stem
    if not started.source.sha256:
        raise InputError(f"{model}: expected a file of weights to start from, got code; give code@weights")
    if replace(started.preprocessing, input_size=Preprocessing.input_size) != Preprocessing():
        raise InputError(
            f"{name}: expected a network of RGB images from -1 to 1 to start from, got one of "
            f"{started.preprocessing}; start from another"
        )
    known = sorted(set(held_out).intersection(started.class_names or ()))
    if known:
        raise InputError(
            f"{name}: expected a network that was not trained on the held-out people, got one that knows "
            f"{len(known)} of them, {known[0]} for one; use the --seed and --held-out of its training"
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
        if isinstance(old, IResNet) and isinstance(new, IResNet):
            try:
                widen(old, new, seed=seed)
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
            return
    raise InputError(
        f"{name}: expected a network of the same layout to start from, or a narrower IResNet of the same "
        "depth and embedding size, got another; choose its --network, --width and --embedding-size"
    )


def _fitting_centres(started: Recogniser, head: Head, class_names: tuple[str, ...]) -> Tensor | None:
    one_a_class = isinstance(head, CosineHead) and not isinstance(head, SubCentreArcFaceHead)
    return started.centres if one_a_class and started.class_names == class_names else None

"""The attacked network: made of whatever a user has, and described in results."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn

from recognition.content import content_digest
from recognition.errors import InputError
from recognition.loading import ModelChoice, load
from recognition.loading.networks.inputs import fitted
from recognition.recogniser import Preprocessing, Recogniser

#: What names or is a network.
Model = str | os.PathLike[str] | ModelChoice | Recogniser | nn.Module
#: Libraries whose versions a result depends on.
_LIBRARIES = ("arcinvert", "torch", "torchvision", "numpy", "pillow", "dlib-bin", "onnx")


def as_recogniser(model: Model, preprocessing: Preprocessing | None = None) -> Recogniser:
    """Return a frozen recogniser of anything that names or is a network.

    Args:
        model: See `Attacker`.
        preprocessing: What a torch module expects of an image.

    Raises:
        InputError: If the network cannot be loaded, or a torch module comes without preprocessing.
    """
    if isinstance(model, nn.Module) and not isinstance(model, Recogniser):
        if preprocessing is None:
            raise InputError(
                "preprocessing: expected it with a torch module, got none; say what it takes, such as "
                "preprocessing=Preprocessing(mean=0.5, std=0.5, channels='RGB', input_size=112)"
            )
        name = type(model).__name__
        network = fitted(model, preprocessing.input_size, name)
        return Recogniser(network, name=name, preprocessing=preprocessing).freeze()
    if preprocessing is not None:
        raise InputError("preprocessing: expected it with a torch module only, got it with a named network")
    if isinstance(model, Recogniser):
        return model.freeze()
    if not isinstance(model, str | os.PathLike | ModelChoice):
        raise InputError(
            f"model: expected a name, a file, a Recogniser or a torch module, got {type(model).__name__}"
        )
    return load(model)


def describe_model(recogniser: Recogniser) -> dict[str, Any]:
    """Return what a network is, as JSON."""
    source, centres = recogniser.source, recogniser.centres
    return {
        "name": recogniser.name,
        "sha256": source.sha256,
        "architecture": source.architecture,
        "classes": None if centres is None else len(centres),
        "preprocessing": vars(recogniser.preprocessing) | {"reason": source.reason},
    }


def assumption_notes(recogniser: Recogniser) -> list[str]:
    """Return what results rest on though the network's file leaves it open, as at most one sentence."""
    assumption = recogniser.source.assumption
    if assumption is None:
        return []
    # The page and reports have no other place for it, and the wrong one makes every attack look weak.
    decided = "--preset decides it, and 'arcinvert inspect' compares them on photographs"
    return [f"{recogniser.name}: {assumption}; {decided}."]


def network_digest(recogniser: Recogniser) -> str:
    """Return the SHA-256 of what decides a network's results: weights, centres, preprocessing and output."""
    names = None if recogniser.class_names is None else list(recogniser.class_names)
    settings = (recogniser.scale, recogniser.margin, names, recogniser.output)
    return content_digest(describe_model(recogniser), settings, recogniser)


def environment(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Return what besides options and inputs a result depends on, as JSON."""
    return {
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

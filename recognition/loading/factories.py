"""Networks that code builds: the user's own `package.module:factory`, timm's and torchvision's by name."""

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from torch import nn

from recognition.checkpoint import sha256
from recognition.errors import InputError, one_line
from recognition.files import is_file
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State, Weights, assign_weights, read_weights
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source

#: How a factory is written; anything else is a path.
_FACTORY = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_][\w.]*)(?:@(?P<weights>.+))?")
#: Whether modules of factories are found in the current folder, too.
_search_here = ContextVar("search_here", default=True)
#: Keys of the classifier's weights in timm's and torchvision's networks; its rows are the outputs.
_CLASSIFIERS = ("head.weight", "fc.weight", "classifier.weight", "head.fc.weight", "classifier.1.weight")


@contextlib.contextmanager
def installed_code_only() -> Iterator[None]:
    """Search for the modules of factories among those installed only, and not in the current folder.

    For names of factories that come out of a file: a folder that was downloaded with it may have the module.
    """
    token = _search_here.set(False)
    try:
        yield
    finally:
        _search_here.reset(token)


def is_factory(model: str) -> bool:
    """Return whether a model is given as code to call and not as a file."""
    return _FACTORY.fullmatch(model) is not None and not is_file(model)


def open_factory(model: str) -> Recogniser:
    """Return the recogniser that a factory builds, with the weights of a file if one is given.

    Args:
        model: `package.module:factory[@weights]`, `timm:name[@weights]` or `torchvision:name[@weights]`.

    Raises:
        InputError: If there is no such module, factory or name, if it fails, or if the weights do not fit.
    """
    match = _FACTORY.fullmatch(model)
    if match is None:
        raise InputError(f"{model}: expected package.module:factory")
    weights = Path(match["weights"]) if match["weights"] else None
    stored = None if weights is None else read_weights(weights)
    if match["module"] in ("timm", "torchvision"):
        build = _timm if match["module"] == "timm" else _torchvision
        network, preprocessing, reason = build(match["name"], _outputs(stored))
    else:
        network = _call(match["module"], match["name"], model)
        preprocessing, reason = PRESETS["insightface"], "InsightFace's; give --preset if that is wrong"
    if stored is not None and weights is not None:
        state = _matching(stored, network)
        assign_weights(network, state, weights, f"the network of {match['module']}:{match['name']}")
    return Recogniser(
        network,
        name=match["name"],
        preprocessing=preprocessing,
        source=Source(
            str(weights or model),
            sha256(weights) if weights else "",
            {"network": model.partition("@")[0]},
            "code",
            reason,
        ),
    )


def _matching(stored: Weights, network: nn.Module) -> State:
    """Return the tensors under the names that fit a network best, with prefixes or without."""
    names = network.state_dict().keys()
    forms = (stored.tensors, stored.tensors | stored.head, *stored.by_prefixes())
    return max(forms, key=lambda state: len(names & state.keys()) - len(state.keys() - names))


def _outputs(stored: Weights | None) -> int | None:
    """Return how many outputs the weights' last layer has, or None if there is none."""
    state = stored.tensors | stored.head if stored else {}
    found = [state[key] for key in _CLASSIFIERS if key in state and state[key].ndim == 2] if state else []
    return found[0].shape[0] if found else None


def _call(module: str, name: str, model: str) -> nn.Module:
    # Modules in the working directory are found, as by other tools that take module:name.
    here = str(Path.cwd())
    hidden = [] if _search_here.get() else [one for one in sys.path if one in ("", here)]
    for one in hidden:
        sys.path.remove(one)
    if _search_here.get():
        sys.path.insert(0, here)
    try:
        factory: Any = importlib.import_module(module)
        for part in name.split("."):
            factory = getattr(factory, part)
        network = factory()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{model}: expected an importable package.module:factory, got {one_line(error)}"
        ) from None
    except Exception as error:
        # The user's own code may raise anything; its type and message are reported in one line.
        raise InputError(
            f"{model}: the factory failed with {type(error).__name__}: {one_line(error)}"
        ) from None
    finally:
        if _search_here.get():
            sys.path.remove(here)
        sys.path[:0] = hidden
    if not isinstance(network, nn.Module):
        raise InputError(f"{model}: expected a torch.nn.Module of the factory, got {type(network).__name__}")
    return network


def _timm(name: str, outputs: int | None) -> tuple[nn.Module, Preprocessing, str]:
    try:
        import timm
    except ImportError:
        raise InputError("timm: expected the package timm for its networks; pip install timm") from None
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:3]
        raise InputError(
            f"timm: expected a network's name, got {name!r}; such as {', '.join(near) or 'resnet18'}"
        )
    try:
        network = timm.create_model(name, pretrained=False, num_classes=outputs or 0)
    except Exception as error:
        raise InputError(f"timm: {name} cannot be built ({one_line(error)})") from None
    data: Any = network.pretrained_cfg
    preprocessing = Preprocessing(tuple(data["mean"]), tuple(data["std"]), "RGB", int(data["input_size"][-1]))
    return network, preprocessing, "timm's own configuration of this network"


def _torchvision(name: str, outputs: int | None) -> tuple[nn.Module, Preprocessing, str]:
    from torchvision.models import get_model

    try:
        network = get_model(name, weights=None, **({} if outputs is None else {"num_classes": outputs}))
    except Exception as error:
        raise InputError(f"torchvision: {name} cannot be built ({one_line(error)})") from None
    if outputs is None:
        _remove_classifier(network, name)
    return (
        network,
        PRESETS["imagenet"],
        "torchvision's networks were trained with ImageNet's mean and standard deviation",
    )


def _remove_classifier(network: nn.Module, name: str) -> None:
    for part in ("fc", "classifier", "heads", "head"):
        if hasattr(network, part):
            setattr(network, part, nn.Identity())
            return
    raise InputError(f"torchvision: expected a network with a classifier to remove, got {name}")

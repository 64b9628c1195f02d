"""Networks that code builds: the user's own `package.module:factory`, timm's and torchvision's by name."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from recognition.errors import InputError, one_line
from recognition.loading.choice import PRESETS
from recognition.loading.families import put_in
from recognition.loading.torch_files import read_torch_file, unwrap, without_prefixes
from recognition.recogniser import Preprocessing

#: What names a factory; anything else is a path.
_FACTORY = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_][\w.]*)(?:@(?P<weights>.+))?")
#: Keys of a classifier's weights in timm's and torchvision's networks; their rows are the outputs.
_CLASSIFIERS = ("head.weight", "fc.weight", "classifier.weight", "head.fc.weight", "classifier.1.weight")


def is_factory(model: str) -> bool:
    """Whether a model is given as code to call rather than as a file."""
    return _FACTORY.fullmatch(model) is not None and not Path(model).exists()


def build(model: str) -> tuple[nn.Module, Preprocessing, str, dict[str, Any], Path | None]:
    """The network, its preprocessing and why, its architecture for reports, and its weights' file.

    Raises:
        InputError: there is no such module, factory or name; it fails; or the weights do not fit.
    """
    match = _FACTORY.fullmatch(model)
    if match is None:
        raise InputError(f"{model}: expected package.module:factory")
    weights = Path(match["weights"]) if match["weights"] else None
    state = None if weights is None else read_weights(weights)
    if match["module"] in ("timm", "torchvision"):
        maker = _timm if match["module"] == "timm" else _torchvision
        network, preprocessing, reason = maker(match["name"], _outputs(state))
    else:
        network = _call(match["module"], match["name"], model)
        preprocessing, reason = (
            PRESETS["insightface"],
            "nothing says otherwise; give --preset if it is not so",
        )
    if state is not None and weights is not None:
        put_in(network, state, weights, f"the network of {match['module']}:{match['name']}")
    return network, preprocessing, reason, {"network": model.partition("@")[0]}, weights


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict of a .safetensors or torch file, in float32.

    Raises:
        InputError: it is none.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a file of weights, found no such file; check the path")
    if path.suffix.lower() != ".safetensors":
        return without_prefixes(unwrap(read_torch_file(path), path))
    try:
        return without_prefixes(unwrap(load_file(path), path))
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged safetensors file ({one_line(error)}); get a whole copy") from None


def _outputs(state: dict[str, Tensor] | None) -> int | None:
    """How many outputs the weights' last layer has; None without one."""
    found = [state[key] for key in _CLASSIFIERS if key in state and state[key].ndim == 2] if state else []
    return found[0].shape[0] if found else None


def _call(module: str, name: str, model: str) -> nn.Module:
    # As with any tool that takes module:name, a module beside the user's work is found.
    here = str(Path.cwd())
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
        # The user's own code: whatever it raises is told in one line, with its type.
        raise InputError(
            f"{model}: the factory failed with {type(error).__name__}: {one_line(error)}"
        ) from None
    finally:
        sys.path.remove(here)
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
        _without_classifier(network, name)
    return (
        network,
        PRESETS["imagenet"],
        "torchvision's networks were trained on ImageNet's mean and deviation",
    )


def _without_classifier(network: nn.Module, name: str) -> None:
    for part in ("fc", "classifier", "heads", "head"):
        if hasattr(network, part):
            setattr(network, part, nn.Identity())
            return
    raise InputError(f"torchvision: expected a network with a classifier to take off, got {name}")


@torch.no_grad()
def embedding_size(network: nn.Module, preprocessing: Preprocessing, name: str) -> int:
    """Dimensions of the network's output.

    Raises:
        InputError: it does not run on two images, or gives something else than (2, dim).
    """
    size = preprocessing.input_size
    device = next(
        (value.device for value in (*network.parameters(), *network.buffers())), torch.device("cpu")
    )
    try:
        output = network(torch.zeros(2, 3, size, size, device=device))
    except Exception as error:
        # Another's network: whatever it raises is about the input that it was given.
        raise InputError(
            f"{name}: does not run on a batch of two {size}x{size} images ({one_line(error)}); give its "
            "size as --preset input_size=N"
        ) from None
    if not isinstance(output, Tensor) or output.ndim != 2 or output.shape[0] != 2:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(f"{name}: expected embeddings (batch, dim), got an output of shape {shape}")
    if not output.isfinite().all():
        raise InputError(f"{name}: expected finite embeddings, got others; its weights are damaged")
    return output.shape[1]

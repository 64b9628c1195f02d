"""Load any recogniser: the bundled network, ours, arcface_torch backbones, ONNX files."""

import os
import pickle
import re
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recognition.backbones.iresnet import DEPTHS, LAST_MAP_SIZE, IResNet
from recognition.backbones.mobilefacenet import MobileFaceNet
from recognition.checkpoint import load_recogniser, sha256
from recognition.errors import InputError, one_line
from recognition.recogniser import Preprocessing, Recogniser, Source

#: The name under which `--model` knows the bundled network.
BUNDLED = "lfw-iresnet18"

#: Nodes of an ONNX graph among which its own preprocessing is looked for, as InsightFace does.
_FIRST_NODES = 8
#: The operator set that onnx2torch knows best.
_OPSET = 17
#: Keys below which other projects keep a backbone's state dict.
_WRAPPERS = ("state_dict_backbone", "state_dict", "model", "backbone")
#: Prefixes that parallel wrappers put before every name.
_PREFIXES = ("module.", "backbone.", "model.", "_orig_mod.")


def bundled_path() -> Path:
    """The bundled network's file."""
    return Path(str(files("recognition").joinpath(f"bundled/{BUNDLED}.safetensors")))


def load(model: str | os.PathLike[str] = BUNDLED) -> Recogniser:
    """A frozen recogniser.

    Args:
        model: the bundled network's name, or a file: .safetensors of ours, an arcface_torch
            backbone (.pt, .pth), or .onnx.

    Raises:
        InputError: there is no such file, it is something else, or it is not safe to read.
    """
    if str(model) == BUNDLED:
        recogniser = load_recogniser(bundled_path())
        recogniser.name = BUNDLED
        return recogniser
    path = Path(model)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a model file or the bundled network's name ({BUNDLED}), found no such file; "
            "check the path"
        )
    readers = {
        ".safetensors": load_recogniser,
        ".onnx": _load_onnx,
        ".pt": _load_arcface_torch,
        ".pth": _load_arcface_torch,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: expected a model file ({', '.join(readers)}), got the ending {path.suffix or 'none'!r}"
        )
    return reader(path).freeze()


def _load_arcface_torch(path: Path) -> Recogniser:
    state = _unwrap(_safe_torch_load(path), path)
    if "conv_sep.layers.0.weight" in state:
        backbone, architecture = _mobilefacenet_for(state, path)
    elif "conv1.weight" in state and "layer1.0.bn1.weight" in state:
        backbone, architecture = _iresnet_for(state, path)
    else:
        raise InputError(
            f"{path}: expected the state dict of an arcface_torch IResNet or MobileFaceNet, got "
            f"{len(state)} tensors beginning with {next(iter(state))!r}; export the network to ONNX instead"
        )
    try:
        backbone.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path}: its tensors do not fit {architecture} ({one_line(error)})") from None
    return Recogniser(backbone, name=path.stem, source=Source(str(path), sha256(path), architecture))


def _safe_torch_load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: expected plain tensors, got a file whose loading could run code (or no torch file); "
            "save its state_dict() alone, or convert it to safetensors where you trust it"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: damaged or no torch file ({one_line(error)}); get a whole copy") from None
    except Exception as error:
        # A damaged pickle stream may raise anything the unpickler's tables do.
        raise InputError(f"{path}: damaged torch file ({one_line(error)}); get a whole copy") from None


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
            break
    if not isinstance(loaded, dict) or not loaded:
        raise InputError(f"{path}: expected a state dict, got {type(loaded).__name__}")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()):
        raise InputError(f"{path}: expected a state dict of named tensors, got other values in it")
    while prefix := next((p for p in _PREFIXES if all(key.startswith(p) for key in loaded)), None):
        loaded = {key.removeprefix(prefix): value for key, value in loaded.items()}
    return {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}


def _iresnet_for(state: dict[str, Tensor], path: Path) -> tuple[nn.Module, dict[str, Any]]:
    units = tuple(
        len({match[1] for key in state if (match := re.match(rf"layer{stage}\.(\d+)\.", key))})
        for stage in range(1, 5)
    )
    depth = next((depth for depth, layout in DEPTHS.items() if layout == units), None)
    if depth is None:
        known = ", ".join(f"{layout} ({depth})" for depth, layout in DEPTHS.items())
        raise InputError(f"{path}: expected an IResNet of one of the layouts {known}, got {units}")
    channels, embedding_size = _rows(state, "conv1.weight", path, 4), _rows(state, "fc.weight", path, 2)
    if (inputs := state["fc.weight"].shape[1]) != channels * 8 * LAST_MAP_SIZE**2:
        raise InputError(
            f"{path}: expected a network for 112x112 images ({channels * 8 * LAST_MAP_SIZE**2} inputs of "
            f"its fc layer), got {inputs}"
        )
    options: dict[str, Any] = {"width": channels / 64, "embedding_size": embedding_size}
    return IResNet(depth=depth, **options), {"network": f"iresnet{depth}", **options}


def _mobilefacenet_for(state: dict[str, Tensor], path: Path) -> tuple[nn.Module, dict[str, Any]]:
    options: dict[str, Any] = {
        "width": _rows(state, "conv_sep.layers.0.weight", path, 4) / 512,
        "embedding_size": _rows(state, "features.layers.2.weight", path, 2),
    }
    return MobileFaceNet(**options), {"network": "mobilefacenet", **options}


def _rows(state: dict[str, Tensor], key: str, path: Path, dimensions: int) -> int:
    if key not in state or state[key].ndim != dimensions:
        raise InputError(f"{path}: expected {key!r} of {dimensions} dimensions in the state dict, found none")
    return state[key].shape[0]


def _load_onnx(path: Path) -> Recogniser:
    import onnx

    try:
        # External data could name any file of this machine.
        model = onnx.load(path, load_external_data=False)
        if _has_external_data(model):
            raise InputError(
                f"{path}: expected its weights in it, got external data in other files; save it in one "
                "(onnx.save(onnx.load(path), one_path))"
            )
        onnx.checker.check_model(model)
    except InputError:
        raise
    except Exception as error:
        # protobuf and the checker raise types of their own, all of them about the file.
        raise InputError(
            f"{path}: expected an ONNX model, got a damaged or other file ({one_line(error)})"
        ) from None
    size = _onnx_input_size(model, path)
    try:
        network = _convert(model)
    except (NotImplementedError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: onnx2torch cannot convert it ({one_line(error)}); export it with the legacy exporter "
            "(torch.onnx.export(..., dynamo=False))"
        ) from None
    first = {node.op_type for node in model.graph.node[:_FIRST_NODES]}
    # A graph that begins with Sub and Mul normalises 0..255 by itself.
    own = {"Sub", "Mul"} <= first
    preprocessing = (
        Preprocessing(mean=0.0, std=1 / 255, input_size=size) if own else Preprocessing(input_size=size)
    )
    recogniser = Recogniser(
        network,
        name=path.stem,
        preprocessing=preprocessing,
        source=Source(str(path), sha256(path), {"network": "onnx", "nodes": len(model.graph.node)}),
    ).freeze()
    _check_embedding(recogniser, path)
    return recogniser


def _has_external_data(model: Any) -> bool:
    from onnx.external_data_helper import uses_external_data

    attributes = (attribute for node in model.graph.node for attribute in node.attribute)
    constants = (tensor for attribute in attributes for tensor in (attribute.t, *attribute.tensors))
    return any(uses_external_data(tensor) for tensor in (*model.graph.initializer, *constants))


def _convert(model: Any) -> nn.Module:
    import onnx2torch
    from onnx import version_converter

    try:
        return onnx2torch.convert(model)
    except NotImplementedError:
        # onnx2torch lags behind the exporters' operator sets.
        if model.opset_import[0].version <= _OPSET:
            raise
        return onnx2torch.convert(version_converter.convert_version(model, _OPSET))


def _onnx_input_size(model: Any, path: Path) -> int:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shape = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim] if inputs else []
    if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (0, 3):
        raise InputError(
            f"{path}: expected one image input (batch, 3, height, width), got {len(inputs)} inputs, "
            f"the first {shape}; export the face recogniser alone"
        )
    if shape[2] != shape[3]:
        raise InputError(f"{path}: expected a square image input, got {shape[2]}x{shape[3]}")
    if shape[0] not in (0, 1):
        raise InputError(f"{path}: expected a dynamic batch, got a fixed batch of {shape[0]}; export it anew")
    return shape[2] or Preprocessing().input_size


@torch.no_grad()
def _check_embedding(recogniser: Recogniser, path: Path) -> None:
    size = recogniser.input_size
    try:
        shape = recogniser.backbone(torch.zeros(2, 3, size, size)).shape
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: does not run on a batch of two {size}x{size} images ({one_line(error)}); export it "
            "with a dynamic batch"
        ) from None
    if len(shape) != 2 or shape[0] != 2:
        raise InputError(f"{path}: expected embeddings (batch, dim), got an output of shape {tuple(shape)}")

"""Files of ONNX: checked, converted, and asked what they take."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recognition.errors import InputError, one_line
from recognition.loading.choice import PRESETS
from recognition.loading.limits import MAX_INPUT_SIZE
from recognition.loading.onnx_network import OnnxNetwork
from recognition.recogniser import Preprocessing

#: Metadata of ONNX files of ours: `Preprocessing` as JSON.
PREPROCESSING_KEY = "arcinvert.preprocessing"
#: Nodes of an ONNX graph among which its own preprocessing is looked for, as InsightFace does.
_FIRST_NODES = 8
#: Allowed difference of an image's raw embedding alone and in a batch, relative to the largest number.
_BATCH_TOLERANCE = 1e-3


def read_onnx(path: Path, size: int | None) -> tuple[nn.Module, Preprocessing, str, dict[str, Any]]:
    """The network, its preprocessing and why, and its architecture for reports.

    Args:
        size: of the input where the file leaves it open; None tries the usual ones.

    Raises:
        InputError: no ONNX, weights in other files, an operator without converter, or another network.
    """
    model = _parse(path)
    given = _input_of(model, path)
    fixed = given.batch if given.batch > 0 else None
    sizes = [given.size] if given.size else [size] if size else [112, 160, 224]
    refusal: InputError | None = None
    for side in sizes:
        try:
            network = OnnxNetwork(
                model, size=side, fixed_batch=fixed, channels_last=given.channels_last
            ).eval()
            break
        except InputError as error:
            refusal = refusal or error
    else:
        raise InputError(f"{path}: {refusal}") from None
    if fixed is not None:
        _check_batches(network, side, path)
    try:
        preprocessing, reason = _preprocessing(model, side, open_size=not given.size and size is None)
    except InputError as error:
        raise InputError(f"{path}: {error}; get a whole copy") from None
    return network, preprocessing, reason, {"network": "onnx", "nodes": len(model.graph.node)}


def _parse(path: Path) -> Any:
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
    return model


def _has_external_data(model: Any) -> bool:
    from onnx.external_data_helper import uses_external_data

    graphs = [model.graph, *model.functions]
    attributes = (attribute for graph in graphs for node in graph.node for attribute in node.attribute)
    constants = (tensor for attribute in attributes for tensor in (attribute.t, *attribute.tensors))
    return any(uses_external_data(tensor) for tensor in (*model.graph.initializer, *constants))


class _Input:
    """The image input: `batch` and `size` are 0 where the file leaves them open."""

    def __init__(self, shape: list[int]) -> None:
        self.batch = shape[0]
        self.channels_last = shape[3] == 3 and shape[1] != 3
        sides = shape[1:3] if self.channels_last else shape[2:]
        self.sides = sides
        self.size = max(sides)


def _input_of(model: Any, path: Path) -> _Input:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shape = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim] if inputs else []
    if len(inputs) != 1 or len(shape) != 4 or (shape[1] not in (0, 3) and shape[3] != 3) or min(shape) < 0:
        raise InputError(
            f"{path}: expected one image input (batch, 3, height, width), got {len(inputs)} inputs, "
            f"the first {shape}; export the face recogniser alone"
        )
    given = _Input(shape)
    if given.sides[0] != given.sides[1]:
        raise InputError(f"{path}: expected a square image input, got {given.sides[0]}x{given.sides[1]}")
    if given.size > MAX_INPUT_SIZE:
        raise InputError(
            f"{path}: expected an input of at most {MAX_INPUT_SIZE} pixels a side, got {given.size}"
        )
    if len(model.graph.output) != 1:
        raise InputError(f"{path}: expected one output, the embeddings, got {len(model.graph.output)}")
    return given


def _preprocessing(model: Any, size: int, *, open_size: bool) -> tuple[Preprocessing, str]:
    said = next((entry.value for entry in model.metadata_props if entry.key == PREPROCESSING_KEY), None)
    if said is not None:
        try:
            return replace(Preprocessing(**json.loads(said)), input_size=size), "the file says it"
        except (TypeError, ValueError) as error:
            raise InputError(f"damaged preprocessing in its metadata ({one_line(error)})") from None
    first = {node.op_type for node in model.graph.node[:_FIRST_NODES]}
    open_words = f"; the file leaves the size open, {size} was the first that fits" if open_size else ""
    # A graph that begins with Sub and Mul normalises 0..255 by itself.
    if {"Sub", "Mul"} <= first or {"Sub", "Div"} <= first:
        preset = PRESETS["zero-to-255"]
        reason = "the graph begins by normalising 0..255 itself, as InsightFace's older files do"
    else:
        preset = PRESETS["insightface"]
        reason = "InsightFace's ONNX files take RGB, (value - 127.5) / 127.5; the file does not say"
    return Preprocessing(preset.mean, preset.std, preset.channels, size), reason + open_words


@torch.no_grad()
def _check_batches(network: OnnxNetwork, size: int, path: Path) -> None:
    """An exporter may have written its batch size into the graph: images must not mix."""
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    try:
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
        close = together.shape == alone.shape and bool(
            (together - alone).abs().max() <= _BATCH_TOLERANCE * alone.abs().max()
        )
    except Exception as error:
        # torch raises many types on shapes that do not fit; all of them are about the graph.
        raise InputError(
            f"{path}: was exported for a fixed batch and does not run with another ({one_line(error)}); "
            "export it with a dynamic batch"
        ) from None
    if not close:
        raise InputError(
            f"{path}: was exported for a fixed batch, and mixes the images of others; export it with a "
            "dynamic batch"
        )

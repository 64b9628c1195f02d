"""Reader of ONNX files: checks a file, converts its graph, and finds the preprocessing it expects."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recognition.checkpoint import sha256
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError, one_line
from recognition.files import parse_json, read_bytes
from recognition.loading.choice import ModelChoice
from recognition.loading.conversions import export, one_file, part
from recognition.loading.networks.inputs import CentreCrop, Grey
from recognition.loading.onnx_checks import check_calls, has_external_data
from recognition.loading.onnx_network import OnnxNetwork
from recognition.loading.onnx_preprocessing import Reading, in_words, read_range
from recognition.loading.presets import PRESETS, parse_preset
from recognition.recogniser import MAX_INPUT_SIZE, Preprocessing, Recogniser
from recognition.source import Source

#: Key of the metadata in which `recognition.export` stores the `Preprocessing` as JSON.
PREPROCESSING_KEY = "arcinvert.preprocessing"
#: Largest file in bytes. Source: protobuf's limit of one message.
_MAX_BYTES = 2 << 30
#: Input sizes in pixels that are tried in turn where a file leaves its size open.
_USUAL_SIZES = (ALIGNED_SIZE, PRESETS["facenet"].input_size, PRESETS["imagenet"].input_size)
#: Largest difference between an image's raw embedding alone and in a batch, relative to the largest number.
_BATCH_TOLERANCE = 1e-3


def open_onnx(path: Path, choice: ModelChoice) -> Recogniser:
    """Return the recogniser of an ONNX file.

    Args:
        path: The file.
        choice: Its preset gives the input size where the file leaves it open; otherwise the usual sizes are
            tried.

    Raises:
        InputError: If the file is damaged or has its weights in other files, an operator cannot be converted,
            or the graph is not a network from images to embeddings.
    """
    preset = choice.preset
    size = None if preset is None else parse_preset(preset, PRESETS["insightface"], str(path)).input_size
    model, file_bytes = _parse(path)
    given, output = _input_of(model, path), _output_of(model, choice.output, path)
    fixed = given.batch if given.batch > 0 else None
    is_open = not given.rows and not given.columns
    sizes = [max(given.rows, given.columns)] if not is_open else [size] if size else _USUAL_SIZES
    refusal: InputError | None = None
    for side in sizes:
        try:
            network = OnnxNetwork(
                model,
                size=given.sides(side),
                fixed_batch=fixed,
                channels_last=given.channels_last,
                file_bytes=file_bytes,
                channels=given.channels,
                output=output,
            ).eval()
            break
        except InputError as error:
            refusal = refusal or error
    else:
        raise InputError(f"{path}: {refusal}") from None
    if fixed is not None:
        _check_batches(network, (given.channels, *given.sides(side)), path)
    try:
        preprocessing, reason, readings = _preprocessing(model, network, given, side)
    except InputError as error:
        raise InputError(f"{path}: {error}; get an intact copy") from None
    if is_open and size is None:
        reason += f"; the file leaves the size open, {side} was the first that fits"
    architecture: dict[str, Any] = {"network": "onnx", "nodes": len(model.graph.node)}
    chosen = output if len(model.graph.output) > 1 else ""
    if chosen:
        architecture["output"] = chosen
    return Recogniser(
        _adapted(network, given, side),
        name=path.stem,
        preprocessing=preprocessing,
        source=Source(str(path), sha256(path), architecture, "ONNX", reason, readings, chosen),
    )


def _parse(path: Path) -> tuple[Any, int]:
    """Return the checked model and the size of its file in bytes."""
    import onnx

    data = read_bytes(path, "an ONNX model", _MAX_BYTES)
    size = len(data)
    try:
        model = onnx.load_from_string(data)
        del data
        if has_external_data(model):
            raise InputError(
                "expected its weights in it, got external data in other files; put them into one: "
                f"{one_file(path)}"
            )
        check_calls(model, size)
        _declare(model.graph)
        onnx.checker.check_model(model)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:
        # protobuf and the checker raise their own types, all of them about the file.
        raise InputError(
            f"{path}: expected an ONNX model, got a damaged or other file ({one_line(error)})"
        ) from None
    return model, size


def _declare(graph: Any) -> None:
    """Declare types and shapes of inputs and outputs that have none: onnx's checker alone demands them."""
    for value in (*graph.input, *graph.output):
        if not value.HasField("type"):
            # ONNX's TensorProto.FLOAT.
            value.type.tensor_type.elem_type = 1
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape"):
            value.type.tensor_type.shape.SetInParent()


class _Input:
    """A graph's image input; `batch`, `rows` and `columns` are 0 where the file leaves them open."""

    def __init__(self, shape: list[int], element_type: int) -> None:
        # ONNX's TensorProto.UINT8 to INT64, without FLOAT16 and others of higher numbers.
        self.integers = 2 <= element_type <= 7
        self.batch = shape[0]
        self.channels_last = shape[3] in (1, 3) and shape[1] not in (1, 3)
        self.channels = (shape[3] if self.channels_last else shape[1]) or 3
        self.rows, self.columns = shape[1:3] if self.channels_last else shape[2:]

    def sides(self, size: int) -> tuple[int, int]:
        """Return rows and columns of the input, `size` where the file leaves them open."""
        return self.rows or size, self.columns or self.rows or size


def _input_of(model: Any, path: Path) -> _Input:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shape = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim] if inputs else []
    if (
        len(inputs) != 1
        or len(shape) != 4
        or min(shape) < 0
        or (shape[1] not in (0, 1, 3) and shape[3] not in (1, 3))
    ):
        raise InputError(
            f"{path}: expected one image input (batch, 3, height, width), got {len(inputs)} inputs, "
            f"the first {shape or 'without a shape'}; export the face recogniser alone, or take it out of "
            f"the graph: {part(path, 'INPUT', 'OUTPUT')}"
        )
    given = _Input(shape, inputs[0].type.tensor_type.elem_type)
    if given.columns > given.rows > 0:
        raise InputError(
            f"{path}: expected an image input that is square or higher than wide, as 112x96, got "
            f"{given.rows}x{given.columns}; export the network of whole faces"
        )
    if max(given.rows, given.columns) > MAX_INPUT_SIZE:
        raise InputError(
            f"{path}: expected an input of at most {MAX_INPUT_SIZE} pixels a side, got "
            f"{max(given.rows, given.columns)}"
        )
    return given


def _adapted(network: nn.Module, given: _Input, side: int) -> nn.Module:
    """Return the network behind what makes its input of square colour images."""
    rows, columns = given.sides(side)
    if rows != columns:
        network = CentreCrop(network, rows, columns)
    return network if given.channels != 1 else Grey(network)


def _output_of(model: Any, chosen: str | None, path: Path) -> str:
    """Return the name of the output that is the embedding: the chosen one, or the only one of its shape."""
    shapes = {
        value.name: [one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in model.graph.output
    }
    if chosen is not None:
        fitting = [chosen] if chosen in shapes else []
    elif len(shapes) == 1:
        fitting = list(shapes)
    else:
        # A norm or quality beside the embedding has one number for each image.
        fitting = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1] != 1]
    if len(fitting) != 1:
        listed = ", ".join(f"{name} {shape or 'without a shape'}" for name, shape in shapes.items())
        wanted = "one output, the embeddings" if chosen is None else f"an output {chosen}"
        raise InputError(f"{path}: expected {wanted}, got {listed}; give --output NAME")
    return fitting[0]


def _preprocessing(
    model: Any, network: OnnxNetwork, given: _Input, size: int
) -> tuple[Preprocessing, str, tuple[str, ...]]:
    """Return the preprocessing that a graph expects, why, and the presets that it leaves open."""
    stored = next((entry.value for entry in model.metadata_props if entry.key == PREPROCESSING_KEY), None)
    if stored is not None:
        try:
            return replace(Preprocessing(**parse_json(stored)), input_size=size), "stored in the file", ()
        except (ArithmeticError, TypeError, ValueError) as error:
            raise InputError(f"damaged preprocessing in its metadata ({one_line(error)})") from None
    reading = read_range(network, channels_last=given.channels_last, integer_input=given.integers)
    preset = PRESETS[reading.preset or "insightface"]
    preprocessing = Preprocessing(preset.mean, preset.std, reading.channels, size)
    return preprocessing, _reason(reading), (reading.text, *reading.others) if reading.others else ()


def _reason(reading: Reading) -> str:
    """Return in words why a preprocessing is assumed."""
    if reading.preset is None:
        found = reading.constants or "this file has no preprocessing"
        return f"InsightFace's ONNX files take RGB, (value - 127.5) / 127.5; {found}"
    taken = in_words(reading.text)
    if reading.followed:
        reason = f"the graph normalises its input itself and takes {taken}: {reading.constants}"
    else:
        reason = f"the graph may take {taken}: {reading.constants}"
    if not reading.others:
        return reason
    others = ", ".join(f"{in_words(name)} (--preset {name})" for name in reading.others)
    return f"ambiguous: {reason}; it may take {others} as well; inspect --images decides"


@torch.no_grad()
def _check_batches(network: OnnxNetwork, shape: tuple[int, ...], path: Path) -> None:
    """Check that the images of a batch do not affect each other, whatever batch size was exported."""
    images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    try:
        together = network(images)
        if not together.isfinite().all():
            # A root or a logarithm has no values of negative pixels.
            images = images.abs()
            together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
        # What is not finite either way says nothing of the batch, and is refused as that.
        close = together.shape == alone.shape and bool(
            (together - alone).nan_to_num(0.0).abs().max()
            <= _BATCH_TOLERANCE * alone.nan_to_num().abs().max()
        )
    except Exception as error:
        # torch raises many types on shapes that do not fit, all of them about the graph.
        raise InputError(
            f"{path}: was exported for a fixed batch and does not run with another ({one_line(error)}); "
            f"export it with a dynamic batch: {export(path)}"
        ) from None
    if not close:
        raise InputError(
            f"{path}: was exported for a fixed batch, and mixes the images of others; export it with a "
            f"dynamic batch: {export(path)}"
        )

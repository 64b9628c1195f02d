"""An ONNX graph as a torch module, for gradients to the images.

The graph is traced once on torch's meta device, on tensors without content. This finds the rank of every
value, computes what is constant, and refuses graphs that would need more memory than a face recogniser does
before any of it is allocated. Operators with weights become torch layers, named after their position in the
graph. Everything is computed in float32, whatever the file stores.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from recognition.errors import InputError, one_line
from recognition.loading.conversions import of_operators
from recognition.loading.limits import MAX_LIVE_ACTIVATIONS, Budget, meta_state, on_meta, size_guard
from recognition.loading.onnx_layers import BUILDERS, gemm, prelu
from recognition.loading.onnx_operators import FUNCTIONS
from recognition.loading.onnx_operators.attributes import check_attributes
from recognition.loading.onnx_operators.base import Function, Node, integers, torch_type

_ALL_FUNCTIONS: dict[str, Function] = FUNCTIONS | {"Gemm": gemm, "PRelu": prelu}
#: Operators that can be converted.
OPERATORS = frozenset({"Constant", *_ALL_FUNCTIONS, *BUILDERS})
#: Operators that need the values of their inputs and not only their shapes.
_NEED_VALUES = frozenset({"Resize", "Upsample", "Range", "Pad", "Clip"})
#: Most floating-point operations for two images. A ViT-L needs 0.25e12.
_MAX_FLOPS = 1e12
#: Bytes of memory per byte of a tensor whose numbers are stored one by one.
_UNPACKED = 5
#: Number of images in the batch that the graph is traced with.
_BATCH = 2


@dataclass(frozen=True)
class _Step:
    """One computation of the network.

    Args:
        node: The node that is computed.
        layer: Name of its layer in `layers`, or None if it is a function.
        of_shapes: Whether its inputs follow from shapes alone, so that it is computed on the CPU.
        last_use: Names of the values that no later step reads.
    """

    node: Node
    layer: str | None
    of_shapes: bool = False
    last_use: tuple[str, ...] = ()


class OnnxNetwork(nn.Module):
    """A converted graph: prepared images, shape (batch, 3, h, w), to raw embeddings, (batch, dim).

    Args:
        model: A checked `onnx.ModelProto` that contains its weights.
        size: Side of the square input in pixels, or its rows and columns.
        fixed_batch: The batch size that the file was exported for, or None if it is open.
        channels_last: Whether the graph takes images of shape (batch, h, w, 3).
        file_bytes: Size of the file, which limits what its constants may take.
        channels: Number of channels of the input, 3 or 1.
        output: Name of the graph's output that is returned; None returns the first.

    Raises:
        InputError: If operators cannot be converted, all of which are named, or the graph does not compute an
            output for two images.
    """

    def __init__(
        self,
        model: Any,
        *,
        size: int | tuple[int, int],
        fixed_batch: int | None,
        channels_last: bool,
        file_bytes: int,
        channels: int = 3,
        output: str | None = None,
    ) -> None:
        super().__init__()
        self._fixed_batch = fixed_batch
        #: Whether the graph takes images of shape (batch, h, w, 3); `forward` takes (batch, 3, h, w).
        self.channels_last = channels_last
        self.layers = nn.ModuleDict()
        #: Name of the graph's input.
        self.input_name: str
        #: Buffers of floating-point constants by name; as buffers they move with the network to a device.
        self._floats: dict[str, str] = {}
        #: Constants by name that stay on the CPU: integers, such as shapes, and what is computed with them.
        self._sizes: dict[str, Tensor] = {}
        #: Values by name that follow from shapes alone, of a batch of two.
        self._of_shapes: dict[str, Tensor] = {}
        self._steps: list[_Step] = []
        graph = model.graph
        budget = Budget(file_bytes)
        try:
            nodes = _nodes(model, budget)
            constants = {tensor.name: _tensor(tensor, budget) for tensor in graph.initializer}
        except InputError:
            raise
        except Exception as error:
            # onnx raises many types on tensors and attributes that contradict their declaration.
            raise InputError(f"damaged tensor or attribute ({one_line(error)}); get an intact copy") from None
        (self.input_name,) = (value.name for value in graph.input if value.name not in constants)
        #: Name of the output that is returned.
        self.output_name = graph.output[0].name if output is None else output
        sides = (size, size) if isinstance(size, int) else size
        #: Shape of an image as `forward` takes it.
        self.image_shape: tuple[int, ...] = (channels, *sides)
        self._trace(nodes, constants, (*sides, channels) if channels_last else (channels, *sides), budget)

    def _trace(
        self, nodes: list[Node], constants: dict[str, Tensor], shape: tuple[int, ...], budget: Budget
    ) -> None:
        values: dict[str, Tensor] = {self.input_name: torch.empty((_BATCH, *shape), device="meta")}
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), size_guard(budget), counter:
            for node in nodes:
                try:
                    self._trace_node(node, constants, values)
                except InputError:
                    raise
                except Exception as error:
                    # torch raises many types on shapes that do not fit; all of them are about the graph.
                    raise InputError(f"node {node.operator} {node.name!r}: {one_line(error)}") from None
                if counter.get_total_flops() > _MAX_FLOPS:
                    raise InputError(f"expected at most {_MAX_FLOPS:.0e} operations for two images, got more")
        if self.output_name not in values:
            raise InputError("expected an output computed from the images, got a constant")
        self._of_shapes = {name: value for name, value in values.items() if not value.is_meta}
        self._store_constants(constants, budget)
        self._check_live(values)

    def _check_live(self, values: dict[str, Tensor]) -> None:
        """Check how much memory the values that exist at one time take, from their shapes."""
        live: dict[str, int] = {}
        for step in self._steps:
            live |= {
                name: values[name].numel() * values[name].element_size()
                for name in step.node.outputs
                if name in values
            }
            if (held := sum(live.values())) > MAX_LIVE_ACTIVATIONS:
                raise InputError(
                    f"node {step.node.operator} {step.node.name!r}: expected activations of at most "
                    f"{MAX_LIVE_ACTIVATIONS:,} bytes at one time for two images, got {held:,}"
                )
            for name in step.last_use:
                live.pop(name, None)

    def _trace_node(self, node: Node, constants: dict[str, Tensor], values: dict[str, Tensor]) -> None:
        if node.operator == "Constant":
            constants[node.outputs[0]] = _constant(node)
            return
        given = [constants.get(name) for name in node.inputs]
        if all(name in constants or not name for name in node.inputs):
            outputs = _as_tuple(_ALL_FUNCTIONS[node.operator](node, *given))
            constants.update(zip(node.outputs, outputs, strict=False))
            return
        builder = BUILDERS.get(node.operator)
        first = values.get(node.inputs[0])
        layer = None if builder is None or first is None else builder(node, given, first.shape)
        of_shapes = False
        if layer is not None:
            name = f"{len(self._steps):04}_{re.sub(r'[^0-9A-Za-z_]+', '_', node.name) or node.operator}"
            self.layers[name] = layer.eval()
            outputs = (torch.func.functional_call(layer, meta_state(layer), (first,)),)
        else:
            name = None
            if node.operator not in _ALL_FUNCTIONS:
                raise InputError(f"node {node.operator} {node.name!r}: expected weights stored in the file")
            of_shapes = not any(name in values and values[name].is_meta for name in node.inputs)
            keep = of_shapes or node.operator in _NEED_VALUES
            inputs = [_traced(one, constants, values, keep=keep) for one in node.inputs]
            node = _keeping_batch(node, inputs)
            outputs = self.compute(node, inputs[: len(node.inputs)])
        self._steps.append(_Step(node, name, of_shapes))
        values.update(zip(node.outputs, outputs, strict=False))

    def _store_constants(self, constants: dict[str, Tensor], budget: Budget) -> None:
        """Store the constants that functions read, and find the last step that reads each value."""
        seen: set[str] = {self.output_name}
        steps = []
        for step in reversed(self._steps):
            names = step.node.inputs[:1] if step.layer else step.node.inputs
            for name in names:
                if name in constants and constants[name].is_floating_point() and not step.of_shapes:
                    self._floats.setdefault(name, f"constant_{len(self._floats):04}")
                elif name in constants:
                    self._sizes[name] = constants[name]
            last = tuple({name for name in names if name and name not in seen and name not in constants})
            seen.update(names)
            steps.append(replace(step, last_use=last))
        self._steps = steps[::-1]
        for name, buffer in self._floats.items():
            # The copy of an expanded constant is as large as it looks.
            budget.add_constant(constants[name].shape, constants[name].element_size(), f"constant {name!r}")
            self.register_buffer(buffer, constants[name].clone(), persistent=True)

    def operations(self) -> Iterator[tuple[Node, nn.Module | None, list[Tensor | None]]]:
        """Yield the computations in their order: the node, its layer or None, and its constant inputs.

        What follows from shapes alone counts as constant, and is that of a batch of two. An input that is not
        constant, or is stored in the layer, is None.
        """
        for step in self._steps:
            layer = None if step.layer is None else self.layers[step.layer]
            constants = [
                self._value(name, self._of_shapes)
                if name in self._floats or name in self._sizes or name in self._of_shapes
                else None
                for name in step.node.inputs
            ]
            yield step.node, layer, constants

    def compute(self, node: Node, values: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        """Return the outputs of a node without weights for these inputs; None is one that is not given."""
        if self._fixed_batch is not None:
            values = _for_any_batch(node, values, self._fixed_batch)
        return _as_tuple(_ALL_FUNCTIONS[node.operator](node, *values))

    def values(
        self, images: Tensor, names: Collection[str], replaced: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Return values of the graph by name.

        Args:
            images: Prepared images, (batch, 3, h, w).
            names: The values to return, as the file names them; names that nothing computes are left out.
            replaced: What later operations read in place of values that the graph computes, by name.
        """
        substitutes = replaced or {}
        values: dict[str, Tensor] = {
            self.input_name: images.permute(0, 2, 3, 1) if self.channels_last else images
        }
        found: dict[str, Tensor] = {}
        for step in self._steps:
            outputs: tuple[Tensor, ...]
            if step.layer is not None:
                outputs = (self.layers[step.layer](values[step.node.inputs[0]]),)
            else:
                given = [self._value(name, values, step.of_shapes) for name in step.node.inputs]
                outputs = self.compute(step.node, given)
            for name, value in zip(step.node.outputs, outputs, strict=False):
                values[name] = substitutes.get(name, value)
                if name in names:
                    found[name] = value
            for name in step.last_use:
                del values[name]
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, shape (batch, dim), of prepared images, (batch, 3, h, w)."""
        return self.values(images, (self.output_name,))[self.output_name]

    def _value(self, name: str, values: dict[str, Tensor], of_shapes: bool = False) -> Tensor | None:
        if name in values:
            return values[name]
        if name in self._floats and not of_shapes:
            return self.get_buffer(self._floats[name])
        return self._sizes[name] if name else None


def _traced(
    name: str, constants: dict[str, Tensor], values: dict[str, Tensor], *, keep: bool
) -> Tensor | None:
    """Return an input for the trace; of a floating-point constant its shape alone, unless it is kept."""
    if name in values:
        return values[name]
    value = constants[name] if name else None
    return value if keep or value is None or not value.is_floating_point() else on_meta(value)


def _keeping_batch(node: Node, values: Sequence[Tensor | None]) -> Node:
    """Return a Squeeze with the axes that it removes for a batch of two; other nodes as they are.

    A single image's batch is an axis of length 1 like others, and would be removed with them.

    Raises:
        InputError: If the node names an axis other than the batch that is longer than 1.
    """
    value = values[0]
    if node.operator != "Squeeze" or value is None:
        return node
    given = values[1] if len(values) > 1 else node.get("axes")
    axes = range(value.ndim) if given is None else [axis % value.ndim for axis in integers(given)]
    longer = [axis for axis in axes if axis and value.shape[axis] != 1]
    if longer and given is not None:
        raise InputError(
            f"node Squeeze {node.name!r}: expected axes of length 1, got {value.shape[longer[0]]}"
        )
    removed = [axis for axis in axes if value.shape[axis] == 1]
    return replace(node, inputs=node.inputs[:1], attributes=node.attributes | {"axes": removed})


def _as_tuple(outputs: Any) -> tuple[Tensor, ...]:
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def _nodes(model: Any, budget: Budget) -> list[Node]:
    """Return the graph's nodes, with the model's own functions inlined."""
    import onnx
    from onnx.inliner import inline_local_functions

    if model.functions:
        model.CopyFrom(inline_local_functions(model))
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 1))
    unknown = sorted(
        {
            node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
            for node in model.graph.node
            if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx")
        }
    )
    if unknown:
        raise InputError(f"no converter for the operators {', '.join(unknown)}; {of_operators(unknown)}")
    made = [
        Node(
            node.op_type,
            node.name,
            tuple(node.input),
            tuple(node.output),
            {one.name: _attribute(onnx.helper.get_attribute_value(one), budget) for one in node.attribute},
            opset,
        )
        for node in model.graph.node
    ]
    for node in made:
        check_attributes(node)
    return made


def _attribute(value: Any, budget: Budget) -> Any:
    from onnx import TensorProto

    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _tensor(value, budget) if isinstance(value, TensorProto) else value


def _tensor(stored: Any, budget: Budget) -> Tensor:
    """Return a stored tensor; floating point of any width becomes float32."""
    from onnx import numpy_helper

    dtype = torch_type(stored.data_type)
    # Numbers that are not stored as raw bytes become Python objects on the way.
    item_bytes = dtype.itemsize * (1 if stored.HasField("raw_data") else _UNPACKED)
    budget.add_constant(tuple(stored.dims), item_bytes, f"tensor {stored.name!r}")
    array = numpy_helper.to_array(stored)
    # torch does not know the bfloat16 of ml_dtypes.
    return torch.from_numpy(array.astype("float32" if dtype == torch.float32 else array.dtype)).to(dtype)


def _constant(node: Node) -> Tensor:
    for attribute, dtype in (
        ("value_float", torch.float32),
        ("value_floats", torch.float32),
        ("value_int", torch.int64),
        ("value_ints", torch.int64),
    ):
        if attribute in node.attributes:
            return torch.tensor(node.get(attribute), dtype=dtype)
    if "value" not in node.attributes:
        raise InputError(f"Constant {node.name!r}: expected numbers, got {', '.join(node.attributes)}")
    value = node.get("value")
    assert isinstance(value, Tensor)  # noqa: S101 - `_attribute` made it one
    return value


def _for_any_batch(node: Node, values: Sequence[Tensor | None], fixed: int) -> Sequence[Tensor | None]:
    """Return a node's inputs for the current batch, if its sizes contain the exporter's batch size."""
    first = values[0]
    if node.operator == "Reshape" and first is not None and values[1] is not None:
        batch, sizes = first.shape[0], integers(values[1])
        known = 1
        for size in sizes:
            known *= size if size > 0 else 1
        if sizes and sizes[0] == fixed and first.ndim and batch != fixed:
            own = first.numel() == known and -1 not in sizes
            sizes = sizes if own else [batch, *sizes[1:]]
        return [first, torch.tensor(sizes)]
    if node.operator == "Concat" and node.get("axis") != 0:
        batch = max(value.shape[0] for value in values if value is not None and value.ndim)
        if any(value is not None and value.ndim > 1 and value.shape[0] == fixed for value in values):
            return [
                value.expand(batch, *value.shape[1:])
                if value is not None and value.ndim > 1 and value.shape[0] == 1
                else value
                for value in values
            ]
    return values

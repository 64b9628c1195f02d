"""What all ONNX operators share: a graph's node, element types, and the devices of computed values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recognition.errors import InputError

#: A function of a node and its inputs that returns the output or a tuple of outputs.
Function = Callable[..., Any]


@dataclass(frozen=True)
class Node:
    """One node of a graph.

    Args:
        operator: Name of the ONNX operator.
        name: The node's own name.
        inputs: Names of its inputs; an empty name is an input that is not given.
        outputs: Names of its outputs; an empty name is an output that is not used.
        attributes: Python values and tensors by name.
        opset: Version of the operator set.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return an attribute, or the default if the node does not have it."""
        return self.attributes.get(attribute, default)


#: ONNX's element types as torch's; floating point of any width is computed in float32.
_TYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    4: torch.uint16,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,
    11: torch.float32,
    16: torch.float32,
}


def torch_type(element_type: int) -> torch.dtype:
    """Return the torch dtype in which values of an ONNX element type are computed.

    Raises:
        InputError: If the type is not a plain number.
    """
    if element_type not in _TYPES:
        raise InputError(f"ONNX element type {element_type}: expected a plain number type")
    return _TYPES[element_type]


def integers(value: Any) -> list[int]:
    """Return the numbers of an integer tensor or attribute."""
    return [int(number) for number in (value.tolist() if isinstance(value, Tensor) else value)]


def on_one_device(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return both values on one device; those computed from shapes are on the CPU, activations may not be."""
    if first.device != second.device:
        target = second.device if first.device.type == "cpu" else first.device
        return first.to(target), second.to(target)
    return first, second

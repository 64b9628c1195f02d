"""ONNX's QuantizeLinear and DequantizeLinear, as an int8 export has them around its operators.

Quantised values are computed as whole numbers in float32. Rounding passes the gradient through unchanged
(the straight-through estimator, Bengio et al., arXiv:1308.3432): its own gradient is 0, so that nothing would
reach the images.
"""

import torch
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.onnx_operators.base import Function, Node, torch_type

#: Types of quantised values that are implemented; those of 4 bits and floating-point ones are not.
_QUANTISED = (torch.uint8, torch.int8, torch.uint16, torch.int16)


def _along(node: Node, parameter: Tensor, value: Tensor) -> Tensor:
    """Return a scale or zero point, of all, an axis or blocks, in a shape that broadcasts over the values."""
    parameter = parameter.to(value.device, torch.float32)
    if parameter.numel() == 1:
        return parameter.reshape(())
    axis = node.get("axis", 1) % value.ndim
    if block := node.get("block_size", 0):
        if parameter.ndim != value.ndim:
            raise InputError(f"{node.operator}: expected a scale of {value.ndim} dimensions for its blocks")
        return parameter.repeat_interleave(block, axis).narrow(axis, 0, value.shape[axis])
    if parameter.shape != (value.shape[axis],):
        raise InputError(
            f"{node.operator}: expected one scale or {value.shape[axis]}, got {list(parameter.shape)}"
        )
    return parameter.reshape([-1 if one == axis else 1 for one in range(value.ndim)])


def quantised_type(node: Node, zero_point: Tensor | None) -> torch.dtype:
    """Return the type of the integers that a node makes or takes.

    Raises:
        InputError: If they have neither 8 nor 16 bits.
    """
    # Without either, quantised values are ONNX's element type 2, unsigned bytes.
    dtype = torch_type(node.get("output_dtype", 0) or 2) if zero_point is None else zero_point.dtype
    if dtype not in _QUANTISED:
        raise InputError(f"{node.operator}: expected integers of 8 or 16 bits, got {dtype}; export float32")
    return dtype


def _quantize(node: Node, value: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
    limits = torch.iinfo(quantised_type(node, zero_point))
    scaled = value.float() / _along(node, scale, value)
    # Rounded first, as the specification has it, and the zero point is whole.
    rounded = scaled + (scaled.round() - scaled).detach()
    if zero_point is not None:
        rounded = rounded + _along(node, zero_point, value)
    return rounded.clamp(limits.min, limits.max)


def _dequantize(node: Node, value: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
    numbers = value.float()
    if zero_point is not None:
        numbers = numbers - _along(node, zero_point, value)
    return numbers * _along(node, scale, value)


#: Functions by operator.
FUNCTIONS: dict[str, Function] = {"QuantizeLinear": _quantize, "DequantizeLinear": _dequantize}

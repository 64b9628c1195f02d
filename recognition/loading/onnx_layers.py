"""ONNX operators with weights, as torch modules, so that hooks on layers find them as in other networks."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.loading.limits import check_elements
from recognition.loading.onnx_operators.base import Node
from recognition.loading.onnx_operators.feature_maps import pool_padding

#: From a node, its constant inputs (None where an input is computed) and the shape of its first input, makes
#: the layer that takes the first input alone, or None where the function of the same operator is needed.
Builder = Callable[[Node, Sequence[Tensor | None], Sequence[int]], nn.Module | None]


class OnnxConv2d(nn.Conv2d):
    """A convolution with ONNX's padding, whose sides may differ.

    Args:
        node: The node with the convolution's attributes.
        weight: Shape (outputs, inputs / groups, rows, columns).
        bias: Shape (outputs,), or None.

    Raises:
        InputError: If the number of groups does not divide the outputs.
    """

    def __init__(self, node: Node, weight: Tensor, bias: Tensor | None) -> None:
        groups = node.get("group", 1)
        if weight.shape[0] % groups:
            raise InputError(f"Conv: expected a divisor of {weight.shape[0]} groups, got {groups}")
        with torch.device("meta"):
            super().__init__(
                weight.shape[1] * groups,
                weight.shape[0],
                (weight.shape[2], weight.shape[3]),
                stride=tuple(node.get("strides") or (1, 1)),
                dilation=tuple(node.get("dilations") or (1, 1)),
                groups=groups,
                bias=bias is not None,
            )
        self.weight = nn.Parameter(weight)
        if bias is not None:
            self.bias = nn.Parameter(bias)
        self._node = node

    def forward(self, features: Tensor) -> Tensor:
        left, right, top, bottom = pool_padding(
            self._node, features, list(self.kernel_size), list(self.stride)
        )
        padding = (top, left)
        if (left, top) != (right, bottom):
            features, padding = F.pad(features, (left, right, top, bottom)), (0, 0)
        return F.conv2d(features, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def _conv(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    weight = constants[1]
    if weight is None or weight.ndim != 4 or len(shape) != 4:
        raise InputError(f"Conv {node.name}: expected a two-dimensional convolution with weights of its own")
    return OnnxConv2d(node, weight, constants[2] if len(constants) > 2 else None)


class OnnxConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with ONNX's padding and output sizes.

    Args:
        node: The node with the convolution's attributes.
        weight: Shape (inputs, outputs / groups, rows, columns).
        bias: Shape (outputs,), or None.
        sides: Rows and columns of the input.

    Raises:
        InputError: If the number of groups does not divide the inputs, or an output side is below 1.
    """

    def __init__(self, node: Node, weight: Tensor, bias: Tensor | None, sides: Sequence[int]) -> None:
        groups = node.get("group", 1)
        if weight.shape[0] % groups:
            raise InputError(f"ConvTranspose: expected a divisor of {weight.shape[0]} groups, got {groups}")
        with torch.device("meta"):
            super().__init__(
                weight.shape[0],
                weight.shape[1] * groups,
                (weight.shape[2], weight.shape[3]),
                stride=tuple(node.get("strides") or (1, 1)),
                dilation=tuple(node.get("dilations") or (1, 1)),
                groups=groups,
                bias=bias is not None,
            )
        self.weight = nn.Parameter(weight)
        if bias is not None:
            self.bias = nn.Parameter(bias)
        #: What is added to (or, negative, cut from) the complete output, in torch's order.
        self._margins = [margin for axis in (1, 0) for margin in self._margins_of(node, axis, sides[axis])]

    def _margins_of(self, node: Node, axis: int, size: int) -> tuple[int, int]:
        stride, extent = self.stride[axis], (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
        more = (node.get("output_padding") or (0, 0))[axis]
        automatic = node.get("auto_pad", "NOTSET")
        complete = stride * (size - 1) + extent
        target = (node.get("output_shape") or (0, 0))[-2:][axis]
        if not target and automatic in ("SAME_UPPER", "SAME_LOWER"):
            # A kernel smaller than its stride gives fewer rows, as in onnxruntime.
            target = min(size * stride, complete + more)
        if target:
            total = max(0, complete + more - target)
            before = total // 2 if automatic == "SAME_UPPER" else total - total // 2
            after = total - before
            more = max(more, target - complete)
        else:
            pads = node.get("pads") or (0, 0, 0, 0)
            before, after = (0, 0) if automatic == "VALID" else (pads[axis], pads[axis + 2])
        if complete + more - before - after < 1:
            raise InputError(f"ConvTranspose: expected an output, got {complete + more - before - after}")
        check_elements((complete + abs(more),) * 2, "ConvTranspose")
        return -before, more - after

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the output; its size follows from the node."""
        complete = F.conv_transpose2d(
            features, self.weight, None, self.stride, 0, 0, self.groups, self.dilation
        )
        output = F.pad(complete, self._margins)
        return output if self.bias is None else output + self.bias[:, None, None]


def _conv_transpose(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    weight = constants[1]
    if weight is None or weight.ndim != 4 or len(shape) != 4:
        raise InputError(
            f"ConvTranspose {node.name}: expected a two-dimensional convolution with weights of its own"
        )
    bias = constants[2] if len(constants) > 2 else None
    return OnnxConvTranspose2d(node, weight, bias, shape[2:])


def _batch_norm(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    weight, bias, mean, variance = constants[1:5]
    if weight is None or bias is None or mean is None or variance is None:
        raise InputError(f"BatchNormalization {node.name}: expected constant weights and statistics")
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    with torch.device("meta"):
        layer = kind(len(weight), eps=node.get("epsilon", 1e-5))
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    layer.running_mean, layer.running_var = mean.clone(), variance.clone()
    layer.num_batches_tracked = torch.tensor(0)
    return layer


def _gemm(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    weight = constants[1]
    bias = constants[2] if len(constants) > 2 else None
    if weight is None or len(shape) != 2 or node.get("transA", 0) or (len(constants) > 2 and bias is None):
        return None
    if bias is not None and bias.ndim > 1 and bias.shape[0] != 1:
        # One row for each of the first matrix, which a linear layer does not have.
        return None
    weight = node.get("alpha", 1.0) * (weight if node.get("transB", 0) else weight.T)
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.contiguous())
    if bias is not None:
        layer.bias = nn.Parameter((node.get("beta", 1.0) * bias).reshape(-1).expand(weight.shape[0]).clone())
    return layer


def _mat_mul(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    weight = constants[1]
    if constants[0] is not None or weight is None or weight.ndim != 2 or len(shape) < 2:
        return None
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[0], weight.shape[1], bias=False)
    layer.weight = nn.Parameter(weight.T.contiguous())
    return layer


class ChannelPReLU(nn.PReLU):
    """PReLU whose slopes have any shape that broadcasts over (batch, channels, ...)."""

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(slopes)

    def forward(self, features: Tensor) -> Tensor:
        return torch.where(features < 0, features * self.weight, features)


def _prelu(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    slopes = constants[1]
    if slopes is None:
        return None
    per_channel = slopes.shape == (slopes.numel(), *[1] * (len(shape) - 2)) or (
        # MXNet's exporter wrote slopes of channels without the axes of rows and columns, which broadcast
        # over columns alone: where they cannot, they are of channels.
        len(shape) == 4 and slopes.ndim == 1 and slopes.numel() == shape[1] != shape[3]
    )
    if slopes.numel() == 1 or (len(shape) > 1 and per_channel):
        layer = nn.PReLU(slopes.numel())
        layer.weight = nn.Parameter(slopes.reshape(-1).contiguous())
        return layer
    return ChannelPReLU(slopes)


def _layer_norm(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    weight, bias = constants[1], constants[2] if len(constants) > 2 else None
    axis = node.get("axis", -1) % len(shape)
    if weight is None or weight.ndim != len(shape) - axis or (len(constants) > 2 and bias is None):
        raise InputError(f"LayerNormalization {node.name}: expected constant weights of the last axes")
    layer = nn.LayerNorm(weight.shape, eps=node.get("epsilon", 1e-5), bias=bias is not None)
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer


def _group_norm(node: Node, constants: Sequence[Tensor | None], shape: Sequence[int]) -> nn.Module | None:
    weight, bias, groups = constants[1], constants[2], node.get("num_groups")
    if weight is None or bias is None or node.opset < 21 or len(weight) % groups:
        raise InputError(f"GroupNormalization {node.name}: expected operator set 21 and a weight a channel")
    layer = nn.GroupNorm(groups, len(weight), eps=node.get("epsilon", 1e-5))
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer


#: Makers of layers by operator.
BUILDERS: dict[str, Builder] = {
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "MatMul": _mat_mul,
    "PRelu": _prelu,
}


def gemm(node: Node, first: Tensor, second: Tensor, third: Tensor | None = None) -> Tensor:
    """Compute ONNX's Gemm of matrices that are not constant."""
    product = node.get("alpha", 1.0) * (
        (first.T if node.get("transA", 0) else first) @ (second.T if node.get("transB", 0) else second)
    )
    if third is None:
        return product
    sizes = zip(reversed(third.shape), reversed(product.shape), strict=False)
    if third.ndim > product.ndim or any(own not in (1, size) for own, size in sizes):
        raise InputError(
            f"Gemm {node.name!r}: expected a summand C that broadcasts to {tuple(product.shape)}, got "
            f"{tuple(third.shape)}; export the network with a dynamic batch"
        )
    return product + node.get("beta", 1.0) * third


def prelu(node: Node, value: Tensor, slopes: Tensor) -> Tensor:
    """Compute ONNX's PRelu with slopes that are not constant."""
    return torch.where(value < 0, value * slopes, value)

"""Public projects' networks as functions of their state dicts, for random weights under the projects' names.

Each is written from the paper's and the project's description, and serves as the oracle of the converted one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def conv_bn(
    state: State, prefix: str, inputs: int, outputs: int, kernel, depthwise=False, slopes=True
) -> None:
    """Add a convolution `conv`, a BatchNorm `bn`, and the slopes `prelu`, with random values."""
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    shape = (outputs, 1 if depthwise else inputs, rows, columns)
    state[f"{prefix}.conv.weight"] = torch.randn(shape) / (shape[1] * rows * columns) ** 0.5
    batch_norm(state, f"{prefix}.bn", outputs)
    if slopes:
        state[f"{prefix}.prelu.weight"] = 0.25 + 0.1 * torch.randn(outputs)


def batch_norm(state: State, prefix: str, channels: int, affine: bool = True) -> None:
    """Add a BatchNorm with random values."""
    if affine:
        state[f"{prefix}.weight"] = 1 + 0.1 * torch.randn(channels)
        state[f"{prefix}.bias"] = 0.1 * torch.randn(channels)
    state[f"{prefix}.running_mean"] = 0.1 * torch.randn(channels)
    state[f"{prefix}.running_var"] = 0.5 + torch.rand(channels)
    state[f"{prefix}.num_batches_tracked"] = torch.tensor(7)


def normed(state: State, prefix: str, values: Tensor, eps: float = 1e-5) -> Tensor:
    """Apply a BatchNorm of the state dict."""
    mean, variance = state[f"{prefix}.running_mean"], state[f"{prefix}.running_var"]
    weight, bias = state.get(f"{prefix}.weight"), state.get(f"{prefix}.bias")
    return F.batch_norm(values, mean, variance, weight, bias, eps=eps)


def convolved(state: State, prefix: str, values: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Apply a convolution `conv`, its `bn`, and its `prelu` if it has one."""
    weight = state[f"{prefix}.conv.weight"]
    groups = weight.shape[0] if weight.shape[1] == 1 and weight.shape[0] > 1 else 1
    values = normed(state, f"{prefix}.bn", F.conv2d(values, weight, None, stride, padding, groups=groups))
    slopes = state.get(f"{prefix}.prelu.weight")
    return values if slopes is None else F.prelu(values, slopes)


def depthwise(state: State, prefix: str, inputs: int, outputs: int, hidden: int) -> None:
    conv_bn(state, f"{prefix}.conv", inputs, hidden, 1)
    conv_bn(state, f"{prefix}.conv_dw", hidden, hidden, 3, depthwise=True)
    conv_bn(state, f"{prefix}.project", hidden, outputs, 1, slopes=False)


def mobilefacenet_state(*, nested: bool, dim: int = 8, kernel=7, pooled: bool = False) -> State:
    """Return tensors under the names of InsightFace_Pytorch and FaceX-Zoo, or TFace (`nested`).

    With `pooled` the last layers are global norm-aware pooling (GNAP).
    """
    state: State = {}
    conv_bn(state, "conv1", 3, 4, 3)
    conv_bn(state, "conv2_dw", 4, 4, 3, depthwise=True)
    widths = {"conv_23": (4, 4, 8), "conv_34": (4, 6, 12), "conv_45": (6, 6, 16)}
    for name, units in (("conv_3", 2), ("conv_4", 3), ("conv_5", 1)):
        strided = {"conv_3": "conv_23", "conv_4": "conv_34", "conv_5": "conv_45"}[name]
        depthwise(state, strided, *widths[strided])
        outputs = widths[strided][1]
        for number in range(units):
            depthwise(state, f"{name}.model.{number}", outputs, outputs, 2 * outputs)
    conv_bn(state, "conv_6_sep", 6, 16, 1)
    if pooled:
        batch_norm(state, "output_layer.bn1", 16, affine=False)
        batch_norm(state, "output_layer.bn2", 16, affine=False)
        return state
    last = "output_layer." if nested else ""
    conv_bn(state, f"{last}conv_6_dw", 16, 16, kernel, depthwise=True, slopes=False)
    state[f"{last}linear.weight"] = torch.randn(dim, 16)
    batch_norm(state, f"{last}bn", dim, affine=not nested)
    return state


def mobilefacenet(state: State, images: Tensor) -> Tensor:
    """Compute the embeddings of `mobilefacenet_state`."""

    def block(prefix: str, values: Tensor, stride: int) -> Tensor:
        hidden = convolved(state, f"{prefix}.conv_dw", convolved(state, f"{prefix}.conv", values), stride, 1)
        return convolved(state, f"{prefix}.project", hidden)

    values = convolved(state, "conv2_dw", convolved(state, "conv1", images, 2, 1), 1, 1)
    for strided, name in (("conv_23", "conv_3"), ("conv_34", "conv_4"), ("conv_45", "conv_5")):
        values = block(strided, values, 2)
        for number in range(len({key.split(".")[2] for key in state if key.startswith(f"{name}.model.")})):
            values = values + block(f"{name}.model.{number}", values, 1)
    values = convolved(state, "conv_6_sep", values)
    if "output_layer.bn1.running_mean" in state:
        values = normed(state, "output_layer.bn1", values)
        norms = values.square().sum(1, keepdim=True).sqrt()
        values = values * torch.stack([one.mean() for one in norms])[:, None, None, None] / norms
        return normed(state, "output_layer.bn2", values.mean(3).mean(2))
    last = "output_layer." if "output_layer.linear.weight" in state else ""
    values = convolved(state, f"{last}conv_6_dw", values).flatten(1)
    return normed(state, f"{last}bn", values @ state[f"{last}linear.weight"].T)


def bottlenecks_state(*, kernel=(7, 6)) -> State:
    """Return tensors under the names of Xiaoccer's MobileFaceNet_Pytorch, with few channels."""
    state: State = {}
    conv_bn(state, "conv1", 3, 4, 3)
    conv_bn(state, "dw_conv1", 4, 4, 3, depthwise=True)
    inputs = 4
    settings = [(2, 4)] * 2 + [(4, 6)] + [(2, 6)] * 2 + [(4, 6)] + [(2, 6)]
    for number, (expansion, outputs) in enumerate(settings):
        prefix, hidden = f"blocks.{number}.conv", expansion * inputs
        state[f"{prefix}.0.weight"] = torch.randn(hidden, inputs, 1, 1) / inputs**0.5
        batch_norm(state, f"{prefix}.1", hidden)
        state[f"{prefix}.2.weight"] = 0.2 + 0.1 * torch.randn(hidden)
        state[f"{prefix}.3.weight"] = torch.randn(hidden, 1, 3, 3) / 3
        batch_norm(state, f"{prefix}.4", hidden)
        state[f"{prefix}.5.weight"] = 0.2 + 0.1 * torch.randn(hidden)
        state[f"{prefix}.6.weight"] = torch.randn(outputs, hidden, 1, 1) / hidden**0.5
        batch_norm(state, f"{prefix}.7", outputs)
        inputs = outputs
    conv_bn(state, "conv2", 6, 16, 1)
    conv_bn(state, "linear7", 16, 16, kernel, depthwise=True, slopes=False)
    conv_bn(state, "linear1", 16, 8, 1, slopes=False)
    return state


def bottlenecks(state: State, images: Tensor) -> Tensor:
    """Compute the embeddings of `bottlenecks_state`; strides of 2 are at units 0, 2 and 5."""
    values = convolved(state, "dw_conv1", convolved(state, "conv1", images, 2, 1), 1, 1)
    for number in range(7):
        prefix, stride = f"blocks.{number}.conv", 2 if number in (0, 2, 5) else 1
        hidden = normed(state, f"{prefix}.1", F.conv2d(values, state[f"{prefix}.0.weight"]))
        hidden = F.prelu(hidden, state[f"{prefix}.2.weight"])
        weight = state[f"{prefix}.3.weight"]
        hidden = normed(state, f"{prefix}.4", F.conv2d(hidden, weight, None, stride, 1, groups=len(weight)))
        hidden = F.prelu(hidden, state[f"{prefix}.5.weight"])
        output = normed(state, f"{prefix}.7", F.conv2d(hidden, state[f"{prefix}.6.weight"]))
        values = values + output if stride == 1 else output
    values = convolved(state, "linear7", convolved(state, "conv2", values))
    return convolved(state, "linear1", values).flatten(1)


def large_state() -> State:
    """Return tensors under the names of arcface_torch's `mbf_large`: residual units in the second place."""
    state: State = {}

    def unit(
        prefix: str, inputs: int, outputs: int, kernel: int, groups: int = 1, slopes: bool = True
    ) -> None:
        state[f"{prefix}.layers.0.weight"] = torch.randn(outputs, inputs // groups, kernel, kernel) / kernel
        batch_norm(state, f"{prefix}.layers.1", outputs)
        if slopes:
            state[f"{prefix}.layers.2.weight"] = 0.25 + 0.1 * torch.randn(outputs)

    def block(prefix: str, inputs: int, outputs: int, hidden: int) -> None:
        unit(f"{prefix}.layers.0", inputs, hidden, 1)
        unit(f"{prefix}.layers.1", hidden, hidden, 3, hidden)
        unit(f"{prefix}.layers.2", hidden, outputs, 1, slopes=False)

    unit("layers.0", 3, 8, 3)
    for stage, units, channels, hidden in ((1, 2, 8, 4), (3, 3, 8, 4), (5, 4, 12, 6), (7, 2, 12, 6)):
        for number in range(units):
            block(f"layers.{stage}.layers.{number}", channels, channels, hidden)
    for stage, inputs, outputs, hidden in ((2, 8, 8, 4), (4, 8, 12, 6), (6, 12, 12, 10)):
        block(f"layers.{stage}", inputs, outputs, hidden)
    unit("conv_sep", 12, 16, 1)
    unit("features.layers.0", 16, 16, 7, 16, slopes=False)
    state["features.layers.2.weight"] = torch.randn(8, 16)
    batch_norm(state, "features.layers.3", 8)
    return state


def large(state: State, images: Tensor) -> Tensor:
    """Compute the embeddings of `large_state`."""

    def unit(prefix: str, values: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        weight = state[f"{prefix}.layers.0.weight"]
        groups = values.shape[1] // weight.shape[1]
        values = normed(
            state, f"{prefix}.layers.1", F.conv2d(values, weight, None, stride, padding, groups=groups)
        )
        slopes = state.get(f"{prefix}.layers.2.weight")
        return values if slopes is None else F.prelu(values, slopes)

    def block(prefix: str, values: Tensor, stride: int = 1) -> Tensor:
        hidden = unit(f"{prefix}.layers.1", unit(f"{prefix}.layers.0", values), stride, 1)
        return unit(f"{prefix}.layers.2", hidden)

    values = unit("layers.0", images, 2, 1)
    for stage in range(1, 8):
        if stage % 2 == 0:
            values = block(f"layers.{stage}", values, 2)
            continue
        for number in range({1: 2, 3: 3, 5: 4, 7: 2}[stage]):
            values = values + block(f"layers.{stage}.layers.{number}", values)
    values = unit("features.layers.0", unit("conv_sep", values)).flatten(1)
    return normed(state, "features.layers.3", values @ state["features.layers.2.weight"].T)


def vit_state(*, batch_norms: bool = False, bias: bool = False, dim: int = 16, depth: int = 2) -> State:
    """Return tensors under the names of arcface_torch's vision transformers."""
    state: State = {"mask_token": torch.randn(1, 1, dim), "pos_embed": torch.randn(1, 144, dim)}

    def linear(prefix: str, inputs: int, outputs: int, bias: bool = True) -> None:
        state[f"{prefix}.weight"] = torch.randn(outputs, inputs) / inputs**0.5
        if bias:
            state[f"{prefix}.bias"] = torch.randn(outputs)

    def norm(prefix: str) -> None:
        if batch_norms:
            batch_norm(state, f"{prefix}.bn", 144)
        else:
            state[f"{prefix}.weight"], state[f"{prefix}.bias"] = 1 + torch.randn(dim) / 5, torch.randn(dim)

    state["patch_embed.proj.weight"] = torch.randn(dim, 3, 9, 9) / 16
    state["patch_embed.proj.bias"] = torch.randn(dim)
    for number in range(depth):
        norm(f"blocks.{number}.norm1")
        linear(f"blocks.{number}.attn.qkv", dim, 3 * dim, bias)
        linear(f"blocks.{number}.attn.proj", dim, dim)
        norm(f"blocks.{number}.norm2")
        linear(f"blocks.{number}.mlp.fc1", dim, 4 * dim)
        linear(f"blocks.{number}.mlp.fc2", 4 * dim, dim)
    norm("norm")
    linear("feature.0", 144 * dim, dim, bias=False)
    batch_norm(state, "feature.1", dim)
    linear("feature.2", dim, 8, bias=False)
    batch_norm(state, "feature.3", 8)
    return state


def vit(state: State, images: Tensor) -> Tensor:
    """Compute the embeddings of `vit_state`, with eight heads."""

    def linear(prefix: str, values: Tensor) -> Tensor:
        return F.linear(values, state[f"{prefix}.weight"], state.get(f"{prefix}.bias"))

    def norm(prefix: str, values: Tensor) -> Tensor:
        if f"{prefix}.weight" in state:
            return F.layer_norm(values, values.shape[-1:], state[f"{prefix}.weight"], state[f"{prefix}.bias"])
        return normed(state, f"{prefix}.bn", values)

    # Each patch's pixels times the kernel, patch by patch.
    kernel = state["patch_embed.proj.weight"]
    patches = F.unfold(images, 9, stride=9).transpose(1, 2)
    tokens = patches @ kernel.flatten(1).T + state["patch_embed.proj.bias"] + state["pos_embed"]
    batch, count, dim = tokens.shape
    for number in range(len({key.split(".")[1] for key in state if key.startswith("blocks.")})):
        parts = linear(f"blocks.{number}.attn.qkv", norm(f"blocks.{number}.norm1", tokens))
        query, key, value = (
            part.reshape(batch, count, 8, dim // 8).transpose(1, 2) for part in parts.chunk(3, dim=-1)
        )
        weights = (query @ key.transpose(2, 3) * (dim // 8) ** -0.5).softmax(-1)
        tokens = tokens + linear(
            f"blocks.{number}.attn.proj", (weights @ value).transpose(1, 2).reshape(batch, count, dim)
        )
        hidden = linear(f"blocks.{number}.mlp.fc1", norm(f"blocks.{number}.norm2", tokens)).clamp(0, 6)
        tokens = tokens + linear(f"blocks.{number}.mlp.fc2", hidden)
    values = norm("norm", tokens).reshape(batch, -1)
    values = normed(state, "feature.1", linear("feature.0", values), eps=2e-5)
    return normed(state, "feature.3", linear("feature.2", values), eps=2e-5)


def grey_state(*, excited: bool = True, units=(2, 2, 2, 2)) -> State:
    """Return tensors under the names of arcface-pytorch's `resnet_face18`."""
    channels = (4, 6, 8, 10)
    state: State = {"conv1.weight": torch.randn(4, 1, 3, 3), "prelu.weight": torch.tensor([0.2])}
    batch_norm(state, "bn1", 4)
    inputs = 4
    for stage in range(4):
        for number in range(units[stage]):
            prefix, outputs = f"layer{stage + 1}.{number}", channels[stage]
            for name, size in (("bn0", inputs), ("bn1", inputs), ("bn2", outputs)):
                batch_norm(state, f"{prefix}.{name}", size)
            state[f"{prefix}.conv1.weight"] = torch.randn(inputs, inputs, 3, 3) / (3 * inputs**0.5)
            state[f"{prefix}.conv2.weight"] = torch.randn(outputs, inputs, 3, 3) / (3 * inputs**0.5)
            state[f"{prefix}.prelu.weight"] = torch.rand(1)
            if excited:
                state[f"{prefix}.se.fc.0.weight"] = torch.randn(2, outputs)
                state[f"{prefix}.se.fc.0.bias"] = torch.randn(2)
                state[f"{prefix}.se.fc.1.weight"] = torch.rand(1)
                state[f"{prefix}.se.fc.2.weight"] = torch.randn(outputs, 2)
                state[f"{prefix}.se.fc.2.bias"] = torch.randn(outputs)
            if number == 0 and stage:
                state[f"{prefix}.downsample.0.weight"] = torch.randn(outputs, inputs, 1, 1)
                batch_norm(state, f"{prefix}.downsample.1", outputs)
            inputs = outputs
    batch_norm(state, "bn4", 10)
    state["fc5.weight"], state["fc5.bias"] = torch.randn(8, 10 * 64) / 25, torch.randn(8)
    batch_norm(state, "bn5", 8)
    return state


def grey(state: State, images: Tensor) -> Tensor:
    """Compute the embeddings of `grey_state` from grey images (batch, 1, 128, 128)."""
    values = normed(state, "bn1", F.conv2d(images, state["conv1.weight"], padding=1))
    values = F.max_pool2d(F.prelu(values, state["prelu.weight"]), 2)
    for prefix in sorted({key.rsplit(".bn0", 1)[0] for key in state if ".bn0." in key}):
        stride = 2 if prefix.endswith(".0") and not prefix.startswith("layer1") else 1
        slopes, shortcut = state[f"{prefix}.prelu.weight"], values
        values = F.conv2d(normed(state, f"{prefix}.bn0", values), state[f"{prefix}.conv1.weight"], padding=1)
        values = F.prelu(normed(state, f"{prefix}.bn1", values), slopes)
        values = F.conv2d(values, state[f"{prefix}.conv2.weight"], stride=stride, padding=1)
        values = normed(state, f"{prefix}.bn2", values)
        if f"{prefix}.se.fc.0.weight" in state:
            means = (
                values.mean((2, 3)) @ state[f"{prefix}.se.fc.0.weight"].T + state[f"{prefix}.se.fc.0.bias"]
            )
            means = F.prelu(means, state[f"{prefix}.se.fc.1.weight"])
            means = means @ state[f"{prefix}.se.fc.2.weight"].T + state[f"{prefix}.se.fc.2.bias"]
            values = values * means.sigmoid()[:, :, None, None]
        if f"{prefix}.downsample.0.weight" in state:
            shortcut = F.conv2d(shortcut, state[f"{prefix}.downsample.0.weight"], stride=2)
            shortcut = normed(state, f"{prefix}.downsample.1", shortcut)
        values = F.prelu(values + shortcut, slopes)
    values = normed(state, "bn4", values).flatten(1) @ state["fc5.weight"].T + state["fc5.bias"]
    return normed(state, "bn5", values)


def sphere_state(layers=(3, 5, 1, 3), channels=(2, 3, 4, 5), dim: int = 8, classes: int = 6) -> State:
    """Return tensors under the names of sphereface_pytorch, with few channels."""
    state: State = {}
    inputs = 3
    for stage, (count, outputs) in enumerate(zip(layers, channels, strict=True), 1):
        for number in range(1, count + 1):
            state[f"conv{stage}_{number}.weight"] = torch.randn(outputs, inputs, 3, 3) / (9 * inputs) ** 0.5
            state[f"conv{stage}_{number}.bias"] = 0.1 * torch.randn(outputs)
            state[f"relu{stage}_{number}.weight"] = 0.25 + 0.1 * torch.randn(outputs)
            inputs = outputs
    state["fc5.weight"] = torch.randn(dim, 7 * 6 * inputs) / 20
    state["fc5.bias"] = 0.1 * torch.randn(dim)
    state["fc6.weight"] = torch.randn(dim, classes)
    return state


def sphere(state: State, values: Tensor) -> Tensor:
    """Compute the embeddings of `sphere_state`, of images of 112x96 pixels."""

    def unit(name: str, values: Tensor, stride: int = 1) -> Tensor:
        weight, bias = state[f"conv{name}.weight"], state[f"conv{name}.bias"]
        return F.prelu(F.conv2d(values, weight, bias, stride, 1), state[f"relu{name}.weight"])

    for stage in range(1, 5):
        values = unit(f"{stage}_1", values, 2)
        number = 2
        while f"conv{stage}_{number}.weight" in state:
            values = values + unit(f"{stage}_{number + 1}", unit(f"{stage}_{number}", values))
            number += 2
    return F.linear(values.flatten(1), state["fc5.weight"], state["fc5.bias"])

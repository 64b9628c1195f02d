"""Names and shapes of the tensors that public projects write, at the size of their published networks.

Each function follows a project's own code of its network, and none of this project's. The tensors take no
memory: all their elements are one number.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
#: Units of each stage of the IResNets.
DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 200: (6, 26, 60, 6)}
#: Units of each stage of networks with 152 layers in InsightFace_Pytorch, face.evoLVe and FaceX-Zoo.
IR_152 = (3, 8, 36, 3)
CHANNELS = (64, 128, 256, 512)


def tensors(shapes: Shapes, value: float = 0.5) -> dict[str, Tensor]:
    """Return tensors of these shapes that hold one element each."""
    made = {}
    for name, shape in shapes.items():
        dtype = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        made[name] = torch.full((1,) * len(shape), value).to(dtype).expand(shape)
    return made


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def norm(name: str, channels: int, affine: bool = True) -> Shapes:
    """Return the names and shapes of a BatchNorm."""
    parts = [*(["weight", "bias"] if affine else []), "running_mean", "running_var"]
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs)} | ({f"{name}.bias": (outputs,)} if bias else {})


def iresnet(units: Sequence[int], dim: int = 512, counters: bool = True) -> Shapes:
    """arcface_torch, backbones/iresnet.py. Files of torch before 0.4.1 do not count batches."""
    shapes: Shapes = {"conv1.weight": (64, 3, 3, 3), "prelu.weight": (64,)} | norm("bn1", 64)
    inputs = 64
    for stage, (count, outputs) in enumerate(zip(units, CHANNELS, strict=True), 1):
        for number in range(count):
            unit = f"layer{stage}.{number}"
            shapes |= norm(f"{unit}.bn1", inputs) | {f"{unit}.conv1.weight": (outputs, inputs, 3, 3)}
            shapes |= norm(f"{unit}.bn2", outputs) | {f"{unit}.prelu.weight": (outputs,)}
            shapes |= {f"{unit}.conv2.weight": (outputs, outputs, 3, 3)} | norm(f"{unit}.bn3", outputs)
            if number == 0:
                shapes |= {f"{unit}.downsample.0.weight": (outputs, inputs, 1, 1)}
                shapes |= norm(f"{unit}.downsample.1", outputs)
            inputs = outputs
    shapes |= norm("bn2", 512) | linear("fc", dim, 512 * 7 * 7) | norm("features", dim)
    return {name: shape for name, shape in shapes.items() if counters or "num_batches" not in name}


def ir_body(
    units: Sequence[int],
    *,
    inner_norm: bool = False,
    excitation: str | None = None,
    affine: bool = True,
    side: int = 7,
    bottleneck: bool = False,
) -> Shapes:
    """InsightFace_Pytorch, model.py (`Backbone`); TFace and AdaFace put a BatchNorm into each unit.

    Args:
        units: Units of each stage.
        inner_norm: Whether the first convolution of a unit has a BatchNorm.
        excitation: Name of squeeze-and-excitation in a unit; None if it has none.
        affine: Whether the last BatchNorm has a weight.
        side: Side of the last feature map.
        bottleneck: Whether units have three convolutions, as TFace's IR_152 and IR_200.
    """
    shapes: Shapes = {"input_layer.0.weight": (64, 3, 3, 3), "input_layer.2.weight": (64,)}
    shapes |= norm("input_layer.1", 64)
    inputs, number = 64, 0
    channels = [4 * one for one in CHANNELS] if bottleneck else CHANNELS
    for count, outputs in zip(units, channels, strict=True):
        for _ in range(count):
            unit, number = f"body.{number}", number + 1
            if inputs != outputs:
                shapes |= {f"{unit}.shortcut_layer.0.weight": (outputs, inputs, 1, 1)}
                shapes |= norm(f"{unit}.shortcut_layer.1", outputs)
            shapes |= prefixed(f"{unit}.res_layer.", _unit(inputs, outputs, inner_norm, bottleneck))
            if excitation:
                squeezed = outputs // 16
                shapes[f"{unit}.res_layer.{excitation}.fc1.weight"] = (squeezed, outputs, 1, 1)
                shapes[f"{unit}.res_layer.{excitation}.fc2.weight"] = (outputs, squeezed, 1, 1)
            inputs = outputs
    last = norm("output_layer.0", inputs) | linear("output_layer.3", 512, inputs * side * side)
    return shapes | last | norm("output_layer.4", 512, affine)


def _unit(inputs: int, outputs: int, inner_norm: bool, bottleneck: bool) -> Shapes:
    if bottleneck:
        inner = outputs // 4
        shapes = norm("0", inputs) | {"1.weight": (inner, inputs, 1, 1)} | norm("2", inner)
        shapes |= {"3.weight": (inner,), "4.weight": (inner, inner, 3, 3)} | norm("5", inner)
        return shapes | {"6.weight": (inner,), "7.weight": (outputs, inner, 1, 1)} | norm("8", outputs)
    shapes = norm("0", inputs) | {"1.weight": (outputs, inputs, 3, 3)}
    shift = 1 if inner_norm else 0
    shapes |= norm("2", outputs) if inner_norm else {}
    shapes |= {f"{2 + shift}.weight": (outputs,), f"{3 + shift}.weight": (outputs, outputs, 3, 3)}
    return shapes | norm(f"{4 + shift}", outputs)


def _conv_unit(name: str, outputs: int, inputs: int, kernel: int, slopes: bool = True) -> Shapes:
    shapes: Shapes = {f"{name}.conv.weight": (outputs, inputs, kernel, kernel)} | norm(f"{name}.bn", outputs)
    return shapes | ({f"{name}.prelu.weight": (outputs,)} if slopes else {})


def _depthwise(name: str, inputs: int, outputs: int, groups: int) -> Shapes:
    shapes = _conv_unit(f"{name}.conv", groups, inputs, 1) | _conv_unit(f"{name}.conv_dw", groups, 1, 3)
    return shapes | _conv_unit(f"{name}.project", outputs, groups, 1, slopes=False)


def mobilefacenet(last: str, affine: bool = True) -> Shapes:
    """InsightFace_Pytorch, model.py (`MobileFaceNet`); TFace and cavaface have `output_layer`.

    Args:
        last: "linear" of InsightFace_Pytorch and FaceX-Zoo, or "gdc" or "gnap" of TFace and cavaface.
        affine: Whether the last BatchNorm has a weight.
    """
    shapes = _conv_unit("conv1", 64, 3, 3) | _conv_unit("conv2_dw", 64, 1, 3)
    stages = (("23", 64, 64, 128, "3", 4, 128), ("34", 64, 128, 256, "4", 6, 256))
    for strided, inputs, outputs, groups, name, count, hidden in (
        *stages,
        ("45", 128, 128, 512, "5", 2, 256),
    ):
        shapes |= _depthwise(f"conv_{strided}", inputs, outputs, groups)
        for number in range(count):
            shapes |= _depthwise(f"conv_{name}.model.{number}", outputs, outputs, hidden)
    shapes |= _conv_unit("conv_6_sep", 512, 128, 1)
    if last == "gnap":
        return shapes | norm("output_layer.bn1", 512, False) | norm("output_layer.bn2", 512, False)
    prefix = "" if last == "linear" else "output_layer."
    shapes |= _conv_unit(f"{prefix}conv_6_dw", 512, 1, 7, slopes=False)
    return shapes | linear(f"{prefix}linear", 512, 512, False) | norm(f"{prefix}bn", 512, affine)


def bottlenecks() -> Shapes:
    """Xiaoccer's MobileFaceNet_Pytorch, core/model.py."""
    shapes = _conv_unit("conv1", 64, 3, 3) | _conv_unit("dw_conv1", 64, 1, 3)
    inputs, number = 64, 0
    for expansion, outputs, count in ((2, 64, 5), (4, 128, 1), (2, 128, 6), (4, 128, 1), (2, 128, 2)):
        for _ in range(count):
            block, hidden = f"blocks.{number}.conv", expansion * inputs
            shapes |= {f"{block}.0.weight": (hidden, inputs, 1, 1)} | norm(f"{block}.1", hidden)
            shapes |= {f"{block}.2.weight": (hidden,), f"{block}.3.weight": (hidden, 1, 3, 3)}
            shapes |= norm(f"{block}.4", hidden) | {f"{block}.5.weight": (hidden,)}
            shapes |= {f"{block}.6.weight": (outputs, hidden, 1, 1)} | norm(f"{block}.7", outputs)
            inputs, number = outputs, number + 1
    shapes |= _conv_unit("conv2", 512, 128, 1)
    shapes |= {"linear7.conv.weight": (512, 1, 7, 6)} | norm("linear7.bn", 512)
    return shapes | {"linear1.conv.weight": (128, 512, 1, 1)} | norm("linear1.bn", 128)


def mbf(blocks: Sequence[int], scale: int) -> Shapes:
    """arcface_torch, backbones/mobilefacenet.py: `mbf` has blocks (1, 4, 6, 2), `mbf_large` (2, 8, 12, 4)."""

    def unit(name: str, outputs: int, inputs: int, kernel: int, slopes: bool = True) -> Shapes:
        shapes: Shapes = {f"{name}.layers.0.weight": (outputs, inputs, kernel, kernel)}
        slope: Shapes = {f"{name}.layers.2.weight": (outputs,)} if slopes else {}
        return shapes | norm(f"{name}.layers.1", outputs) | slope

    def depthwise(name: str, inputs: int, outputs: int, groups: int) -> Shapes:
        shapes = unit(f"{name}.layers.0", groups, inputs, 1) | unit(f"{name}.layers.1", groups, 1, 3)
        return shapes | unit(f"{name}.layers.2", outputs, groups, 1, slopes=False)

    def residual(name: str, channels: int, count: int, groups: int) -> Iterator[Shapes]:
        yield from (
            depthwise(f"{name}.layers.{number}", channels, channels, groups) for number in range(count)
        )

    early, late = 64 * scale, 128 * scale
    shapes = unit("layers.0", early, 3, 3)
    parts = (
        [unit("layers.1", early, early // 64, 3)]
        if blocks[0] == 1
        else [*residual("layers.1", early, blocks[0], 128)]
    )
    parts += [depthwise("layers.2", early, early, 128), *residual("layers.3", early, blocks[1], 128)]
    parts += [depthwise("layers.4", early, late, 256), *residual("layers.5", late, blocks[2], 256)]
    parts += [depthwise("layers.6", late, late, 512), *residual("layers.7", late, blocks[3], 256)]
    parts += [unit("conv_sep", 512, late, 1), unit("features.layers.0", 512, 1, 7, slopes=False)]
    for part in parts:
        shapes |= part
    return shapes | linear("features.layers.2", 512, 512, False) | norm("features.layers.3", 512)


def vit(dim: int, depth: int) -> Shapes:
    """arcface_torch, backbones/vit.py, with patches of 9 pixels."""
    patches = (112 // 9) ** 2
    shapes: Shapes = {"pos_embed": (1, patches, dim), "mask_token": (1, 1, dim)}
    shapes |= {"patch_embed.proj.weight": (dim, 3, 9, 9), "patch_embed.proj.bias": (dim,)}
    for number in range(depth):
        block = f"blocks.{number}"
        for name in ("norm1", "norm2"):
            shapes |= {f"{block}.{name}.weight": (dim,), f"{block}.{name}.bias": (dim,)}
        shapes |= linear(f"{block}.attn.qkv", 3 * dim, dim, False) | linear(f"{block}.attn.proj", dim, dim)
        shapes |= linear(f"{block}.mlp.fc1", 4 * dim, dim) | linear(f"{block}.mlp.fc2", dim, 4 * dim)
    shapes |= {"norm.weight": (dim,), "norm.bias": (dim,)} | linear("feature.0", dim, dim * patches, False)
    return shapes | norm("feature.1", dim) | linear("feature.2", 512, dim, False) | norm("feature.3", 512)


def resnet_face(excited: bool) -> Shapes:
    """arcface-pytorch, models/resnet.py (`resnet_face18`), for grey images."""
    shapes: Shapes = {"conv1.weight": (64, 1, 3, 3), "prelu.weight": (1,)} | norm("bn1", 64)
    inputs = 64
    for stage, outputs in enumerate(CHANNELS, 1):
        for number in range(2):
            unit = f"layer{stage}.{number}"
            shapes |= norm(f"{unit}.bn0", inputs) | {f"{unit}.conv1.weight": (inputs, inputs, 3, 3)}
            shapes |= norm(f"{unit}.bn1", inputs) | {f"{unit}.prelu.weight": (1,)}
            shapes |= {f"{unit}.conv2.weight": (outputs, inputs, 3, 3)} | norm(f"{unit}.bn2", outputs)
            if excited:
                shapes |= linear(f"{unit}.se.fc.0", outputs // 16, outputs)
                shapes |= {f"{unit}.se.fc.1.weight": (1,)} | linear(f"{unit}.se.fc.2", outputs, outputs // 16)
            if number == 0 and (stage > 1):
                shapes |= {f"{unit}.downsample.0.weight": (outputs, inputs, 1, 1)}
                shapes |= norm(f"{unit}.downsample.1", outputs)
            inputs = outputs
    return shapes | norm("bn4", 512) | linear("fc5", 512, 512 * 8 * 8) | norm("bn5", 512)


def sphere20(classes: int | None = 10574) -> Shapes:
    """sphereface_pytorch, net_sphere.py (`sphere20a`)."""
    shapes: Shapes = {}
    inputs = 3
    for stage, (count, outputs) in enumerate(zip((3, 5, 9, 3), CHANNELS, strict=True), 1):
        for number in range(1, count + 1):
            name = f"{stage}_{number}"
            shapes |= {f"conv{name}.weight": (outputs, inputs, 3, 3), f"conv{name}.bias": (outputs,)}
            shapes[f"relu{name}.weight"] = (outputs,)
            inputs = outputs
    shapes |= linear("fc5", 512, 512 * 7 * 6)
    return shapes | ({} if classes is None else {"fc6.weight": (512, classes)})


def light_cnn_9(classes: int = 79077) -> Shapes:
    """LightCNN, light_cnn.py (`LightCNN_9Layers`), for grey images."""
    shapes: Shapes = {"features.0.filter.weight": (96, 1, 5, 5), "features.0.filter.bias": (96,)}
    for place, inputs, outputs in ((2, 48, 96), (4, 96, 192), (6, 192, 128), (7, 128, 128)):
        for part, kernel, count in (("conv_a", 1, inputs), ("conv", 3, outputs)):
            name = f"features.{place}.{part}.filter"
            shapes |= {f"{name}.weight": (2 * count, inputs, kernel, kernel), f"{name}.bias": (2 * count,)}
    return shapes | linear("fc1.filter", 512, 8 * 8 * 128) | linear("fc2", classes, 256)


def resnet50(classes: int = 8631) -> Shapes:
    """torchvision, models/resnet.py (`resnet50`), as trainings on VGGFace2 save it."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7)} | norm("bn1", 64)
    inputs = 64
    for stage, (count, width) in enumerate(zip((3, 4, 6, 3), CHANNELS, strict=True), 1):
        for number in range(count):
            unit, outputs = f"layer{stage}.{number}", 4 * width
            shapes |= {f"{unit}.conv1.weight": (width, inputs, 1, 1)} | norm(f"{unit}.bn1", width)
            shapes |= {f"{unit}.conv2.weight": (width, width, 3, 3)} | norm(f"{unit}.bn2", width)
            shapes |= {f"{unit}.conv3.weight": (outputs, width, 1, 1)} | norm(f"{unit}.bn3", outputs)
            if number == 0:
                shapes |= {f"{unit}.downsample.0.weight": (outputs, inputs, 1, 1)}
                shapes |= norm(f"{unit}.downsample.1", outputs)
            inputs = outputs
    return shapes | linear("fc", classes, 2048)


def vgg_face() -> Shapes:
    """VGG-Face of the Oxford group as converted to PyTorch (`vgg_face_dag.pth`)."""
    shapes: Shapes = {}
    inputs = 3
    for stage, (count, outputs) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for number in range(1, count + 1):
            shapes |= {f"conv{stage}_{number}.weight": (outputs, inputs, 3, 3)}
            shapes |= {f"conv{stage}_{number}.bias": (outputs,)}
            inputs = outputs
    return shapes | linear("fc6", 4096, 512 * 7 * 7) | linear("fc7", 4096, 4096) | linear("fc8", 2622, 4096)

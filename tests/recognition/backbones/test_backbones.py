import pytest
import torch
import torch.nn.functional as F

from recognition.backbones import build_backbone
from recognition.errors import InputError

BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def batch_norm(name: str) -> set[str]:
    return {f"{name}.{key}" for key in BATCH_NORM}


def conv_unit(name: str, *, linear: bool = False) -> set[str]:
    """Names of arcface_torch's ConvBlock, or of its LinearBlock."""
    prelu = set() if linear else {f"{name}.layers.2.weight"}
    return {f"{name}.layers.0.weight"} | batch_norm(f"{name}.layers.1") | prelu


def depthwise_unit(name: str) -> set[str]:
    return (
        conv_unit(f"{name}.layers.0")
        | conv_unit(f"{name}.layers.1")
        | conv_unit(f"{name}.layers.2", linear=True)
    )


def test_iresnet18_has_arcface_torchs_names():
    expected = {"conv1.weight", "prelu.weight", "fc.weight", "fc.bias"}
    expected |= batch_norm("bn1") | batch_norm("bn2") | batch_norm("features")
    for stage in (1, 2, 3, 4):
        for unit in (0, 1):
            name = f"layer{stage}.{unit}"
            expected |= batch_norm(f"{name}.bn1") | batch_norm(f"{name}.bn2") | batch_norm(f"{name}.bn3")
            expected |= {f"{name}.conv1.weight", f"{name}.conv2.weight", f"{name}.prelu.weight"}
        expected |= {f"layer{stage}.0.downsample.0.weight"} | batch_norm(f"layer{stage}.0.downsample.1")
    with torch.device("meta"):
        names = set(build_backbone("iresnet18").state_dict())
    assert names == expected


@pytest.mark.parametrize(("depth", "units"), [(18, 8), (34, 16), (50, 24), (100, 49)])
def test_every_iresnet_has_arcface_torchs_number_of_tensors(depth, units):
    with torch.device("meta"):
        state = build_backbone(f"iresnet{depth}").state_dict()
    # A unit has three BatchNorms of five tensors, two convolutions and a PReLU; four of them a
    # shortcut of one convolution and a BatchNorm; 7 tensors come before, 12 after.
    assert len(state) == 18 * units + 4 * 6 + 7 + 12
    assert state["conv1.weight"].shape == (64, 3, 3, 3)
    assert state["layer4.0.conv1.weight"].shape == (512, 256, 3, 3)
    assert state["fc.weight"].shape == (512, 512 * 7 * 7)


def test_mobilefacenet_has_arcface_torchs_names():
    expected = conv_unit("layers.0") | conv_unit("layers.1")
    for index, units in ((3, 4), (5, 6), (7, 2)):
        expected |= depthwise_unit(f"layers.{index - 1}")
        for unit in range(units):
            expected |= depthwise_unit(f"layers.{index}.layers.{unit}")
    expected |= conv_unit("conv_sep") | conv_unit("features.layers.0", linear=True)
    expected |= {"features.layers.2.weight"} | batch_norm("features.layers.3")
    with torch.device("meta"):
        state = build_backbone("mobilefacenet").state_dict()
    assert set(state) == expected
    shapes = {
        "layers.0.layers.0.weight": (128, 3, 3, 3),
        "layers.1.layers.0.weight": (128, 2, 3, 3),
        "layers.4.layers.1.layers.0.weight": (256, 1, 3, 3),
        "layers.6.layers.1.layers.0.weight": (512, 1, 3, 3),
        "conv_sep.layers.0.weight": (512, 256, 1, 1),
        "features.layers.0.layers.0.weight": (512, 1, 7, 7),
        "features.layers.2.weight": (512, 512),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


def normed(state: dict[str, torch.Tensor], name: str, values: torch.Tensor) -> torch.Tensor:
    mean, variance, weight, bias = (
        state[f"{name}.{key}"].reshape(1, -1, *[1] * (values.ndim - 2))
        for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (values - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def rectified(values: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    return torch.where(values > 0, values, values * slope.reshape(1, -1, 1, 1))


def naive_iresnet(state: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """The forward pass of arcface_torch's IResNet-18, computed from its tensors only."""
    values = rectified(
        normed(state, "bn1", F.conv2d(images, state["conv1.weight"], padding=1)), state["prelu.weight"]
    )
    for stage in (1, 2, 3, 4):
        for unit in (0, 1):
            name, stride = f"layer{stage}.{unit}", 2 if unit == 0 else 1
            inner = F.conv2d(normed(state, f"{name}.bn1", values), state[f"{name}.conv1.weight"], padding=1)
            inner = rectified(normed(state, f"{name}.bn2", inner), state[f"{name}.prelu.weight"])
            inner = F.conv2d(inner, state[f"{name}.conv2.weight"], stride=stride, padding=1)
            if unit == 0:
                values = F.conv2d(values, state[f"{name}.downsample.0.weight"], stride=2)
                values = normed(state, f"{name}.downsample.1", values)
            values = values + normed(state, f"{name}.bn3", inner)
    flat = normed(state, "bn2", values).flatten(1)
    return normed(state, "features", flat @ state["fc.weight"].T + state["fc.bias"])


def naive_mobilefacenet(state: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """The forward pass of arcface_torch's `mbf`, computed from its tensors only."""

    def unit(name: str, values: torch.Tensor, stride: int = 1, padding: int = 0) -> torch.Tensor:
        weight = state[f"{name}.layers.0.weight"]
        groups = values.shape[1] // weight.shape[1]
        values = F.conv2d(values, weight, stride=stride, padding=padding, groups=groups)
        values = normed(state, f"{name}.layers.1", values)
        slope = state.get(f"{name}.layers.2.weight")
        return values if slope is None else rectified(values, slope)

    def depthwise(name: str, values: torch.Tensor, stride: int) -> torch.Tensor:
        values = unit(f"{name}.layers.1", unit(f"{name}.layers.0", values), stride, 1)
        return unit(f"{name}.layers.2", values)

    values = unit("layers.1", unit("layers.0", images, 2, 1), 1, 1)
    for index, units in ((3, 4), (5, 6), (7, 2)):
        values = depthwise(f"layers.{index - 1}", values, 2)
        for number in range(units):
            values = values + depthwise(f"layers.{index}.layers.{number}", values, 1)
    values = unit("features.layers.0", unit("conv_sep", values)).flatten(1)
    return normed(state, "features.layers.3", values @ state["features.layers.2.weight"].T)


@pytest.mark.parametrize(
    ("name", "naive"), [("iresnet18", naive_iresnet), ("mobilefacenet", naive_mobilefacenet)]
)
def test_forward_equals_the_published_networks_layer_by_layer(name, naive):
    torch.manual_seed(0)
    backbone = build_backbone(name, width=1 / 16, embedding_size=8).double()
    for parameter in backbone.parameters():
        parameter.data += 0.1 * torch.rand_like(parameter)
    backbone.train()
    images = 2 * torch.rand(4, 3, 112, 112, dtype=torch.float64) - 1
    backbone(images)
    backbone.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            backbone(images), naive(backbone.state_dict(), images), rtol=1e-8, atol=1e-8
        )


@pytest.mark.parametrize(("width", "channels"), [(1 / 16, 4), (0.25, 16), (1.5, 96)])
def test_width_multiplies_every_stage(width, channels):
    with torch.device("meta"):
        backbone = build_backbone("iresnet18", width=width)
    stages = [getattr(backbone, f"layer{stage}")[1].conv2.out_channels for stage in (1, 2, 3, 4)]
    assert stages == [channels, 2 * channels, 4 * channels, 8 * channels]
    assert backbone.fc.in_features == 8 * channels * 49


def test_last_batch_norms_weight_stays_one():
    backbone = build_backbone("iresnet18", width=1 / 32, embedding_size=8)
    assert not backbone.features.weight.requires_grad
    assert torch.equal(backbone.features.weight, torch.ones(8))
    assert backbone.features.bias.requires_grad


@pytest.mark.parametrize("side", [32, 64, 80, 112, 128])
def test_iresnet_takes_other_image_sizes(side):
    backbone = build_backbone("iresnet18", width=1 / 32, embedding_size=8).eval()
    assert backbone(torch.rand(1, 3, side, side)).shape == (1, 8)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    backbone = build_backbone("iresnet18", width=1 / 16, embedding_size=8, dropout=0.5).eval()
    images = torch.rand(2, 3, 112, 112)
    assert torch.equal(backbone(images), backbone(images))
    backbone.dropout.train()
    assert not torch.equal(backbone(images), backbone(images))


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match=r"network: expected one of iresnet18, .*mobilefacenet, got 'vgg'"):
        build_backbone("vgg")


@pytest.mark.parametrize("name", ["iresnet18", "mobilefacenet"])
@pytest.mark.parametrize("width", [0.0, -1.0, 1 / 1000, float("nan"), float("inf")])
def test_a_width_without_channels_is_refused(name, width):
    with pytest.raises(InputError, match="width: expected"):
        build_backbone(name, width=width)


@pytest.mark.parametrize("width", [1 / 64, 0.02, 0.1, 0.3, 0.35, 1.1])
def test_a_mobilefacenet_of_any_width_embeds(width):
    network = build_backbone("mobilefacenet", width=width, embedding_size=4).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 112, 112)).shape == (1, 4)

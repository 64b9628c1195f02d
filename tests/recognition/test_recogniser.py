"""Preprocessing, recognisers of any backbone, and embeddings."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recognition.errors import InputError
from recognition.loading import load
from recognition.recogniser import Preprocessing, Recogniser, embed


class Flat(nn.Module):
    """A linear backbone of the flattened pixels."""

    def __init__(self, size: int = 4, dim: int = 6) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(dim, 3 * size * size, generator=generator))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.linear(images.flatten(1), self.weight)


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_preprocessing_normalises_and_orders_channels(channels):
    images = torch.rand(2, 3, 4, 5)
    normalised = Preprocessing(mean=0.25, std=0.125, channels=channels)(images)
    for channel in range(3):
        source = channel if channels == "RGB" else 2 - channel
        torch.testing.assert_close(normalised[:, channel], (images[:, source] - 0.25) * 8)


def test_usual_preprocessing_is_insightfaces():
    images = torch.tensor([0.0, 127.5, 255.0]).expand(1, 3, 1, 3) / 255
    assert Preprocessing()(images)[0, 0, 0].tolist() == [-1, 0, 1]


def test_embeddings_are_unit_norm_float32_and_by_hand():
    recogniser = Recogniser(Flat(), name="flat")
    images = torch.rand(3, 3, 4, 4)
    embeddings = recogniser(images)
    raw = torch.stack([recogniser.backbone.weight @ (2 * image.flatten() - 1) for image in images])
    torch.testing.assert_close(embeddings, raw / raw.norm(dim=1, keepdim=True))
    assert embeddings.dtype == torch.float32


def test_centres_are_normalised():
    recogniser = Recogniser(Flat(), name="flat", centres=torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    torch.testing.assert_close(recogniser.centres, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    assert Recogniser(Flat(), name="flat").centres is None


def test_freezing_stops_training_and_keeps_image_gradients(tiny_model):
    recogniser = load(tiny_model)
    assert not any(module.training for module in recogniser.modules())
    assert not any(parameter.requires_grad for parameter in recogniser.parameters())
    images = torch.rand(2, 3, 112, 112, requires_grad=True)
    recogniser(images)[:, 0].sum().backward()
    assert torch.isfinite(images.grad).all()
    assert images.grad.abs().sum() > 0


class Viewing(nn.Module):
    """A network that flattens its feature maps by `view`, as much public code does."""

    def __init__(self, *, first: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Identity() if first else nn.Conv2d(3, 8, 3, 16, 1)
        self.fc = nn.Linear(3 * 112 * 112 if first else 392, 32)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.conv(images)
        return self.fc(features.view(features.size(0), -1))


@pytest.mark.parametrize("first", [False, True], ids=["after-convolution", "at-once"])
def test_a_network_that_views_its_features_stays_contiguous(first):
    backbone = Viewing(first=first)
    images = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        expected = F.normalize(backbone(2 * images - 1))
    recogniser = Recogniser(backbone, name="views").freeze()
    assert recogniser.embedding_size == 32
    assert torch.equal(recogniser(images), expected)
    # Attacks and `embed` pass images of the other layout.
    other = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    found = recogniser(other)
    assert torch.equal(found.detach(), expected)
    found[:, 0].sum().backward()
    assert other.grad.abs().sum() > 0
    np.testing.assert_allclose(embed(recogniser, [images], flip="none"), expected.numpy(), atol=1e-6)


def test_a_network_that_takes_any_layout_is_channels_last(tiny_model):
    recogniser = load(tiny_model)
    weight = recogniser.backbone.layer1[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    seen = []
    recogniser.backbone.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0].stride()))
    images = torch.rand(2, 3, 112, 112)
    recogniser(images)
    # The input's layout is left as it was: which kernels run decides the last bits of an attack's images.
    assert seen == [images.stride()]


def test_an_embedding_does_not_depend_on_its_batch(tiny_model):
    recogniser = load(tiny_model)
    images = torch.rand(4, 3, 112, 112)
    alone = torch.cat([recogniser(image[None]) for image in images])
    torch.testing.assert_close(recogniser(images), alone, atol=1e-5, rtol=0)


def test_embed_averages_an_image_and_its_mirror_image():
    recogniser = Recogniser(Flat(), name="flat").freeze()
    images = torch.rand(5, 3, 4, 4)
    both = recogniser(images) + recogniser(images.flip(3))
    expected = (both / both.norm(dim=1, keepdim=True)).numpy()
    rows = embed(recogniser, [images[:2], images[2:]])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    np.testing.assert_allclose(embed(recogniser, [images.flip(3)]), expected, atol=1e-6)
    plain = embed(recogniser, [images], flip="none")
    np.testing.assert_allclose(plain, recogniser(images).numpy(), atol=1e-6)


def test_embed_in_bfloat16_is_close_to_float32(tiny_model):
    recogniser = load(tiny_model)
    images = torch.rand(2, 3, 112, 112)
    exact, rough = embed(recogniser, [images]), embed(recogniser, [images], dtype=torch.bfloat16)
    assert rough.dtype == np.float32
    assert ((exact * rough).sum(1) > 0.99).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mean": "grey"}, "expected mean to be one number or three, got 'grey'"),
        ({"mean": (0.5, 0.5)}, r"expected mean to be one number or three, got \(0\.5, 0\.5\)"),
        ({"std": float("nan")}, "expected std to be one number or three, got nan"),
        ({"std": (0.5, 0.0, 0.5)}, r"expected std to be above 0, got \(0\.5, 0\.0, 0\.5\)"),
        ({"channels": "GRB"}, "expected channels to be 'RGB' or 'BGR', got 'GRB'"),
        ({"input_size": 112.0}, r"expected input_size to be a number of pixels, got 112\.0"),
        ({"input_size": 0}, "expected input_size to be a number of pixels, got 0"),
    ],
)
def test_preprocessing_out_of_range_is_refused(settings, message):
    with pytest.raises(InputError, match=f"preprocessing: {message}"):
        Preprocessing(**settings)


def test_any_module_with_a_preprocessing_is_a_recogniser():
    preprocessing = Preprocessing(mean=[0.1, 0.2, 0.3], std=2.0, channels="BGR", input_size=4)
    recogniser = Recogniser(Flat(), name="flat", preprocessing=preprocessing)
    images = torch.rand(3, 3, 4, 4)
    prepared = ((images - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / 2).flip(1)
    torch.testing.assert_close(recogniser(images), F.normalize(recogniser.backbone(prepared)))
    assert (recogniser.input_size, recogniser.embedding_size) == (4, 6)
    assert recogniser.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "network.onnx"}, "mine: expected a torch.nn.Module as its backbone, got str"),
        ({"preprocessing": "adaface"}, "mine: expected a Preprocessing, got str"),
        ({"centres": torch.ones(6)}, r"mine: expected class centres \(classes, dim\), got \(6,\)"),
        ({"centres": np.ones((2, 6))}, r"mine: expected class centres \(classes, dim\), got ndarray"),
        ({"class_names": ("Ann",)}, "mine: expected one class name per centre, got 1 for 0"),
        (
            {"centres": torch.ones(2, 6), "class_names": ("Ann",)},
            "mine: expected one class name per centre, got 1 for 2",
        ),
    ],
)
def test_parts_that_make_no_recogniser_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Recogniser(**{"backbone": Flat(), "name": "mine", **arguments})


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (Flat(size=8), r"mine: does not run on a batch of two 4x4 images \(.*\); give its size"),
        (nn.Identity(), r"mine: expected embeddings \(batch, dim\), got an output of shape \(2, 3, 4, 4\)"),
    ],
)
def test_backbones_that_give_no_embeddings_are_refused(backbone, message):
    recogniser = Recogniser(backbone, name="mine", preprocessing=Preprocessing(input_size=4))
    with pytest.raises(InputError, match=message):
        _ = recogniser.embedding_size


def test_weights_that_are_not_finite_are_refused():
    backbone = Flat()
    backbone.weight.data[0, 0] = torch.nan
    with pytest.raises(InputError, match="mine: expected finite embeddings"):
        _ = Recogniser(backbone, name="mine", preprocessing=Preprocessing(input_size=4)).embedding_size


class Squeezed(nn.Module):
    """A network that ends in `squeeze()`, which removes the batch of a single image."""

    def __init__(self, outputs=lambda rows: rows) -> None:
        super().__init__()
        self.flat = Flat()
        self.outputs = outputs

    def forward(self, images: torch.Tensor):
        return self.outputs(self.flat(images)[:, :, None].squeeze())


@pytest.mark.parametrize(
    "outputs",
    [
        lambda rows: rows,
        lambda rows: (rows, rows.norm(dim=-1)),
        lambda rows: {"norm": rows.norm(dim=-1, keepdim=True), "embedding": rows},
    ],
    ids=["alone", "tuple", "dict"],
)
def test_a_network_that_loses_the_batch_of_a_single_image_gets_it_back(outputs):
    recogniser = four_pixels(Squeezed(outputs))
    images = torch.rand(3, 3, 4, 4)
    assert recogniser.embedding_size == 6
    torch.testing.assert_close(recogniser(images), four_pixels(Flat())(images))
    alone = torch.cat([recogniser(image[None]) for image in images])
    torch.testing.assert_close(alone, recogniser(images))
    assert embed(recogniser, [images[:1]]).shape == (1, 6)


class AloneFails(Flat):
    """A network of batches: BatchNorm with the statistics of the batch, which one image does not have."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(super().forward(images), None, None, training=True)


class AloneDiffers(Flat):
    """A network whose single images have two rows."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + torch.zeros(2, 1)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (AloneFails(), r"mine: does not run on a single image \(.*\); keep the batch"),
        (AloneDiffers(), r"got an output of shape \(2, 6\) for a single image"),
    ],
)
def test_networks_that_do_not_take_a_single_image_are_refused(backbone, message):
    with pytest.raises(InputError, match=message) as caught:
        _ = four_pixels(backbone).embedding_size
    assert "\n" not in str(caught.value)


class Whitening(Flat):
    """A network that divides by each image's own deviation, which is 0 for a constant image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        centred = images - images.mean((1, 2, 3), keepdim=True)
        return super().forward(centred / centred.square().mean((1, 2, 3), keepdim=True).sqrt())


def test_a_network_that_whitens_each_image_is_not_called_damaged():
    assert four_pixels(Whitening()).embedding_size == 6


def test_finding_the_embedding_size_leaves_the_backbone_as_it_was():
    backbone = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 5), nn.Dropout(0.5).eval())
    recogniser = Recogniser(backbone, name="mine", preprocessing=Preprocessing(input_size=4))
    assert recogniser.embedding_size == 5
    assert [module.training for module in backbone] == [True, True, True, False]
    assert backbone[0].num_batches_tracked == 0
    assert torch.equal(backbone[0].running_mean, torch.zeros(3))


class Several(nn.Module):
    """A network with several outputs, in a given container."""

    def __init__(self, outputs) -> None:
        super().__init__()
        self.flat = Flat()
        self.outputs = outputs

    def forward(self, images: torch.Tensor):
        return self.outputs(self.flat(images))


def four_pixels(backbone: nn.Module, **options) -> Recogniser:
    return Recogniser(backbone, name="mine", preprocessing=Preprocessing(input_size=4), **options).freeze()


@pytest.mark.parametrize(
    ("outputs", "chosen"),
    [
        (lambda x: (F.normalize(x), x.norm(dim=1, keepdim=True)), None),
        (lambda x: [x.norm(dim=1), x], None),
        (lambda x: {"embedding": x, "quality": x[:, :1]}, None),
        (lambda x: {"embedding": x, "logits": -x}, "embedding"),
        (lambda x: (-x, x), "1"),
        (lambda x: (x, x.repeat(1, 9)), "0"),
    ],
)
def test_the_embedding_is_found_among_several_outputs(outputs, chosen):
    recogniser = four_pixels(Several(outputs), output=chosen)
    images = torch.rand(3, 3, 4, 4)
    assert recogniser.embedding_size == 6
    torch.testing.assert_close(recogniser(images), four_pixels(Flat())(images))


@pytest.mark.parametrize(
    ("outputs", "chosen", "message"),
    [
        (lambda x: (x, -x), None, r"got 0 \(2, 6\), 1 \(2, 6\); give --output NAME"),
        (lambda x: {"a": x}, "b", r"got a \(2, 6\); give --output NAME"),
        (lambda x: (), None, "got none; give --output NAME"),
        (lambda x: "text", None, r"expected embeddings \(batch, dim\), got str"),
    ],
)
def test_outputs_that_do_not_show_which_is_the_embedding_are_refused(outputs, chosen, message):
    with pytest.raises(InputError, match=f"mine: .*{message}"):
        _ = four_pixels(Several(outputs), output=chosen).embedding_size

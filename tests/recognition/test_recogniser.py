import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recognition.loading import load
from recognition.recogniser import Preprocessing, Recogniser, embed


class Flat(nn.Module):
    """A linear backbone: every pixel times a fixed weight."""

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

import pytest
import torch
from torch import nn

from recognition.backbones.iresnet import IResNet
from recognition.backbones.widen import NOISE, widen
from recognition.errors import InputError

WIDTH, SIZE = 1 / 16, 8


def network(width: float = WIDTH, *, depth: int = 18, embedding_size: int = SIZE, seed: int = 0) -> IResNet:
    """Return a network in float64 with all weights and statistics random, so that wrong copies show."""
    torch.manual_seed(seed)
    made = IResNet(depth=depth, width=width, embedding_size=embedding_size).double().eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.1, 0.5)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return made


def widened(narrow: IResNet, width: float, *, seed: int = 1, noise: float = NOISE, **options: int) -> IResNet:
    wide = network(width, seed=9, **options)
    widen(narrow, wide, seed=seed, noise=noise)
    return wide


@pytest.mark.parametrize("noise", [0.0, NOISE, 3.0])
# Twice as many channels; 4 widened to 7 and so on, where only some are copied; and no more channels.
@pytest.mark.parametrize("width", [2 * WIDTH, 7 / 64, WIDTH], ids="{:.3f}".format)
def test_a_widened_network_computes_the_same(width, noise):
    narrow = network()
    wide = widened(narrow, width, noise=noise)
    assert wide.conv1.out_channels == round(64 * width)
    for side in (112, 64):
        images = torch.rand(3, 3, side, side, dtype=torch.float64) * 2 - 1
        with torch.no_grad():
            expected, got = narrow(images), wide(images)
        assert expected.std() > 0.1
        torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9)


def test_a_deeper_network_computes_the_same_while_it_trains():
    """The outputs agree with batch statistics as well as with running ones."""
    narrow = network(1 / 32, depth=34)
    wide = widened(narrow, 1 / 16, depth=34)
    images = torch.rand(4, 3, 48, 48, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(wide.train()(images), narrow.train()(images), atol=1e-8, rtol=1e-8)


def test_a_network_of_the_same_width_is_a_copy():
    narrow = network()
    same = widened(narrow, WIDTH).state_dict()
    for key, value in narrow.state_dict().items():
        torch.testing.assert_close(same[key], value, atol=1e-14, rtol=0)


def test_divided_weights_by_hand():
    """Two channels become three: the third is a copy of the first, whose weights are therefore halved."""
    narrow = network(2 / 64)
    wide = widened(narrow, 3 / 64, noise=0.0)
    assert torch.equal(wide.bn1.running_var, narrow.bn1.running_var[[0, 1, 0]])
    assert torch.equal(wide.conv1.weight, narrow.conv1.weight[[0, 1, 0]])
    expected = (
        narrow.layer1[0].conv1.weight[[0, 1, 0]][:, [0, 1, 0]] * torch.tensor([0.5, 1, 0.5])[:, None, None]
    )
    assert torch.equal(wide.layer1[0].conv1.weight, expected)
    # 16 channels of 7x7 become 24: the first eight occur twice.
    old, new = narrow.fc.weight.view(SIZE, 16, 49), wide.fc.weight.view(SIZE, 24, 49)
    assert torch.equal(new, torch.cat([old[:, :8] / 2, old[:, 8:], old[:, :8] / 2], 1))
    assert torch.equal(wide.fc.bias, narrow.fc.bias)


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_copies_have_different_gradients_only_with_noise(noise):
    wide = widened(network(), 2 * WIDTH, noise=noise).train()
    images = torch.rand(6, 3, 48, 48, dtype=torch.float64)
    (wide(images) * torch.randn(6, SIZE, dtype=torch.float64)).sum().backward()
    for convolution in (wide.conv1, wide.layer2[0].conv1, wide.layer4[1].conv2):
        first, second = convolution.weight.grad.chunk(2)
        apart = (first - second).norm() / first.norm()
        assert apart > 0.1 if noise else apart < 1e-6


def test_the_seed_determines_the_noise():
    narrow = network()
    one, again, other = (widened(narrow, 2 * WIDTH, seed=seed).layer1[0].conv1.weight for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("wide", "message"),
    [
        ({"width": WIDTH / 2}, "expected at least as many channels, got fewer; use a larger --width"),
        ({"width": WIDTH, "depth": 34}, "expected networks of the same depth and embedding size"),
        (
            {"width": WIDTH, "embedding_size": 2 * SIZE},
            "expected networks of the same depth and embedding size",
        ),
    ],
    ids=str,
)
def test_networks_that_cannot_be_widened_are_refused(wide, message):
    target = network(**wide)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(InputError, match=message):
        widen(network(), target, seed=0)
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())

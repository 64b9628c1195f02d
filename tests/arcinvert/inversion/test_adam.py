"""Adam in one kernel is PyTorch's own, bit for bit, without its compiler."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.adam import Adam

BETAS = (0.5, 0.9)
RATES = (0.1, 0.3, 0.02, 0.0, 0.1)


def leaves() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 8, 8, generator=generator).contiguous(memory_format=torch.channels_last)
    return [images.requires_grad_(), torch.randn(5, generator=generator).requires_grad_()]


def loss(parameters: list[Tensor]) -> Tensor:
    return sum(((one - 0.3).square() * one.detach().abs()).sum() for one in parameters)


def test_steps_are_those_of_torch() -> None:
    ours, reference = leaves(), leaves()
    adam, torchs = Adam(ours, BETAS), torch.optim.Adam(reference, lr=1.0, betas=BETAS, fused=True)
    for rate in RATES:
        torchs.param_groups[0]["lr"] = rate
        torchs.zero_grad()
        loss(reference).backward()
        torchs.step()
        adam.set_rate(rate)
        adam.clear_gradients()
        loss(ours).backward()
        adam.step()
        assert all(torch.equal(one, other) for one, other in zip(ours, reference, strict=True))


def test_the_first_step_has_the_length_of_the_rate() -> None:
    # By hand: both corrected moments are the gradient, so each number moves by the rate against its sign.
    leaf = torch.tensor([1.0, -2.0]).requires_grad_()
    adam = Adam([leaf], BETAS)
    adam.set_rate(0.25)
    (3 * leaf.square()).sum().backward()
    adam.step()
    torch.testing.assert_close(leaf.detach(), torch.tensor([0.75, -1.75]))


def test_a_leaf_without_gradient_stays() -> None:
    still, moved = torch.ones(2).requires_grad_(), torch.ones(2).requires_grad_()
    adam = Adam([still, moved], BETAS)
    adam.step()
    moved.sum().backward()
    adam.step()
    assert torch.equal(still.detach(), torch.ones(2))
    torch.testing.assert_close(moved.detach(), torch.zeros(2))


def test_on_another_device_the_rate_is_a_tensor_there() -> None:
    adam = Adam([torch.zeros(3, device="meta").requires_grad_()], BETAS)
    adam.set_rate(0.5)
    adam.clear_gradients()
    adam.step()


@pytest.mark.parametrize("module", ["torch._dynamo", "matplotlib", "sympy"])
def test_an_attack_imports_no_compiler(module: str, attack_modules: frozenset[str]) -> None:
    assert module not in attack_modules


@pytest.fixture(scope="module")
def attack_modules(tiny_model: str) -> frozenset[str]:
    """Return the modules in a process that has attacked one class, with a sheet."""
    code = (
        "import sys, arcinvert\\n"
        f"run = arcinvert.generate(0, model={str(tiny_model)!r}, steps=1, device='cpu')\\n"
        "assert run.sheet.ndim == 3\\n"
        "print(*sys.modules)"
    ).replace("\\n", "\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())

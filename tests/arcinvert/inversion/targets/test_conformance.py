"""What every loss in the registry must do; a new one is tested at once."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.targets import LOSSES
from arcinvert.inversion.targets.base import Target, TargetRequest
from recognition.recogniser import Recogniser
from tests.arcinvert.inversion.networks import DIM, hooked_modules, linear_recogniser
from tests.arcinvert.inversion.targets.vectors import unit

LABELS = torch.tensor([1, 4, 0])


def recogniser() -> Recogniser:
    """Return a network whose centres are float64, so that losses may be differentiated numerically."""
    network = linear_recogniser().double()
    network.centres = unit(5, DIM, seed=9)
    return network


def build(name: str, network: Recogniser, rows: Tensor | None = None) -> Target:
    labels = LABELS if rows is None else LABELS[rows]
    assert network.centres is not None
    request = TargetRequest(network, network.centres[labels], labels, scale=16.0, margin=0.5)
    return LOSSES[name].build(request)


@pytest.mark.parametrize("name", LOSSES)
def test_shape_finiteness_and_determinism(name: str) -> None:
    network, embeddings = recogniser(), unit(3, DIM, seed=10)
    target = build(name, network)
    assert isinstance(target, Target)
    before = torch.random.get_rng_state()
    losses = target(embeddings)
    assert losses.shape == (3,)
    assert losses.isfinite().all()
    assert losses.dtype == torch.float64
    assert torch.equal(losses, build(name, network)(embeddings))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert hooked_modules(network) == []


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name: str) -> None:
    target = build(name, recogniser())
    raw = unit(3, DIM, seed=10).requires_grad_()
    assert torch.autograd.gradcheck(lambda vectors: target(F.normalize(vectors)), (raw,))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_per_image(name: str) -> None:
    network, embeddings = recogniser(), unit(3, DIM, seed=12)
    together = build(name, network)(embeddings)
    alone = torch.cat(
        [build(name, network, torch.tensor([row]))(embeddings[[row]]) for row in range(len(LABELS))]
    )
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", LOSSES)
def test_the_templates_are_what_must_be_reached_and_have_a_lower_loss(name: str) -> None:
    network = recogniser()
    target = build(name, network)
    assert network.centres is not None
    assert torch.equal(target.templates, network.centres[LABELS])
    away = F.normalize(target.templates + unit(3, DIM, seed=11))
    assert (target(target.templates) < target(away)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_it_computes_on_the_device_of_the_embeddings(name: str) -> None:
    network = recogniser().to("meta")
    assert network.centres is not None
    labels = LABELS.to("meta")
    request = TargetRequest(network, network.centres[labels], labels, scale=16.0, margin=0.5)
    losses = LOSSES[name].build(request)(torch.zeros(3, DIM, device="meta", dtype=torch.float64))
    assert losses.device.type == "meta"


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_templates_need_no_classes(name: str) -> None:
    network = recogniser()
    assert network.centres is not None
    request = TargetRequest(network, network.centres[LABELS], None, scale=16.0, margin=0.5)
    if not LOSSES[name].needs_classes:
        assert LOSSES[name].build(request)(unit(3, DIM, seed=12)).shape == (3,)

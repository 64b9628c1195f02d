"""What every head, auxiliary loss and backbone in the registries must do; new parts are tested at once."""

import pytest
import torch
from torch.nn.functional import normalize

from recognition.backbones import BACKBONES, build_backbone
from recognition.errors import InputError
from recognition.heads import HEADS, build_head
from recognition.heads.base import CosineHead, Head
from recognition.losses import AUXILIARY_LOSSES, build_auxiliary_loss
from recognition.losses.base import AuxiliaryLoss

BATCH, CLASSES, SIZE = 8, 3, 5
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 2, 1])


def embeddings(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Embeddings of norms from 15 to 60, inside the ranges that norms are clipped to."""
    generator = torch.Generator().manual_seed(5)
    directions = normalize(torch.randn(BATCH, SIZE, dtype=dtype, generator=generator))
    return directions * torch.linspace(15, 60, BATCH, dtype=dtype)[:, None]


def unit_centres(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(6)
    return normalize(torch.randn(CLASSES, SIZE, dtype=dtype, generator=generator))


def seeded_head(name: str) -> Head:
    torch.manual_seed(7)
    head = build_head(name, SIZE, CLASSES, scale=8.0, margin=0.3)
    with torch.no_grad():
        head.weight.normal_()
    return head


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_shapes_ranges_and_gradients(name):
    head, batch = seeded_head(name), embeddings().requires_grad_()
    assert isinstance(head, Head)
    logits = head(batch, LABELS)
    assert logits.shape == (BATCH, CLASSES)
    assert logits.isfinite().all()
    assert head.centres.shape == (CLASSES, SIZE)
    torch.testing.assert_close(head.centres.norm(dim=1), torch.ones(CLASSES))
    loss = head.loss(batch, LABELS)
    assert loss.shape == ()
    assert loss > 0
    loss.backward()
    for parameter in (batch, *head.parameters()):
        assert parameter.grad.isfinite().all()
    assert batch.grad.abs().sum() > 0
    with pytest.raises(InputError, match=r"labels: expected class indices in 0\.\.2, got 0\.\.3"):
        head(batch, torch.tensor([0, 3] * 4))


@pytest.mark.parametrize("name", HEADS)
def test_a_heads_loss_has_the_gradient_that_differences_give(name):
    head = seeded_head(name).double().eval()
    # A margin may depend on the norm without a gradient, as AdaFace's does, so that only directions vary.
    start = normalize(embeddings(torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: head.loss(30 * normalize(x), LABELS), start)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_deterministic_and_its_margin_lowers_the_true_class_only(name):
    first, second = (seeded_head(name).eval() for _ in range(2))
    batch = embeddings()
    assert torch.equal(first.loss(batch, LABELS), second.loss(batch, LABELS))
    if not isinstance(first, CosineHead):
        return
    without, half, whole = (first(batch, LABELS, fraction) for fraction in (0.0, 0.5, 1.0))
    others = torch.nn.functional.one_hot(LABELS, CLASSES) == 0
    assert torch.equal(without[others], whole[others])
    assert torch.equal(half[others], whole[others])
    targets = [logits[~others].mean() for logits in (without, half, whole)]
    assert targets[0] >= targets[1] >= targets[2]
    # A-Softmax keeps the embedding's norm, which takes the place of the scale.
    scale = batch.norm(dim=1, keepdim=True) if name == "a-softmax" else 8
    torch.testing.assert_close(without, scale * first.cosines(batch), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", AUXILIARY_LOSSES)
def test_an_auxiliary_loss_is_a_finite_scalar_with_gradients(name):
    loss, batch = build_auxiliary_loss(name, SIZE, CLASSES), embeddings().requires_grad_()
    assert isinstance(loss, AuxiliaryLoss)
    assert build_auxiliary_loss(f"{name}:weight=0.25", SIZE, CLASSES).weight == 0.25
    centres = unit_centres().requires_grad_()
    value = loss(batch, LABELS, centres)
    assert value.shape == ()
    assert value.isfinite()
    gradients = torch.autograd.grad(value, (batch, centres), allow_unused=True, materialize_grads=True)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(gradient.abs().sum() for gradient in gradients) > 0


@pytest.mark.parametrize("name", AUXILIARY_LOSSES)
def test_an_auxiliary_loss_has_the_gradient_that_differences_give(name):
    loss = build_auxiliary_loss(name, SIZE, CLASSES).double().eval()
    start = (embeddings(torch.float64).requires_grad_(), (2 * unit_centres(torch.float64)).requires_grad_())
    assert torch.autograd.gradcheck(lambda x, c: loss(x, LABELS, normalize(c)), start)


@pytest.mark.parametrize("name", AUXILIARY_LOSSES)
def test_an_auxiliary_loss_is_deterministic_and_does_not_depend_on_the_order(name):
    batch, centres, order = embeddings(), unit_centres(), torch.arange(BATCH).flip(0)
    values = [
        build_auxiliary_loss(name, SIZE, CLASSES)(batch[index], LABELS[index], centres)
        for index in (torch.arange(BATCH), torch.arange(BATCH), order)
    ]
    assert torch.equal(values[0], values[1])
    torch.testing.assert_close(values[0], values[2])


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_is_seeded_and_gives_finite_embeddings_with_gradients(name):
    networks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        networks.append(build_backbone(name, width=1 / 16, embedding_size=24).eval())
    states = [network.state_dict() for network in networks]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])
    images = torch.rand(2, 3, 112, 112, requires_grad=True)
    output = networks[0](images)
    output.square().sum().backward()
    assert output.shape == (2, 24)
    assert output.isfinite().all()
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0
    assert torch.equal(output, networks[0](images))


@pytest.mark.parametrize("registry", [HEADS, AUXILIARY_LOSSES, BACKBONES], ids=lambda one: one.kind)
def test_every_entry_of_a_registry_has_a_summary_and_is_found(registry):
    for name in registry:
        assert callable(registry[name])
        assert f"{name}: " in registry.help()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", HEADS)
def test_a_head_computes_in_single_precision_under_autocast(name, dtype):
    """The embeddings are those of half precision; nothing after them is rounded again."""
    halves = embeddings().to(dtype)
    expected = seeded_head(name).loss(halves.float(), LABELS)
    head = seeded_head(name)
    with torch.autocast("cpu", dtype):
        logits = head(halves, LABELS)
        loss = seeded_head(name).loss(halves, LABELS)
    assert logits.dtype == loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)
    loss.backward()


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
@pytest.mark.parametrize("name", HEADS)
def test_a_head_takes_labels_of_any_integer_type(name, dtype):
    expected = seeded_head(name).loss(embeddings(), LABELS)
    assert torch.equal(seeded_head(name).loss(embeddings(), LABELS.to(dtype)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_labels_that_are_no_integers_are_refused(dtype):
    with pytest.raises(InputError, match=r"labels: expected integers, got torch\.(float32|bool)"):
        seeded_head("arcface").loss(embeddings(), LABELS.to(dtype))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_compiles_to_one_graph(name):
    torch.compiler.reset()
    expected = seeded_head(name).loss(embeddings(), LABELS)
    head = seeded_head(name)
    # The eager backend traces as any other does, and needs no compiler.
    compiled = torch.compile(head.loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(embeddings(), LABELS), expected)

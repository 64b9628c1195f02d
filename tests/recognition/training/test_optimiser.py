"""Which parameters weight decay shrinks, measured by a step without gradients."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from recognition.errors import InputError
from recognition.training.group import Group
from recognition.training.modules import build_modules
from recognition.training.optimiser import Optimiser
from recognition.training.options import TrainingOptions
from recognition.training.whole_head import make_classifier

OPTIONS = TrainingOptions(
    width=1 / 16,
    embedding_size=8,
    head="softmax",
    aux_losses=("centre",),
    weight_decay=0.5,
    learning_rate=0.1,
)


def kind_of(name: str, shape: tuple[int, ...]) -> str:
    """Return the kind of an IResNet's or a head's parameter by its name and shape."""
    module, _, last = name.rpartition(".")
    if module.startswith(("head", "aux_losses")):
        return "biases" if last == "bias" else "centres"
    if "bn" in module or "features" in module or module.endswith("downsample.1"):
        return "norms and biases" if last == "bias" else "norms"
    return "weights" if len(shape) > 1 else "biases"


def built(options, classes=3):
    """Return the modules of a training, and their optimiser."""
    modules = build_modules(options, classes, torch.device("cpu"))
    group = Group(torch.device("cpu"))
    classifier = make_classifier(modules, options, group)
    backbone, undecayed = modules.backbone.parameters(), modules.undecayed(options.no_decay)
    return modules, Optimiser(backbone, classifier, undecayed, options, group=group, dtype=torch.float32)


@pytest.mark.parametrize("names", [(), ("norms",), ("biases",), ("centres",), ("norms", "biases", "centres")])
def test_what_is_named_does_not_decay(names):
    options = replace(OPTIONS, no_decay=names)
    modules, optimiser = built(options)
    parameters = {
        f"{part}.{name}": parameter
        for part in ("backbone", "head", "aux_losses")
        for name, parameter in getattr(modules, part).named_parameters()
    }
    kinds = set()
    for parameter in parameters.values():
        parameter.data.fill_(2.0)
    optimiser.start(options.learning_rate)
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.finish()
    for name, parameter in parameters.items():
        kind = kind_of(name, tuple(parameter.shape))
        kinds.add(kind)
        spared = any(one in names for one in kind.split(" and "))
        expected = 2.0 if spared else 2.0 - 0.1 * 0.5 * 2.0
        assert torch.all(parameter == torch.tensor(expected)), (name, kind)
    assert kinds == {"weights", "norms", "norms and biases", "biases", "centres"}


def test_another_name_is_refused():
    with pytest.raises(InputError, match="no_decay: expected one of norms, biases, centres, got 'bn'"):
        replace(OPTIONS, no_decay=("bn",))


def test_a_head_has_a_learning_rate_of_its_own():
    options = replace(OPTIONS, head_learning_rate=10.0, weight_decay=0.0)
    modules, optimiser = built(options)
    optimiser.start(0.01)
    before = {name: one.detach().clone() for name, one in modules.head.named_parameters()}
    bias = next(one for one in modules.backbone.parameters() if one.dim() == 1)
    old = bias.detach().clone()
    for parameter in optimiser.parameters:
        parameter.grad = torch.zeros_like(parameter)
    bias.grad = torch.ones_like(bias)
    for one in modules.head.parameters():
        one.grad = torch.ones_like(one)
    # The norm is that of all gradients, which are clipped to 5.
    count = bias.numel() + sum(one.numel() for one in modules.head.parameters())
    share = min(1.0, 5 / count**0.5)
    optimiser.finish()
    torch.testing.assert_close(bias.detach(), old - 0.01 * share)
    for name, one in modules.head.named_parameters():
        torch.testing.assert_close(one.detach(), before[name] - 0.1 * share)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_rows_that_a_step_does_not_use_keep_weight_and_momentum(kind):
    """Rows that are used are those of an optimiser of these rows alone."""
    options = replace(
        OPTIONS, head="norm-softmax", aux_losses=(), sample_rate=0.4, optimiser=kind, no_decay=()
    )
    modules, optimiser = built(options, classes=10)
    classifier, weight = optimiser.classifier, modules.head.weight
    rows = torch.tensor([1, 4, 5, 8])
    alone = nn.Parameter(weight.detach()[rows].clone())
    extra = {"momentum": 0.9} if kind == "sgd" else {}
    plain = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[kind](
        [alone], lr=0.1, weight_decay=0.5, **extra
    )
    before = weight.detach().clone()
    for step in range(3):
        optimiser.start(0.1)
        classifier.rows = rows
        classifier.values = weight.detach()[rows].requires_grad_()
        classifier.values.grad = torch.full((4, 8), 0.01 * (step + 1))
        alone.grad = torch.full((4, 8), 0.01 * (step + 1))
        optimiser.finish()
        plain.step()
    torch.testing.assert_close(weight.detach()[rows], alone.detach())
    others = torch.tensor([0, 2, 3, 6, 7, 9])
    assert torch.equal(weight.detach()[others], before[others])
    name = "momentum_buffer" if kind == "sgd" else "exp_avg"
    state = optimiser.state_dict()["inner"]["state"]
    (found,) = [one[name] for one in state.values() if one[name].shape == (10, 8)]
    torch.testing.assert_close(found[rows], plain.state[alone][name])
    assert not found[others].any()
    # What is saved is what another optimiser goes on with.
    _, again = built(options, classes=10)
    again.load_state_dict(optimiser.state_dict())
    torch.testing.assert_close(again.state_dict()["inner"]["state"], state)


def test_defaults_are_those_of_the_optimiser():
    assert (OPTIONS.peak_learning_rate, OPTIONS.decay) == (0.1, 0.5)
    options = TrainingOptions(optimiser="adamw")
    assert (options.peak_learning_rate, options.decay) == (1e-3, 0.1)
    options = TrainingOptions()
    assert (options.peak_learning_rate, options.decay) == (0.1, 5e-4)

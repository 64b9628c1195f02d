"""Which parameters weight decay shrinks, measured by a step without gradients."""

from dataclasses import replace

import pytest
import torch

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


@pytest.mark.parametrize("names", [(), ("norms",), ("biases",), ("centres",), ("norms", "biases", "centres")])
def test_what_is_named_does_not_decay(names):
    options = replace(OPTIONS, no_decay=names)
    modules = build_modules(options, 3, torch.device("cpu"))
    parameters = {
        f"{part}.{name}": parameter
        for part in ("backbone", "head", "aux_losses")
        for name, parameter in getattr(modules, part).named_parameters()
    }
    group = Group(torch.device("cpu"))
    optimiser = Optimiser(
        modules.backbone.parameters(),
        make_classifier(modules, options, group),
        modules.undecayed(options.no_decay),
        options,
        group=group,
        dtype=torch.float32,
    )
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

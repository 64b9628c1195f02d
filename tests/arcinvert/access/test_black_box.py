"""The black box: it has no network, counts every image, and checks what comes back."""

import types
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from arcinvert.access.black_box import (
    Answer,
    BlackBox,
    comparing_ask,
    embedding_function,
    function_ask,
)
from arcinvert.access.meter import BudgetSpentError, QueryMeter
from arcinvert.access.options import AccessOptions
from arcinvert.access.target import local_target
from recognition.errors import InputError
from recognition.recogniser import Recogniser


def reachable(start: Any) -> list[Any]:
    """Return all objects that attributes, items and slots lead to; functions are not looked into."""
    found: dict[int, Any] = {}
    pending = [start]
    while pending:
        one = pending.pop()
        if id(one) in found or isinstance(one, types.FunctionType | type | str | int):
            continue
        found[id(one)] = one
        if isinstance(one, types.MethodType | types.BuiltinMethodType):
            pending.append(one.__self__)
        pending += list(getattr(one, "__dict__", {}).values())
        pending += [getattr(one, name) for name in getattr(type(one), "__slots__", ()) if hasattr(one, name)]
        if isinstance(one, dict):
            pending += list(one.values())
        if isinstance(one, list | tuple | set):
            pending += list(one)
    return list(found.values())


@pytest.mark.parametrize("answer", ["embeddings", "scores", "decisions"])
def test_no_attribute_leads_to_the_network(tiny: Recogniser, answer: Answer) -> None:
    meter = QueryMeter(100)
    target = local_target(tiny, AccessOptions(access=answer), answer, meter)
    objects = [*reachable(target.box), *reachable(target)]
    assert any(one is meter for one in objects)
    assert not [one for one in objects if isinstance(one, nn.Module | torch.Tensor)]
    # The search does find what is there.
    assert any(one is tiny for one in reachable(types.SimpleNamespace(hidden=[{"in": tiny}])))


def test_answers_are_those_of_the_network_on_eight_bits(tiny: Recogniser) -> None:
    meter = QueryMeter(100)
    box = BlackBox(function_ask(embedding_function(tiny), "embeddings"), "embeddings", meter, name="tiny")
    images = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = tiny((images * 255).round() / 255)
    np.testing.assert_allclose(box.query(images, "test"), expected.numpy(), atol=1e-5)
    assert meter.count == 3
    # The mirror images are other images.
    box.query(images.flip(-1), "test")
    assert meter.count == 6


def test_no_gradient_comes_back(tiny: Recogniser) -> None:
    ask = function_ask(embedding_function(tiny), "embeddings")
    box = BlackBox(ask, "embeddings", QueryMeter(), name="tiny")
    images = torch.rand(1, 3, 112, 112, requires_grad=True)
    assert isinstance(box.query(images, "test"), np.ndarray)
    assert images.grad is None


def test_scores_are_rounded_and_decisions_are_at_the_threshold() -> None:
    embeddings = np.array([[0.6, 0.8], [0.96, 0.28], [0.0, 1.0]])
    shown = np.zeros((3, 4, 4, 3), np.uint8)
    templates = {"ann": np.array([1.0, 0.0])}

    def ask(threshold: float | None, decimals: int | None, answer: Answer) -> Any:
        asked = comparing_ask(lambda images: embeddings, templates, threshold=threshold, decimals=decimals)
        return BlackBox(asked, answer, QueryMeter(), name="it").query(shown, "test", person="ann").tolist()

    assert ask(None, None, "scores") == pytest.approx([0.6, 0.96, 0.0])
    assert ask(None, 1, "scores") == pytest.approx([0.6, 1.0, 0.0])
    assert ask(0.6, None, "decisions") == [1.0, 1.0, 0.0]


def test_a_stranger_is_refused_before_anything_is_counted() -> None:
    meter = QueryMeter()
    box = BlackBox(comparing_ask(lambda images: images, {}), "scores", meter, name="it")
    with pytest.raises(InputError, match="enrolled person, got 'bob'"):
        box.query(np.zeros((1, 4, 4, 3), np.uint8), "test", person="bob")
    assert meter.count == 0


def test_nothing_is_sent_beyond_the_budget() -> None:
    sent: list[int] = []

    def function(images: Any) -> Any:
        sent.append(len(images))
        return np.ones((len(images), 2))

    box = BlackBox(function_ask(function, "embeddings"), "embeddings", QueryMeter(5), name="it")
    box.query(np.zeros((4, 4, 4, 3), np.uint8), "test")
    with pytest.raises(BudgetSpentError):
        box.query(np.zeros((2, 4, 4, 3), np.uint8), "test")
    assert sent == [4]


@pytest.mark.parametrize(
    ("answer", "answers", "message"),
    [
        ("embeddings", [[1.0, 2.0]], "expected embeddings as finite numbers, \\(2, dim\\)"),
        ("embeddings", [[1.0, np.nan], [1.0, 1.0]], "expected embeddings as finite"),
        ("embeddings", [[0.0, 0.0], [1.0, 1.0]], "non-zero"),
        ("scores", [[1.0], [2.0]], "expected scores as finite numbers, \\(2,\\)"),
        ("scores", "no", "expected scores"),
        ("decisions", [0.3, 1.0], "yes or no"),
    ],
)
def test_other_answers_are_refused(answer: Answer, answers: Any, message: str) -> None:
    box = BlackBox(function_ask(lambda *_: answers, answer), answer, QueryMeter(), name="it")
    with pytest.raises(InputError, match=message):
        box.query(np.zeros((2, 4, 4, 3), np.uint8), "test")

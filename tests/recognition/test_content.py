"""Digests of content: equal for equal content alone, whatever holds it."""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from recognition.content import changed_parts, content_digest


@dataclass(frozen=True)
class Part:
    name: str
    rows: Any


DIFFERENT: list[Any] = [
    None,
    0,
    False,
    0.0,
    "",
    "0",
    b"0",
    Path("0"),
    [],
    [[]],
    ["a", "b"],
    ["ab"],
    {"a": "b"},
    {"a": ["b"]},
    torch.zeros(2, 3),
    torch.zeros(3, 2),
    torch.zeros(2, 3, dtype=torch.float16),
    torch.zeros(2, 3, dtype=torch.bfloat16),
    torch.zeros(()),
    np.zeros((2, 3), np.float32),
    np.eye(2, 3, dtype=np.float32),
    Part("a", torch.zeros(2)),
    Part("a", torch.ones(2)),
    Part("b", torch.zeros(2)),
]


def test_different_content_has_different_digests() -> None:
    digests = [content_digest(one) for one in DIFFERENT]
    for one, other in combinations(range(len(digests)), 2):
        assert digests[one] != digests[other], (DIFFERENT[one], DIFFERENT[other])
    assert content_digest("a", "b") != content_digest("ab")


def test_equal_content_has_one_digest() -> None:
    turned = torch.arange(6).reshape(3, 2).T
    assert content_digest(turned) == content_digest(turned.contiguous().clone())
    assert content_digest(np.asfortranarray(np.eye(3))) == content_digest(np.eye(3))
    assert content_digest(Part("a", (1, 2))) == content_digest(Part("a", [1, 2]))


def test_a_network_is_its_parameters_and_buffers() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = content_digest(network)
    assert content_digest(network.eval()) == before
    assert isinstance(network[1], nn.BatchNorm1d)
    assert network[1].running_mean is not None
    network[1].running_mean += 1e-3
    assert content_digest(network) != before


def test_what_has_no_content_is_refused() -> None:
    with pytest.raises(TypeError, match="no digest of object"):
        content_digest([object()])


def test_which_parts_changed() -> None:
    before = {"a": 1, "b": {"c": 1, "d": {"e": 1}}, "f": {"g": 1}, "h": [1]}
    assert changed_parts(before, before) == []
    now = {"a": 1, "b": {"c": 1, "d": {"e": 2}}, "f": None, "h": [1], "i": 0}
    assert changed_parts(before, now) == ["b (d (e))", "f", "i"]

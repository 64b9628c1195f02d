"""The choice of the network, in words for newcomers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from app.context import Context
from app.networks import describe, descriptions, network_choices
from app.settings import Settings
from arcinvert import Attacker
from recognition.bundled import NETWORKS
from recognition.source import Source


def test_every_bundled_network_has_words_and_files_have_their_names() -> None:
    choices = network_choices([*NETWORKS, "mine.onnx"])
    assert [value for _, value in choices] == [*NETWORKS, "mine.onnx"]
    assert all(words.startswith(("The ", "A ")) and value in words for words, value in choices[:-1])
    assert choices[-1] == ("mine.onnx", "mine.onnx")


def test_a_network_is_described_in_plain_words(tiny_model: Path, tiny_attacker: Attacker) -> None:
    context: Any = Context(Settings(models=tiny_model.parent))
    assert "was trained to tell 5 people apart. Attacks on it run on the processor (CPU)" in describe(
        context, tiny_model.name
    )
    backbone = SimpleNamespace(
        recogniser=SimpleNamespace(name="mine", centres=None, source=Source()), device=torch.device("cuda", 1)
    )
    context = SimpleNamespace(attacker=lambda name: backbone)
    described = describe(context, "mine.onnx")
    assert "keeps no list of people" in described
    assert "the graphics card (GPU)" in described


def test_what_a_network_file_leaves_open_is_said() -> None:
    source = Source(readings=("insightface", "zero-to-one"))
    backbone = SimpleNamespace(
        recogniser=SimpleNamespace(name="mine", centres=None, source=source), device=torch.device("cpu")
    )
    context: Any = SimpleNamespace(attacker=lambda name: backbone)
    described = describe(context, "mine.onnx")
    assert "insightface is assumed, and zero-to-one fits as well" in described


def test_a_network_that_loads_is_not_described_as_the_one_before() -> None:
    loaded: list[str] = []
    backbone = SimpleNamespace(
        recogniser=SimpleNamespace(name="mine", centres=None, source=Source()), device=torch.device("cpu")
    )

    def attacker(name: str) -> Any:
        loaded.append(name)
        return backbone

    context: Any = SimpleNamespace(attacker=attacker)
    words = descriptions(context, "<b>.onnx")
    assert next(words) == '<p class="ai-note">Loading the recogniser &lt;b&gt;.onnx.</p>'
    assert loaded == []
    assert "keeps no list of people" in next(words)
    assert list(words) == []

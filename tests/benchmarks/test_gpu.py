"""The benchmark of graphics cards, in small on the CPU."""

import argparse
import itertools
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from recognition.errors import InputError


def printed(parts: list[str], model: Path, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Run parts in small; return the rows of their tables."""
    gpu.run(argparse.Namespace(model=str(model), device="cpu", small=True, parts=parts))
    lines = capsys.readouterr().out.splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]


def number(text: str) -> float:
    return float(text.replace(",", "").removesuffix(" MiB"))


def test_every_precision_and_batch_has_a_row_of_speeds(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = printed(["speed"], tiny_model, capsys)
    assert [row[:2] for row in rows] == [
        [precision, str(batch)] for precision in gpu.PRECISIONS for batch in gpu.SMALL.batches
    ]
    for _, _, forward, gradient, attack, graphs, memory in rows:
        assert min(map(number, (forward, gradient, attack))) > 0
        assert graphs == "-"
        assert number(memory) > 10


def test_layouts_of_every_map(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(["layout"], tiny_model, capsys)
    assert [(int(row[0]), int(row[1])) for row in rows] == list(gpu.MAPS)


def test_choices_and_repetition_of_a_processor(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.run(argparse.Namespace(model=str(tiny_model), device="cpu", small=True, parts=["choices", "repeat"]))
    out = capsys.readouterr().out
    assert "batch chosen: 16, the recipe's" in out
    assert "deterministic True: the images of a second attack are the same" in out
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_compiler_that_fails_is_a_row(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler\nof C++")

    monkeypatch.setattr(torch, "compile", fail)
    rows = printed(["compile"], tiny_model, capsys)
    assert [row[2] for row in rows] == ["failed: no compiler of C++"] * 2


def test_a_median_is_taken_after_the_first_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    # By hand: a clock that each call moves by its own duration.
    durations, now = itertools.chain([9.0, 9.0, 9.0, 1.0, 2.0, 6.0]), [0.0]
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now[0])

    def call() -> None:
        now[0] += next(durations)

    size = gpu.Size((1,), 4.0, 3, 1, 1, {})
    assert gpu.median_seconds(call, torch.device("cpu"), size) == 2.0


def test_memory_that_is_short_is_said() -> None:
    def short() -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def broken() -> float:
        raise RuntimeError("an error")

    assert gpu.rate(4, short) == "out of memory"
    assert gpu.rate(4, lambda: 0.5) == "8"
    with pytest.raises(RuntimeError, match="an error"):
        gpu.rate(4, broken)


def test_an_absent_card_is_refused(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="expected one that this machine has"):
        gpu.run(argparse.Namespace(model=str(tiny_model), device="cuda:7", small=True, parts=["layout"]))

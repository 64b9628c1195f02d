"""Devices, precisions and memory."""

import contextlib

import pytest
import torch

from recognition.errors import InputError
from recognition.runtime import choose_device, choose_dtype, deterministic, keep_freed_memory, synchronise


def have(monkeypatch, *, cuda: bool = False, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_is_the_fastest_device(cuda, mps, expected, monkeypatch):
    have(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device().type == expected
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["cuda", "mps", "cuda:1", torch.device("cuda", 1)])
def test_an_absent_device_is_refused(name, monkeypatch):
    have(monkeypatch)
    with pytest.raises(InputError, match=rf"expected one that this machine has \(cpu\), got {name}; use"):
        choose_device(name)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cuda", torch.device("cuda")),
        ("cuda:0", torch.device("cuda", 0)),
        ("cuda:1", torch.device("cuda", 1)),
        (torch.device("cuda", 1), torch.device("cuda", 1)),
        (torch.device("cpu"), torch.device("cpu")),
        ("cpu:0", torch.device("cpu")),
    ],
)
def test_one_of_two_cards(given, expected, monkeypatch):
    have(monkeypatch, cuda=True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device(given) == expected
    with pytest.raises(InputError, match="expected one of 2 cards, from cuda:0, got cuda:2; use"):
        choose_device("cuda:2")


@pytest.mark.parametrize("given", ["abacus", "cuda:", "cuda:-1", "cpu:1", "", 0, None, torch.device("meta")])
def test_what_names_no_device_is_refused(given):
    with pytest.raises(InputError, match=r"expected auto, cpu, mps, cuda or, of several cards, cuda:N, got"):
        choose_device(given)


def test_determinism_is_switched_on_for_a_while_and_with_it_cudnns(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)

    def state():
        cudnn = torch.backends.cudnn
        return torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark

    before = state()
    with deterministic(False):
        assert state() == before
    with deterministic():
        assert state() == (True, True, False)
    assert state() == before == (False, False, True)
    with pytest.raises(ZeroDivisionError), deterministic():
        _ = 1 / 0
    assert state() == before


def test_waiting_waits_for_the_card_that_is_meant(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    for name in ("cpu", "cuda:1", "mps"):
        synchronise(torch.device(name))
    assert waited == [torch.device("cuda", 1), "mps"]


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_named_precision_is_used(device):
    assert choose_dtype(torch.device(device), "float32") == torch.float32
    assert choose_dtype(torch.device(device), "bfloat16") == torch.bfloat16


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"bf16": True}, torch.bfloat16),
        ({"avx2": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_precision_of_a_processor_is_what_it_has(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_dtype(torch.device("cpu")) == expected
    assert choose_dtype(torch.device("mps")) == torch.float32


@pytest.mark.parametrize(("has", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_precision_of_a_graphics_card_is_what_it_has(has, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    assert choose_dtype(torch.device("cuda")) == expected


def test_keeping_freed_memory_leaves_results_alone():
    before = torch.arange(1000.0).sum()
    assert keep_freed_memory() is None
    assert torch.arange(1000.0).sum() == before


def test_keeping_freed_memory_needs_no_glibc(monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    assert keep_freed_memory() is None

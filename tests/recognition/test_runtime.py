"""Devices, precisions and memory."""

import pytest
import torch

from recognition.errors import InputError
from recognition.runtime import choose_device, choose_dtype, keep_freed_memory


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


@pytest.mark.parametrize("name", ["cuda", "mps", "abacus"])
def test_an_absent_device_is_refused(name, monkeypatch):
    have(monkeypatch)
    with pytest.raises(InputError, match=rf"expected one that this machine has \(cpu\), got {name}; use"):
        choose_device(name)


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
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    assert choose_dtype(torch.device("cuda")) == expected


def test_keeping_freed_memory_leaves_results_alone():
    before = torch.arange(1000.0).sum()
    assert keep_freed_memory() is None
    assert torch.arange(1000.0).sum() == before


def test_keeping_freed_memory_needs_no_glibc(monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    assert keep_freed_memory() is None

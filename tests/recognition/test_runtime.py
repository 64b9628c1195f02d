import warnings

import pytest
import torch

from recognition.errors import InputError
from recognition.runtime import choose_device, choose_dtype, keep_freed_memory
from recognition.terminal import quiet_warnings, run_command


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
def test_a_named_precision_is_taken(device):
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


def test_a_finished_command_gives_its_code(capsys):
    assert run_command(lambda: 0) == 0
    assert capsys.readouterr().err == ""


def test_a_known_error_is_one_line_and_code_2(capsys):
    def fail() -> int:
        raise InputError("photo.jpg: expected a face,\n  got none")

    assert run_command(fail) == 2
    assert capsys.readouterr().err == "error: photo.jpg: expected a face, got none\n"


def test_an_interrupt_is_code_130(capsys):
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert run_command(interrupt) == 130
    assert capsys.readouterr().err.startswith("interrupted")


def test_libraries_warnings_are_kept_quiet_and_others_not():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        quiet_warnings()
        for module in ("torch.nn", "onnx", "torchless", "recognition.training.trainer"):
            warnings.warn_explicit("old", UserWarning, "file.py", 1, module=module)
    assert len(heard) == 2


def test_a_bug_keeps_its_traceback():
    def bug() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(bug)

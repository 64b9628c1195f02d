"""The device and the precision of a computation, and the memory that it takes."""

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterator

import torch

from recognition.errors import InputError
from recognition.options import DEVICE_FORM, TrainingPrecision

#: A device as callers give it: a `torch.device`, or its name; see `choose_device`.
Device = str | torch.device
#: Parameters of glibc's mallopt. Source: malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
#: Blocks below this size, in bytes, stay in the process when they are freed. No activation of a batch here is
#: larger.
_KEEP_BELOW = 1 << 30

#: Most processes that read images where their number is not given.
_MOST_WORKERS = 8


def choose_device(device: Device = "auto") -> torch.device:
    """Return a device; `auto` is the first of CUDA, MPS and the CPU that exists.

    Args:
        device: A `torch.device`, or its name; `cuda:1` is the second card.

    Raises:
        InputError: If it is neither, or this machine does not have the device.
    """
    name = str(device) if isinstance(device, torch.device) else device
    form, words = DEVICE_FORM
    if not isinstance(name, str) or not re.fullmatch(form, name):
        raise InputError(f"device: expected {words}, got {device!r}; use --device auto")
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(candidate for candidate in ("cuda", "mps", "cpu") if available[candidate])
    kind, _, number = name.partition(":")
    if not available[kind]:
        has = ", ".join(candidate for candidate, present in available.items() if present)
        raise InputError(f"device: expected one that this machine has ({has}), got {name}; use --device auto")
    if kind != "cuda" or not number:
        return torch.device(kind)
    if int(number) >= (cards := torch.cuda.device_count()):
        raise InputError(f"device: expected one of {cards} cards, from cuda:0, got {name}; use --device cuda")
    return torch.device(kind, int(number))


def choose_dtype(device: torch.device, precision: TrainingPrecision = "auto") -> torch.dtype:
    """Return the dtype of a network's inner computation; `auto` is bfloat16 where the hardware has it.

    A processor without bfloat16 instructions emulates them, which is several times slower than float32.
    """
    if precision == "float32":
        return torch.float32
    if precision in ("bfloat16", "float16"):
        return torch.bfloat16 if precision == "bfloat16" else torch.float16
    if device.type == "cuda":
        with torch.cuda.device(device):
            has = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has else torch.float32
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        has = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        return torch.bfloat16 if has else torch.float32
    return torch.float32


def is_main_rank() -> bool:
    """Return whether this is the only process of its kind, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def default_workers(device: torch.device) -> int:
    """Return how many processes should read images for one process that trains on a device.

    A GPU waits for images that the training process decodes itself; on a CPU, training takes all cores.
    """
    if device.type != "cuda":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST_WORKERS, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) - 1))


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU has always."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextlib.contextmanager
def deterministic(wanted: bool = True) -> Iterator[None]:
    """Compute by deterministic kernels alone for a while: PyTorch's own, cuDNN's and cuBLAS's.

    Some kernels of CUDA add in an order that changes from run to run, and cuDNN may choose its algorithms by
    their time. On a CPU a result does not change in this way. Where no deterministic kernel exists PyTorch
    raises a RuntimeError.

    Args:
        wanted: False changes nothing.

    Source: PyTorch's notes on reproducibility; cuBLAS reads its variable when it is first used.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn = torch.backends.cudnn
    before = torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark
    torch.set_deterministic_debug_mode("error")
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        cudnn.deterministic, cudnn.benchmark = before[1:]


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of freed activations instead of returning it to the system at every step.

    The kernel zeroes returned pages again, which takes a third of the time of a training step on a CPU. Call
    this in whole programs only: a library must not change its host's allocator.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BELOW)
            libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BELOW)


def peak_memory(device: torch.device) -> int:
    """Return the most memory used so far, in bytes: of a CUDA device, otherwise of this process.

    The result is 0 where the system does not measure it (Windows without CUDA).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

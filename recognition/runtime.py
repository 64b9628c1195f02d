"""Which device and which precision a computation runs on."""

import ctypes
import sys

import torch

from recognition.errors import InputError
from recognition.options import DeviceName, TrainingPrecision

#: glibc's mallopt parameters (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
#: Blocks below this stay in the process when freed, bytes: above any activation of a batch here.
_KEEP_BELOW = 1 << 30


def choose_device(name: DeviceName = "auto") -> torch.device:
    """The named device; `auto` is CUDA, then MPS, then the CPU.

    Raises:
        InputError: this machine does not have the device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(candidate for candidate in ("cuda", "mps", "cpu") if available[candidate])
    if not available.get(name, False):
        has = ", ".join(candidate for candidate, there in available.items() if there)
        raise InputError(f"device: expected one that this machine has ({has}), got {name}; use --device auto")
    return torch.device(name)


def choose_dtype(device: torch.device, precision: TrainingPrecision = "auto") -> torch.dtype:
    """The dtype of the network's inner computation; `auto` takes bfloat16 where hardware has it.

    A processor without bfloat16 instructions emulates them several times slower than float32.
    """
    if precision == "float32":
        return torch.float32
    if precision in ("bfloat16", "float16"):
        return torch.bfloat16 if precision == "bfloat16" else torch.float16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        has = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        return torch.bfloat16 if has else torch.float32
    return torch.float32


def keep_freed_memory() -> None:
    """Have glibc reuse the memory of freed activations rather than return it at each step.

    Returned pages must be zeroed again by the kernel: a step of training on a CPU spends a third
    of its time there. Only for whole programs; a library has no say in its host's allocator.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BELOW)
            libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BELOW)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no room for a tensor."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # Of the allocators of the CPU and of MPS, which have no class of their own.
    words = ("not enough memory", "can't allocate memory", "out of memory")
    return isinstance(error, RuntimeError) and any(one in str(error).lower() for one in words)


def peak_memory(device: torch.device) -> int:
    """The most memory that was taken so far, bytes: of a CUDA device, else of this process.

    0 where the system does not tell (Windows without CUDA).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

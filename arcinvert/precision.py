"""Which floating-point type is faster for a network on a device: measured once, and cached.

Hardware that has bfloat16 is not always faster with it: a small network's step is as long as its kernels are
many, and some processors have the instructions without units for them.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch

from arcinvert.knowledge.first_use import cache_folder
from recognition.errors import InputError
from recognition.files import read_json
from recognition.images import atomic_path
from recognition.options import Precision
from recognition.recogniser import Recogniser
from recognition.runtime import choose_dtype, synchronise

#: Images of a timed pass, passes that are not counted since the first ones allocate, and those that are.
_IMAGES, _UNCOUNTED, _COUNTED = 8, 2, 3
#: The part of float32's time that bfloat16 must stay below, as it loses digits.
GAIN = 0.9
_NAMES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_log = logging.getLogger(__name__)

#: Returns the seconds of one pass of a network in a floating-point type.
Seconds = Callable[[Recogniser, torch.dtype], float]


def pass_seconds(recogniser: Recogniser, dtype: torch.dtype) -> float:
    """Return the shortest time of a pass with the gradient of its images, seconds."""
    device, size, times = recogniser.device, recogniser.input_size, []
    images = torch.full((_IMAGES, 3, size, size), 0.5, device=device).requires_grad_()
    for number in range(_UNCOUNTED + _COUNTED):
        synchronise(device)
        start = time.monotonic()
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            embeddings = recogniser(images)
        torch.autograd.grad(embeddings.sum(), images)
        synchronise(device)
        if number >= _UNCOUNTED:
            times.append(time.monotonic() - start)
    return min(times)


def faster_dtype(recogniser: Recogniser, seconds: Seconds = pass_seconds) -> torch.dtype:
    """Return bfloat16 where the device has it and is faster with it, else float32.

    The answer is cached, so that every run of a network on a machine has the same type. Where it cannot be,
    as for a network that is in memory alone, it is float32: two measurements can differ, and with them the
    images of one seed.

    Args:
        recogniser: The frozen network, on its device.
        seconds: Measures a pass.
    """
    if choose_dtype(recogniser.device) == torch.float32:
        return torch.float32
    path = _cached_path(recogniser)
    if path is None:
        return torch.float32
    if (known := _read(path)) is not None:
        return known
    taken = {name: seconds(recogniser, dtype) for name, dtype in _NAMES.items()}
    name = "bfloat16" if taken["bfloat16"] < GAIN * taken["float32"] else "float32"
    _log.info("%s: %s, measured: %s", recogniser.name, name, taken)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            partial.write_text(json.dumps({"dtype": name, "seconds": taken}), encoding="utf-8")
    except (OSError, InputError) as error:
        _log.warning("%s: the faster precision is not kept (%s), so that it is float32", path, error)
        return torch.float32
    return _NAMES[name]


def dtype_of(recogniser: Recogniser, precision: Precision) -> torch.dtype:
    """Return the floating-point type of a precision for a frozen network on its device; `auto` measures.

    Raises:
        InputError: If the device does not have it.
    """
    if precision == "auto":
        return faster_dtype(recogniser)
    return choose_dtype(recogniser.device, precision)


def _cached_path(recogniser: Recogniser) -> Path | None:
    folder, device = cache_folder(), recogniser.device
    if folder is None or not recogniser.source.fingerprint:
        return None
    hardware = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else str(torch.cpu.get_capabilities())
    )
    decides = (recogniser.source.fingerprint, hardware, torch.__version__)
    digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
    return folder / f"{digest[:32]}.precision.json"


def _read(path: Path) -> torch.dtype | None:
    """Return the type in a file of the cache; None if there is none or it is damaged."""
    if not path.is_file():
        return None
    try:
        return _NAMES.get(str(read_json(path, "a measured precision").get("dtype")))
    except InputError as error:
        _log.warning("measuring again: %s", error)
        return None

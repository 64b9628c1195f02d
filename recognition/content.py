"""Digests of content: of nested tensors, arrays, options and networks, and which of several parts changed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def content_digest(*values: Any) -> str:
    """Return the hexadecimal SHA-256 of values, which two digests share if types and content are equal.

    Args:
        values: None, numbers, texts, bytes, paths, tensors, arrays, modules (their parameters and buffers),
            and dataclasses, mappings and sequences of them.

    Raises:
        TypeError: If a value is something else.
    """
    digest = hashlib.sha256()
    for value in values:
        _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if _add_one(digest, value):
        return
    if isinstance(value, nn.Module):
        _add(digest, dict(value.named_parameters()) | dict(value.named_buffers()))
    elif is_dataclass(value) and not isinstance(value, type):
        _add(digest, {entry.name: getattr(value, entry.name) for entry in fields(value)})
    elif isinstance(value, Mapping):
        _add_bytes(digest, "mapping", str(len(value)).encode())
        for key, one in value.items():
            _add(digest, key)
            _add(digest, one)
    elif isinstance(value, Sequence):
        _add_bytes(digest, "sequence", str(len(value)).encode())
        for one in value:
            _add(digest, one)
    else:
        raise TypeError(f"no digest of {type(value).__name__}")


def _add_one(digest: Any, value: Any) -> bool:
    """Add a value that has no parts, and return whether it is one."""
    if value is None or isinstance(value, bool | int | float | str | Path | np.generic | torch.dtype):
        _add_bytes(digest, type(value).__name__, str(value).encode("utf-8", "surrogateescape"))
    elif isinstance(value, bytes):
        _add_bytes(digest, "bytes", value)
    elif isinstance(value, Tensor):
        # As bytes: numpy has no bfloat16.
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        _add_bytes(digest, f"tensor {value.dtype} {tuple(value.shape)}", flat.numpy())
    elif isinstance(value, np.ndarray):
        _add_bytes(digest, f"array {value.dtype} {value.shape}", np.ascontiguousarray(value).tobytes())
    else:
        return False
    return True


def _add_bytes(digest: Any, kind: str, data: Any) -> None:
    """Add content behind its kind and length, so that no two sequences of contents look alike."""
    digest.update(f"{kind} {len(data)}:".encode())
    digest.update(data)


def changed_parts(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of what differs between two mappings, `name (inner names)` where both are mappings.

    Args:
        before: The parts of an earlier state, as JSON.
        now: Those of the present one.
    """
    found = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        inner = changed_parts(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else []
        found.append(f"{name} ({', '.join(inner)})" if inner else name)
    return found

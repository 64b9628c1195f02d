"""The state dict of a network among the dicts that training frameworks put around it and beside it."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from recognition.errors import InputError
from recognition.loading.conversions import one_state
from recognition.loading.head_names import HEADS

#: Most dicts in each other around a state dict; a pickle can hold a dict in itself.
_MAX_WRAPPERS = 6
#: Most dicts that are opened, and most dicts of tensors among them; a training has a hundred, and a few.
_MAX_OPENED, _MAX_FOUND = 10_000, 64
#: Most keys that an error message lists.
_MAX_LISTED = 8
#: Most tensors of a training head, and most axes of each: sub-centres have three.
HEAD_TENSORS, _HEAD_AXES = 8, 3
#: The shards of arcface_torch's class weights, which are joined with those of other files.
SHARDS = "state_dict_softmax_fc"


@dataclass(frozen=True)
class NestedState:
    """A dict of tensors inside what a file holds.

    Args:
        keys: The keys that lead to it, the outermost first.
        content: The dict, which may hold other values too.
        tensors: Its tensors by name.
    """

    keys: tuple[str, ...]
    content: dict[Any, Any]
    tensors: dict[str, Tensor]

    @property
    def is_head(self) -> bool:
        """Whether these can be a training head's tensors."""
        return can_be_head(self.tensors)


@dataclass(frozen=True)
class Contents:
    """What a file holds, apart.

    Args:
        network: The dict with the tensors of the one network in it; what was loaded, as it is, if there is
            none.
        keys: The keys of the dicts around it, the outermost first.
        head: The tensors of training heads beside it, by key and name.
        beside: The other keys of the dicts around it.
    """

    network: Any
    keys: tuple[str, ...] = ()
    head: dict[str, Tensor] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()


def can_be_head(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether tensors can be a training head's: few, a matrix, and no kernels of convolutions."""
    return can_be_beside(tensors) and any(one.ndim > 1 for one in tensors.values())


def can_be_beside(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether tensors can be what stands beside a backbone: few, and no kernels of convolutions."""
    return len(tensors) <= HEAD_TENSORS and all(one.ndim <= _HEAD_AXES for one in tensors.values())


def is_state(value: Any) -> bool:
    """Return whether a value is a dict of named tensors."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and isinstance(one, Tensor) for key, one in value.items())
    )


def open_containers(loaded: Any, path: Path) -> Contents:
    """Return the one network in what a file holds, and the training heads beside it.

    Args:
        loaded: A state dict, or dicts around it as training frameworks write them.
        path: The file's name in error messages.

    Raises:
        InputError: If there are several networks.
    """
    if is_state(loaded) or not isinstance(loaded, dict):
        return Contents(loaded)
    found = list(itertools.islice(_states(loaded, (), set()), _MAX_FOUND))
    networks = [one for one in found if not one.is_head] or [
        one for one in found if one.keys[-1:] and one.keys[-1].lower() not in HEADS
    ]
    networks = networks or found
    if len(networks) > 1:
        keys = [".".join(one.keys) or "the tensors beside it" for one in networks]
        chosen = next(one for one in networks if one.keys)
        raise InputError(
            f"{path}: expected one state dict, got {listed(keys)}; choose one, and save it alone: "
            f"{one_state(path, chosen.keys)}"
        )
    if not networks:
        return Contents(loaded)
    (network,) = networks
    heads = (one for one in found if one is not network and one.keys[-1:] != (SHARDS,))
    return Contents(
        network.content,
        network.keys,
        {".".join((*one.keys, name)): value for one in heads for name, value in one.tensors.items()},
        frozenset(_beside(loaded, network.keys)),
    )


def listed(keys: Sequence[Any]) -> str:
    """Return how many keys there are and the first of them, for an error message."""
    shown = ", ".join(repr(key)[:50] for key in keys[:_MAX_LISTED])
    return f"{len(keys)} ({shown}{', ...' if len(keys) > _MAX_LISTED else ''})"


def _states(value: dict[Any, Any], keys: tuple[str, ...], seen: set[int]) -> Iterator[NestedState]:
    """Yield the dicts of tensors that may be a network or a head."""
    if len(keys) > _MAX_WRAPPERS or id(value) in seen or len(seen) > _MAX_OPENED:
        return
    tensors = {key: one for key, one in value.items() if isinstance(key, str) and isinstance(one, Tensor)}
    # Counters, scales and the states of random generators are no network.
    has_weights = any(one.ndim >= 2 for one in tensors.values())
    if has_weights:
        yield NestedState(keys, value, tensors)
    if not has_weights or len(tensors) < len(value):
        seen.add(id(value))
    for key, one in value.items():
        # An optimiser has tensors of the network's names and shapes.
        if isinstance(key, str) and isinstance(one, dict) and "optim" not in key.lower():
            yield from _states(one, (*keys, key), seen)


def _beside(loaded: dict[Any, Any], keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        yield from (str(other) for other in loaded if other != key)
        loaded = loaded[key]

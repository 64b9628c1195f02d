"""The order of the classes in a saved network's file."""

import json
import os
from collections.abc import Mapping

from recognition.checkpoint import load_recogniser, read_safetensors, write_safetensors
from recognition.data.folders import by_photographs
from recognition.errors import InputError

#: Tensors of a network's file with one row for each class.
_PER_CLASS = ("centres", "extra.subcentres")


def order_classes(
    path: str | os.PathLike[str], out: str | os.PathLike[str], photographs: Mapping[str, int]
) -> list[int]:
    """Write a network with its classes in the order of their training photographs, and with these numbers.

    The weights are those of the file, bit by bit; only centres, names and numbers change their places.

    Args:
        path: The network, as `save_recogniser` wrote it.
        out: The file to write, completely or not at all; it may be `path`.
        photographs: The number of training photographs of each class name.

    Returns:
        The former index of each class.

    Raises:
        InputError: If the file cannot be read or written, has no class names, or one without a number.
    """
    names = load_recogniser(path).class_names
    if names is None:
        raise InputError(f"{path}: expected a network with class names, got one without")
    if missing := sorted(set(names) - set(photographs)):
        raise InputError(
            f"{path}: expected photographs of each of its {len(names):,} classes, got none of "
            f"{len(missing):,}, such as {missing[0]}; give the data that it was trained on"
        )
    index_of = {name: index for index, name in enumerate(names)}
    ordered = by_photographs({name: photographs[name] for name in names})
    order = [index_of[name] for name in ordered]
    tensors, metadata = read_safetensors(path)
    for key in _PER_CLASS:
        if key in tensors:
            tensors[key] = tensors[key][order].contiguous()
    metadata["class_names"] = json.dumps(ordered)
    metadata["class_photographs"] = json.dumps([photographs[name] for name in ordered])
    write_safetensors(out, tensors, metadata)
    return order

"""Checks of an ONNX model before anything of it is expanded: calls of functions, and data in other files.

A model may have functions, whose calls are replaced by their nodes. A dozen functions that call each other
ten times each are a trillion nodes in three kilobytes, so that calls are counted before any is replaced.
"""

from collections.abc import Iterator
from typing import Any

from recognition.errors import InputError

#: Most nodes of a graph, with its functions' calls replaced. IResNet-200 has 700, a ViT-L in primitive
#: operators 3,000.
MAX_NODES = 10_000
#: Bytes that the nodes may have when calls are replaced: this many, and this many times the file's size.
_EXPANDED_FLOOR = 64 << 20
_EXPANDED_FACTOR = 4
#: Most graphs in each other, as in the branches of If.
_MAX_DEPTH = 20

#: Most functions that call each other in a chain.
_MAX_CALLS = 50
#: What names a function: domain, name, overload.
_Key = tuple[str, str, str]


def check_calls(model: Any, file_bytes: int) -> None:
    """Check how many nodes, and bytes of them, a model has when the calls of its functions are replaced.

    Args:
        model: An `onnx.ModelProto`.
        file_bytes: Size of its file.

    Raises:
        InputError: If there are too many, or a function calls itself.
    """
    functions = {
        (function.domain, function.name, getattr(function, "overload", "")): function
        for function in model.functions
    }
    counted: dict[_Key, tuple[int, int]] = {}
    nodes, size = _count(model.graph, functions, counted, ())
    if nodes > MAX_NODES:
        raise InputError(f"expected at most {MAX_NODES:,} nodes, got {nodes:,}")
    if size > _EXPANDED_FLOOR + _EXPANDED_FACTOR * file_bytes:
        raise InputError(f"expected functions that expand to a few times the file, got {size:,} bytes")


def _count(
    graph: Any, functions: dict[_Key, Any], counted: dict[_Key, tuple[int, int]], calling: tuple[_Key, ...]
) -> tuple[int, int]:
    """Return the nodes and the bytes of a graph or function; `calling` are the functions that call it."""
    nodes, size = 0, 0
    for node in graph_nodes(graph):
        key = (node.domain, node.op_type, getattr(node, "overload", ""))
        nodes, size = nodes + 1, size + node.ByteSize()
        if key not in functions:
            continue
        if key in calling:
            raise InputError(f"expected functions without recursion, {node.op_type!r} calls itself")
        if len(calling) > _MAX_CALLS:
            raise InputError(f"expected at most {_MAX_CALLS} functions in each other, got more")
        if key not in counted:
            counted[key] = _count(functions[key], functions, counted, (*calling, key))
        nodes, size = nodes + counted[key][0], size + counted[key][1]
    return nodes, size


def graph_nodes(graph: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the nodes of a graph or function, and those of the graphs in their attributes.

    Raises:
        InputError: If graphs are nested too deeply.
    """
    if depth > _MAX_DEPTH:
        raise InputError(f"expected at most {_MAX_DEPTH} graphs in each other, got more")
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graph_nodes(inner, depth + 1)


def has_external_data(model: Any) -> bool:
    """Return whether any tensor of a model, at any depth, is stored in another file."""
    from onnx.external_data_helper import uses_external_data

    graphs = [model.graph, *model.functions, *(info.algorithm for info in model.training_info)]
    return any(uses_external_data(tensor) for graph in graphs for tensor in _graph_tensors(graph))


def _graph_tensors(graph: Any) -> Iterator[Any]:
    yield from _stored(graph)
    for node in graph_nodes(graph):
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                yield from _stored(inner)


def _stored(graph: Any) -> Iterator[Any]:
    """Yield the initialisers of a graph; functions have none."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)

"""Ranks for tests: forked processes of this one that exchange by Gloo, through a file."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from recognition.training.group import Group

#: Seconds that a rank waits for another one.
_LONGEST = 300


def on_ranks(size: int, what: Callable[..., object], *arguments: Any) -> list[Any]:
    """Return what a function of this rank's group and the arguments returns on each rank: tensors, as saved.

    A rank that is killed, or raises an error, has None.
    """
    with tempfile.TemporaryDirectory() as folder:
        children = [_start(rank, size, Path(folder), what, arguments) for rank in range(size)]
        for child in children:
            os.waitpid(child, 0)
        found = [Path(folder, f"{rank}.pt") for rank in range(size)]
        return [torch.load(path, weights_only=True) if path.exists() else None for path in found]


def _start(rank: int, size: int, folder: Path, what: Callable[..., object], arguments: Any) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        torch.set_num_threads(1)
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/meeting",
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=_LONGEST),
        )
        result = what(Group(torch.device("cpu"), rank, size), *arguments)
        torch.save(result, folder / f"{rank}.part")
        (folder / f"{rank}.part").rename(folder / f"{rank}.pt")
        dist.barrier()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Without the hooks of the process that it was forked from.
        os._exit(code)

"""The processes that train one network: this one alone, or the ranks that torchrun started.

A step's loss is the sum of the ranks' shares of it, and gradients are summed over the ranks. Every exchange
here has the derivative that belongs to that sum, so that the training loop is the same for one and many
ranks.
"""

import contextlib
import inspect
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from recognition.errors import InputError
from recognition.runtime import Device, choose_device

#: Longest wait for another rank: one rank alone checks all files, embeds the held-out faces and writes. The
#: ranks of one that dies do not wait so long: torchrun ends them.
_LONGEST_WAIT = timedelta(hours=12)

Anything = TypeVar("Anything")


class Group:
    """The ranks of a training, and what they exchange; one rank exchanges nothing.

    Args:
        device: Where this rank computes.
        rank: Number of this rank, from 0.
        size: Number of ranks.
    """

    def __init__(self, device: torch.device, rank: int = 0, size: int = 1) -> None:
        self.device = device
        self.rank = rank
        self.size = size
        #: Bytes of all tensors that this rank has exchanged.
        self.traffic = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the rank that writes files and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return which of so many things are this rank's: a contiguous part, nearly equal for all ranks."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum_(self, values: Tensor) -> Tensor:
        """Replace values by their sum over the ranks, and return them; without a derivative."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def largest_(self, values: Tensor) -> Tensor:
        """Replace values by the largest of all ranks, and return them; without a derivative."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def _reduce(self, values: Tensor, operation: Any) -> Tensor:
        if self.size > 1:
            self.traffic += values.nbytes
            dist.all_reduce(values, operation)
        return values

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of numbers over the ranks."""
        if self.size == 1:
            return values
        summed = self.sum_(torch.as_tensor(values, dtype=torch.float64, device=self.device))
        return summed.cpu().numpy()

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all ranks, in their order: shape (size * rows, ...). It has a derivative.

        Args:
            rows: Shape (rows, ...), of the same shape on every rank.
        """
        if self.size == 1:
            return rows
        gathered: Tensor = _Gather.apply(rows, self)
        return gathered

    def gather_plain(self, rows: Tensor) -> Tensor:
        """Return what `gather` does, without a derivative."""
        if self.size == 1:
            return rows
        rows = rows.detach().contiguous()
        gathered = [torch.empty_like(rows) for _ in range(self.size)]
        self.traffic += rows.nbytes * self.size
        dist.all_gather(gathered, rows)
        return torch.cat(gathered)

    def collect(self, rows: Tensor) -> Tensor | None:
        """Return the rows of all ranks in their order on the main rank, in main memory; None on the others.

        Args:
            rows: Shape (rows, ...); the number of rows may differ between ranks.
        """
        if self.size == 1:
            return rows
        counts = self.objects(len(rows))
        if not self.is_main:
            dist.send(rows.detach().contiguous(), 0)
            return None
        parts = [rows.detach().cpu()]
        for rank in range(1, self.size):
            # One rank at a time: the main rank's device never holds the rows of all.
            part = rows.new_empty((counts[rank], *rows.shape[1:]))
            dist.recv(part, rank)
            parts.append(part.cpu())
        return torch.cat(parts)

    def objects(self, value: Anything) -> list[Anything]:
        """Return the values of all ranks, in their order."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def from_main(self, value: Anything) -> Anything:
        """Return the main rank's value on every rank."""
        values: list[Any] = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, 0)
        return values[0]

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.size > 1:
            dist.barrier()

    def sums(self, module: nn.Module, sums: bool) -> contextlib.AbstractContextManager[None]:
        """Return a context in which a module that `wrapped` returned sums its gradients, or adds them up.

        Args:
            module: The module.
            sums: Whether the gradients are summed over the ranks, with those that were added up before.
        """
        if isinstance(module, DistributedDataParallel) and not sums:
            without: contextlib.AbstractContextManager[None] = module.no_sync()
            return without
        return contextlib.nullcontext()

    def wrapped(self, module: nn.Module, *, compiled: bool = False) -> nn.Module:
        """Return a module whose backward pass sums the gradients of its parameters over the ranks.

        Args:
            module: The module, whose parameters these are.
            compiled: Whether torch.compile makes its code faster.
        """
        if compiled:
            module = cast("nn.Module", torch.compile(module))
        if self.size == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        # Batch statistics are those of all ranks already. torch 2.14 has renamed the argument.
        names = inspect.signature(DistributedDataParallel).parameters
        sync = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
        options: dict[str, Any] = {"device_ids": devices, "gradient_as_bucket_view": True, sync: False}
        wrapped = DistributedDataParallel(module, **options)
        wrapped.register_comm_hook(self, _sum_gradients)
        return wrapped


class _Gather(torch.autograd.Function):
    """The rows of all ranks; the gradient of a rank's rows is summed over the ranks."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: Group) -> Tensor:
        ctx.group, ctx.rows = group, len(rows)
        return group.gather_plain(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        group: Group = ctx.group
        summed = group.sum_(gradients[0].contiguous().clone())
        return summed[group.rank * ctx.rows : (group.rank + 1) * ctx.rows], None


def _sum_gradients(
    group: Group,
    # Its wrapper checks this annotation, which the stubs of torch do not have.
    bucket: dist.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[Tensor]:
    """Sum gradients over the ranks, where DistributedDataParallel alone would average them."""
    group.traffic += bucket.buffer().nbytes
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    summed: torch.futures.Future[Tensor] = work.get_future().then(lambda future: future.value()[0])
    return summed


@contextlib.contextmanager
def joined(device: Device = "auto") -> Iterator[Group]:
    """Join the ranks that torchrun started, or those that are joined already; without them, be alone.

    Ranks on CUDA exchange by NCCL, and each has the device of its local number; others exchange by Gloo.

    Args:
        device: Where to compute.

    Raises:
        InputError: If this machine does not have the device, or not one for each of its ranks.
    """
    chosen = choose_device(device)
    begins = dist.is_available() and not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    if begins:
        if chosen.type == "mps":
            chosen = torch.device("cpu")
        if chosen.type == "cuda":
            chosen = _own_device()
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=_LONGEST_WAIT)
    if not (dist.is_available() and dist.is_initialized()):
        yield Group(chosen)
        return
    yield Group(chosen, dist.get_rank(), dist.get_world_size())
    # Not after an error: the other ranks may be waiting for this one, which waits for them then.
    if begins:
        dist.destroy_process_group()


def _own_device() -> torch.device:
    """Return the CUDA device of this rank, and make it the current one."""
    local, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= count:
        raise InputError(
            f"ranks: expected at most one for each of the {count} CUDA devices, got local rank {local}; "
            "lower torchrun's --nproc-per-node"
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)

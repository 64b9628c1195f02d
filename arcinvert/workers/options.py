"""The options that spread a command over processes and machines. This module does not import torch."""

import re
from dataclasses import dataclass

from recognition.config import check, option
from recognition.errors import InputError

_GROUP = "workers"
#: Most processes of one machine: more is a slip of the finger.
_MOST = 1024
#: Most threads of one process, likewise: the libraries beneath end the process where they are too many.
MOST_THREADS = 1024


@dataclass(frozen=True)
class WorkerOptions:
    """Where batches are computed.

    Raises:
        InputError: If a value is of another type or out of its range.
    """

    workers: str | None = option(
        help="compute batches side by side: a number of processes of this machine, ray for a cluster of Ray "
        "(a local one is started where there is none), or the address of a cluster; results do not depend on "
        "it",
        group=_GROUP,
        metavar="N",
    )
    threads: int | None = option(
        help="the threads of each process, on which the last bits of results depend (default: 1 with "
        "--workers and --shard, otherwise as many as torch chooses)",
        group=_GROUP,
        metavar="N",
        minimum=1,
        maximum=MOST_THREADS,
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def processes(self) -> int | None:
        """The number of processes of this machine; None for a cluster, and where nothing was given.

        Raises:
            InputError: If it is neither a number nor a cluster.
        """
        if self.workers is None or self.cluster is not None:
            return None
        if not re.fullmatch(r"\d{1,6}", self.workers) or not 1 <= int(self.workers) <= _MOST:
            raise InputError(
                f"workers: expected a number of processes from 1 to {_MOST}, ray, or the address of a "
                f"cluster of Ray such as ray://host:10001, got {self.workers!r}"
            )
        return int(self.workers)

    @property
    def cluster(self) -> str | None:
        """What names a cluster of Ray: `ray`, or its address; None for anything else."""
        named = self.workers is not None and (self.workers in ("ray", "auto") or ":" in self.workers)
        return self.workers if named else None


@dataclass(frozen=True)
class Shard:
    """One part of work that is done in several runs, such as the jobs of a batch system.

    Args:
        number: The part's number, from 0.
        count: The number of parts.
    """

    number: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """The beginning of the names of the part's own files."""
        return f"shard-{self.number}-of-{self.count}"

    def has(self, index: int) -> bool:
        """Return whether a piece of work, by its number from 0, is of this part."""
        return index % self.count == self.number


def parse_shard(text: str) -> Shard:
    """Return the part that `I/N` names.

    Raises:
        InputError: If it is not of this form, or the part is not one of N.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None or not int(found[1]) < int(found[2]):
        raise InputError(f"shard: expected I/N with a part I from 0 to N - 1, such as 0/4, got {text!r}")
    return Shard(int(found[1]), int(found[2]))

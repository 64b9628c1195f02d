"""Open workers: the context in which batches are computed side by side."""

from arcinvert.workers.base import InProcess, Workers
from arcinvert.workers.options import WorkerOptions
from arcinvert.workers.spread import check_threads


def open_workers(workers: int | str | None = None, *, threads: int | None = None) -> Workers:
    """Return workers, for `with`, in which batches are computed; results do not depend on how many there are.

    Processes import the main module of a script anew: begin what it does with
    `if __name__ == "__main__":`.

    Args:
        workers: A number of processes of this machine, `ray`, or the address of a cluster of Ray; 1 computes
            in this process, and so does None.
        threads: The threads of each process, this one included while the context is open; None is 1, and as
            many as torch has chosen where `workers` is None.

    Raises:
        InputError: If it is none of these, or Ray is not installed.

    Example:
        >>> with open_workers(4) as workers:
        ...     run = Attacker(workers=workers).generate(class_id=range(100), out="results")
    """
    options = WorkerOptions(None if workers is None else str(workers), threads)
    if options.cluster is not None:
        # Imported when it is used: an optional dependency, which takes a second.
        from arcinvert.workers.ray_cluster import RayWorkers

        return RayWorkers(options.cluster, check_threads(threads))
    if (count := options.processes) is None:
        return InProcess(threads)
    if count == 1:
        return InProcess(check_threads(threads))
    from arcinvert.workers.processes import Processes

    return Processes(count, check_threads(threads))

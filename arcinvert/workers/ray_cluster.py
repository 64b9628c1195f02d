"""Workers that are actors of a Ray cluster, on one machine or on many."""

import contextlib
import pickle
from collections.abc import Sequence
from typing import Any, Self

from arcinvert.inversion.result import Step
from arcinvert.workers.messages import Died, Failed, Message, Reported, Shipment
from arcinvert.workers.spread import Handle, Spread, describe_threads, gpus
from arcinvert.workers.worker import Worker
from recognition.errors import InputError, one_line

#: Seconds between two looks at how far actors are.
_INTERVAL = 1.0


class RayWorkers(Spread):
    """Actors of a cluster: one for each GPU, or, where this machine has none, for each core.

    Args:
        address: `ray` takes the cluster that RAY_ADDRESS names or that runs on this machine, and else starts
            one; anything else is an address.
        threads: The threads of each, whose cores are reserved.

    Raises:
        InputError: If Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str, threads: int) -> None:
        super().__init__(threads)
        self._address = None if address == "ray" else address
        self._ray = _import_ray()
        self._ours = False
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    def describe(self) -> str:
        what = "one GPU" if gpus() else describe_threads(self.threads)
        return f"{self._count} actors of Ray with {what} each"

    def __enter__(self) -> Self:
        if not self._ray.is_initialized():
            try:
                self._ray.init(self._address, log_to_driver=False, configure_logging=False)
            except Exception as error:
                # Whatever it raises, bare exceptions among them, is about the cluster.
                raise InputError(
                    f"workers: expected a cluster of Ray at {self._address or 'this machine'}, found none "
                    f"({one_line(error)}); start one with 'ray start --head'"
                ) from None
            self._ours = True
        resources = self._ray.cluster_resources()
        free = resources.get("GPU", 0) if gpus() else resources.get("CPU", 0) / self.threads
        self._count = int(free)
        if self._count < 1:
            self._close()
            raise InputError(
                f"workers: expected a cluster with {self.threads} cores on a machine, got fewer; lower "
                "--threads"
            )
        return super().__enter__()

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self._close()

    def _close(self) -> None:
        if self._ours:
            self._ray.shutdown()
            self._ours = False

    def prepare(self, shipment: Shipment) -> Any:
        # Once into the cluster's memory, from which every machine takes it.
        return self._ray.put(shipment)

    def start(self, number: int) -> "Actor":
        return Actor(self._ray, number, self.threads)

    def wait(self, handles: Sequence[Handle]) -> list[tuple[Handle, Message]]:
        actors = [one for one in handles if isinstance(one, Actor)]
        ready, _ = self._ray.wait([one.pending for one in actors], timeout=_INTERVAL)
        if ready:
            return [(one, one.receive()) for one in actors if one.pending in ready]
        return [(one, Reported(step)) for one in actors if (step := one.step()) is not None]


class Actor:
    """One actor.

    Args:
        ray: The module.
        number: The actor's number from 0.
        threads: Its threads.
    """

    def __init__(self, ray: Any, number: int, threads: int) -> None:
        self._ray = ray
        self.version: int | None = None
        self.pending: Any = None
        # Two methods at a time: a job, and the question how far it is. Ray shows an actor its own GPU as the
        # first one.
        remote = ray.remote(num_cpus=threads, num_gpus=1 if gpus() else 0, max_concurrency=2)(RayWorker)
        self.actor = remote.remote(threads)

    def submit(self, version: int, shipment: Any, job: bytes) -> None:
        self.pending = self.actor.run.remote(version, shipment, job)

    def receive(self) -> Message:
        """Return the result of the job, or why there is none."""
        try:
            message: Message = pickle.loads(self._ray.get(self.pending))  # noqa: S301
            return message
        except self._ray.exceptions.RayTaskError as error:
            return Failed(error)
        except self._ray.exceptions.RayError as error:
            return Died(one_line(error))

    def step(self) -> Step | None:
        """Return the latest step of the job; None if there is none, or no answer."""
        try:
            found: Step | None = self._ray.get(self.actor.step.remote(), timeout=_INTERVAL)
            return found
        except self._ray.exceptions.RayError:
            return None

    def stop(self) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self.actor)


class RayWorker:
    """A worker in an actor.

    Args:
        threads: The number of threads.
    """

    def __init__(self, threads: int) -> None:
        self._worker = Worker(0, threads)
        self._step: Step | None = None

    def run(self, version: int, shipment: Shipment | None, job: bytes) -> bytes:
        """Return the message of a job's result."""
        self._step = None
        return self._worker.run(version, shipment, job, self._report)

    def _report(self, step: Step) -> None:
        self._step = step

    def step(self) -> Step | None:
        """Return the latest step of the running job."""
        return self._step


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise InputError(
            "workers: expected the package ray for a cluster, it is not installed; pip install "
            "'arcinvert[ray]', or give a number of processes"
        ) from None
    return ray

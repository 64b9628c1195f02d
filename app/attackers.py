"""Loaded networks, kept for the next request."""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path

from arcinvert import Attacker

#: Networks that are kept: the bundled one and another. A large one takes a gigabyte with its statistics.
MOST = 2
#: A file's path, modification time and size.
Key = tuple[str, int, int]


class Attackers:
    """Loads each network once and keeps those used last; safe to use from several threads.

    A network can be attacked in one thread while others embed photographs with it without gradients: what an
    attack attaches to a network acts on passes with gradients alone.

    Args:
        device: Where attacks run.
        most: The number of networks that are kept.
    """

    def __init__(self, device: str = "auto", *, most: int = MOST) -> None:
        self._device = device
        self._most = most
        self._loaded: OrderedDict[Key, Future[Attacker]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, model: str) -> Attacker:
        """Return the attacker of a network, loaded now if it is not there or its file has changed.

        Args:
            model: The bundled network's name, or a file.

        Raises:
            InputError: If the network cannot be loaded.
        """
        key = _key(model)
        with self._lock:
            future = self._loaded.get(key)
            missing = future is None
            if future is None:
                future = self._loaded[key] = Future()
            self._loaded.move_to_end(key)
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
        if missing:
            # Outside the lock: requests for other networks need not wait.
            try:
                future.set_result(Attacker(model, device=self._device))
            except BaseException as error:
                with self._lock:
                    self._loaded.pop(key, None)
                future.set_exception(error)
        return future.result()


def _key(model: str) -> Key:
    path = Path(model)
    if not path.is_file():
        return (model, 0, 0)
    status = path.stat()
    return (model, status.st_mtime_ns, status.st_size)

"""How long attacks take on this machine, estimated before they begin."""

import threading
import time
from weakref import WeakKeyDictionary

import torch

from arcinvert import Attacker

#: Time of a step of an attack, in passes without gradients: forward, backward, penalties and optimiser.
STEP_COST = 3.3
#: Passes that are timed; the fastest counts, since others may be disturbed.
_TIMED = 3


class StepTimes:
    """The seconds of a step of each network, which are measured once and not for every number on the page.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._seconds: WeakKeyDictionary[Attacker, float] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, attacker: Attacker) -> float:
        """Return the seconds of a step, measured now if they never were."""
        with self._lock:
            known = self._seconds.get(attacker)
        return self.measured(attacker) if known is None else known

    def measured(self, attacker: Attacker) -> float:
        """Measure the seconds of a step, and return the fewest that were ever measured.

        What else the machine did meanwhile made the others longer.
        """
        seconds = seconds_per_step(attacker)
        with self._lock:
            seconds = self._seconds[attacker] = min(seconds, self._seconds.get(attacker, seconds))
        return seconds


def seconds_per_step(attacker: Attacker) -> float:
    """Return the estimated number of seconds of one step of an attack with one sample.

    A pass without gradients is timed, which does not disturb an attack that runs in another thread.
    """
    size = attacker.recogniser.input_size
    image = torch.full((1, 3, size, size), 0.5, device=attacker.device)
    fastest = float("inf")
    with torch.no_grad():
        for _ in range(_TIMED):
            begin = time.perf_counter()
            # Copying the result waits for a device that computes on its own.
            attacker.recogniser(image).cpu()
            fastest = min(fastest, time.perf_counter() - begin)
    return fastest * STEP_COST


def rounded(seconds: float) -> str:
    """Return a duration in words, as exact as an estimate is."""
    if seconds < 10:
        return f"about {max(1, round(seconds))} s"
    if seconds < 60:
        return f"about {5 * round(seconds / 5)} s"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} minute{'s' if minutes > 1 else ''}"

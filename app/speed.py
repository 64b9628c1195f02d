"""How long attacks take on this machine, estimated before they begin."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch

from arcinvert import Attacker, AttackOptions, InputError
from arcinvert.audit.duration import StepSeconds
from arcinvert.knowledge.calibrate import measure_synthetic
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.measure import ACTIVATION_FACES

#: Time of a step of an attack, in passes without gradients: forward, backward, penalties and optimiser.
STEP_COST = 3.3
#: Passes that are timed; the fastest counts, since others may be disturbed.
_TIMED = 3
#: Images of the larger of two batches that are timed: as many as an audit has would take long with a large
#: network.
_SEVERAL = 8
#: Synthetic faces that a network is measured on to see how long all take, and what an attack does then.
_TRIAL_FACES = 8
#: Time of a face after those whose activations are measured, in passes of one image: of two networks it was
#: 1.5 and 1.6.
_FACE_COST = 1.5


@dataclass(frozen=True)
class FirstUse:
    """What the first use of a network will bring.

    Args:
        knowledge: What will be known of the network as far as an attack's plan depends on it.
        seconds: About how long it is measured; 0 where it was, or is not going to be.
    """

    knowledge: Knowledge
    seconds: float = 0.0


class StepTimes:
    """The seconds of a step of each network, which are measured once and not for every number on the page.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._seconds: WeakKeyDictionary[Attacker, dict[int, float]] = WeakKeyDictionary()
        self._trials: WeakKeyDictionary[Attacker, FirstUse] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, attacker: Attacker, images: int = 1) -> float:
        """Return the seconds of a step of a batch of so many images, measured now if they never were."""
        with self._lock:
            known = self._seconds.get(attacker, {}).get(images)
        return self.measured(attacker, images) if known is None else known

    def measured(self, attacker: Attacker, images: int = 1) -> float:
        """Measure the seconds of a step, and return the fewest that were ever measured.

        What else the machine did meanwhile made the others longer.
        """
        seconds = seconds_per_step(attacker, images)
        with self._lock:
            known = self._seconds.setdefault(attacker, {})
            seconds = known[images] = min(seconds, known.get(images, seconds))
        return seconds

    def of_batches(self, attacker: Attacker) -> StepSeconds:
        """Return the seconds of a step by the number of images in its batch."""
        return StepSeconds.measured(self.of(attacker), self.of(attacker, _SEVERAL), _SEVERAL)

    def first_use(self, attacker: Attacker) -> FirstUse:
        """Return what the first use will bring; nothing where the network is measured already.

        What an earlier process has measured is read from the cache, so that the plan of an attack is that of
        the attack itself.
        """
        faces = attacker.faces_to_measure(AttackOptions())
        if not faces:
            attacker.measure(AttackOptions())
            return FirstUse(attacker.knowledge)
        with self._lock:
            known = self._trials.get(attacker)
        if known is None:
            known = trial(attacker, faces, self.of(attacker) / STEP_COST)
            with self._lock:
                self._trials[attacker] = known
        return known


def trial(attacker: Attacker, faces: int, pass_seconds: float) -> FirstUse:
    """Measure a network on a few synthetic faces, and return what the measurement on all will bring.

    Nothing of it is kept by the attacker.

    Args:
        attacker: The network.
        faces: On how many faces it will be measured.
        pass_seconds: The seconds of a pass of one image.
    """
    begin = time.perf_counter()
    try:
        statistics = measure_synthetic(attacker.recogniser, _TRIAL_FACES)
    except InputError:
        # It has no layers to measure, and is attacked without.
        return FirstUse(attacker.knowledge)
    each = (time.perf_counter() - begin) / _TRIAL_FACES
    detailed = min(faces, ACTIVATION_FACES)
    seconds = detailed * each + (faces - detailed) * pass_seconds * _FACE_COST
    return FirstUse(replace(attacker.knowledge, statistics=statistics), seconds)


def seconds_per_step(attacker: Attacker, images: int = 1) -> float:
    """Return the estimated number of seconds of one step of an attack.

    A pass without gradients is timed, which does not disturb an attack that runs in another thread.

    Args:
        attacker: The network.
        images: The number of images in the batch.
    """
    size = attacker.recogniser.input_size
    batch = torch.full((images, 3, size, size), 0.5, device=attacker.device)

    def run() -> None:
        # Copying the result waits for a device that computes on its own.
        attacker.recogniser(batch).cpu()

    with torch.no_grad():
        return min(_seconds(run) for _ in range(_TIMED)) * STEP_COST


def _seconds(run: Callable[[], None]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def rounded(seconds: float) -> str:
    """Return a duration in words, as exact as an estimate is."""
    if seconds < 10:
        return f"about {max(1, round(seconds))} s"
    if seconds < 60:
        return f"about {5 * round(seconds / 5)} s"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} minute{'s' if minutes > 1 else ''}"


def measuring_text(first_use: FirstUse) -> str:
    """Return a sentence about the measurement at the first use, to follow an estimate; empty without it."""
    if not first_use.seconds:
        return ""
    return f" Before that, the network is measured on synthetic faces, once: {rounded(first_use.seconds)}."

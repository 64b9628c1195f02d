"""Runs cases reader by reader until the time is over, and keeps the file of every fault."""

import hashlib
import random
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tests.fuzz.cases import Outcome, run_case
from tests.fuzz.readers import READERS


@dataclass
class Report:
    """What a run found.

    Args:
        outcomes: Number of cases by reader and kind of outcome.
        faults: The kept file of each fault, with its outcome.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[tuple[Path, Outcome]] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """Number of cases in all."""
        return self.outcomes.total()


def run(
    names: Sequence[str], *, seconds: float, seed: int, keep: Path, most_cases: int | None = None
) -> Report:
    """Fuzz readers in turn for some seconds.

    Args:
        names: Names of readers.
        seconds: When to stop.
        seed: Seed of the mutations; a seed and a reader give the same files whatever the machine's speed.
        keep: Folder of the files that a reader fails on.
        most_cases: Cases after which to stop.

    Raises:
        AssertionError: If a reader refuses a sound file.
    """
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        folder = Path(temporary)
        seeds = {name: list(READERS[name].seeds(folder)) for name in names}
        for name in names:
            # What a reader imports, and computes once, is done here and not in each of its processes.
            sound = folder / f"case{READERS[name].ending}"
            sound.write_bytes(seeds[name][0])
            READERS[name].read(sound)
            for data in seeds[name]:
                outcome = _one(name, data, folder, deadline=60)
                assert outcome.kind == "read", (name, outcome)
        chances = {name: random.Random(f"{seed} {name}") for name in names}  # noqa: S311
        # Importing and making sound files takes its own time.
        end = time.monotonic() + seconds
        while time.monotonic() < end and (most_cases is None or report.cases < most_cases):
            for name in names:
                chance = chances[name]
                data = READERS[name].mutation(chance.choice(seeds[name]), chance)
                outcome = _one(name, data, folder)
                if outcome.kind == "hang":
                    # A busy machine may have been slow; the time of the processor decides.
                    outcome = _one(name, data, folder, deadline=60)
                report.outcomes[name, outcome.kind] += 1
                if outcome.is_fault:
                    report.faults.append((_keep(keep, name, data, outcome), outcome))
                if time.monotonic() > end:
                    break
    return report


def _one(name: str, data: bytes, folder: Path, *, deadline: float = 10) -> Outcome:
    path = folder / f"case{READERS[name].ending}"
    path.write_bytes(data)
    return run_case(READERS[name].read, path, deadline=deadline)


def _keep(folder: Path, name: str, data: bytes, outcome: Outcome) -> Path:
    """Write the file of a fault and beside it what happened, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}{READERS[name].ending}"
    path.write_bytes(data)
    path.with_name(path.name + ".txt").write_text(
        f"{outcome.kind}\n{outcome.detail}\n", errors="backslashreplace"
    )
    return path

"""`python -m tests.kills --times 15`: kill every command so often, and report what went wrong.

`python -m tests.kills --changes 30` kills audits, changes an input of each, and repeats the command.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import torch

from tests.kills.changes import change
from tests.kills.killing import kill, make_judge_cheap
from tests.kills.scenarios import SCENARIOS, scenario_of


def main() -> int:
    """Return 0 if all results are as without kills, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--times", type=int, default=15, metavar="N", help="kills of each command")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the moments")
    parser.add_argument(
        "--changes",
        type=int,
        metavar="N",
        help="in place of these: change an input of an audit N times between a kill and the next run",
    )
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="commands")
    parser.add_argument(
        "--cheap-judge",
        action="store_true",
        help="a few pixels in place of dlib's network and detector, which take half of the time",
    )
    given = parser.parse_args()
    if given.cheap_judge:
        make_judge_cheap()
    torch.set_num_threads(1)
    wrong: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    if given.changes is not None:
        begin = time.monotonic()
        wrong += change(folder, given.changes, random.Random(given.seed))  # noqa: S311
        seconds = time.monotonic() - begin
        print(f"changes: {given.changes} changes, {len(wrong)} faults, {seconds:.0f} s", flush=True)
    for name in given.only if given.changes is None else ():
        begin = time.monotonic()
        inputs = folder / f"{name}-inputs"
        inputs.mkdir()
        scenario = scenario_of(name, inputs)
        found = kill(scenario, folder / name, given.times, random.Random(given.seed))  # noqa: S311
        seconds = time.monotonic() - begin
        print(f"{name}: {given.times} kills, {len(found)} faults, {seconds:.0f} s", flush=True)
        wrong += found
    print("\n".join(wrong) or f"all results are as they should be ({folder})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.kills --times 100`: kill every command so often, and report what went wrong."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.kills.killing import kill, prepare


def main() -> int:
    """Return 0 if all results are as without kills, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--times", type=int, default=20, metavar="N", help="kills of each command")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the moments")
    parser.add_argument("--only", metavar="NAME", help="one command alone")
    given = parser.parse_args()
    wrong: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    for scenario in prepare(folder):
        if given.only in (None, scenario.name):
            found = kill(scenario, folder / scenario.name, given.times, random.Random(given.seed))  # noqa: S311
            print(f"{scenario.name}: {given.times} kills, {len(found)} faults", flush=True)
            wrong += found
    print("\n".join(wrong) or f"all results are as without kills ({folder})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

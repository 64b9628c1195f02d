"""The command line: `python -m tests.fuzz --minutes 60 [--seed N] [--reader NAME ...]`."""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from recognition.errors import InputError
from tests.fuzz.readers import READERS
from tests.fuzz.runner import Report, run


def main() -> int:
    """Fuzz, print the counts and the faults, and return 1 if there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the project's readers.")
    parser.add_argument("--minutes", type=float, default=1.0, help="How long to run")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the mutations")
    parser.add_argument("--reader", nargs="+", choices=READERS, default=list(READERS), help="Readers to fuzz")
    parser.add_argument("--workers", type=int, default=1, help="Number of processes, with a seed each")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="Folder of files that fail")
    parser.add_argument("--replay", type=Path, help="Read this file with --reader, and show the error")
    options = parser.parse_args()
    if options.replay is not None:
        try:
            READERS[options.reader[0]].read(options.replay)
        except InputError as error:
            print(f"refused: {error}")
        return 0
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        reports = [
            pool.submit(
                run,
                options.reader,
                seconds=60 * options.minutes,
                seed=options.seed + number,
                keep=options.keep,
            )
            for number in range(options.workers)
        ]
        return _show([report.result() for report in reports])


def _show(reports: list[Report]) -> int:
    total = sum((report.outcomes for report in reports), Counter())
    for name in READERS:
        kinds = {kind: count for (reader, kind), count in sorted(total.items()) if reader == name}
        if kinds:
            print(f"{name:12} {sum(kinds.values()):6} cases: {kinds}")
    faults = [fault for report in reports for fault in report.faults]
    for path, outcome in faults:
        print(f"{path}: {outcome.kind}: {outcome.detail.strip().splitlines()[-1][:160]}")
    print(f"{sum(total.values())} cases, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""The time of an audit of templates by one worker and by several, whose reports must be equal.

    python -m benchmarks.workers --templates 10000

Each number of workers audits the same random templates anew, with one thread a process. The speed is that of
the whole audit from its options to its report, and that of the attack alone, without the seconds in which
processes start. The cores must be idle: a ratio on busy ones says nothing.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit
from arcinvert.workers.open import open_workers
from benchmarks.stream import make_model
from recognition.loading import load

#: The files of a report that are compared.
_FILES = ("audit.json", "report.html", "report.md", "report.pdf")


@dataclass(frozen=True)
class Measured:
    """One audit.

    Args:
        seconds: Of the whole audit.
        start: Of it, until the first steps are reported.
        report: The files of the report.
    """

    seconds: float
    start: float
    report: dict[str, bytes]


def measure(options: AuditOptions, out: Path, workers: str, threads: int) -> Measured:
    """Audit once."""
    begin = time.monotonic()
    first = 0.0

    def progress(done: int, steps: int) -> None:
        nonlocal first
        first = first or time.monotonic() - begin

    with open_workers(workers, threads=threads) as opened:
        run_audit(options, out, progress=progress, workers=opened)
    seconds = time.monotonic() - begin
    return Measured(seconds, first, {name: (out / name).read_bytes() for name in _FILES})


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--templates", type=int, default=128, help="the number of templates (default: 128)")
    parser.add_argument("--steps", type=int, default=20, help="the steps of each batch (default: 20)")
    parser.add_argument(
        "--workers", nargs="+", default=["1", "2"], help="what is compared, the first with all (default: 1 2)"
    )
    parser.add_argument("--threads", type=int, default=1, help="the threads of each process (default: 1)")
    parser.add_argument("--model", help="the network (default: a small one with random weights)")
    given = parser.parse_args()
    # Reports of different times differ by their time alone.
    os.environ["SOURCE_DATE_EPOCH"] = "1000000000"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given.model
        if model is None:
            model = str(folder / "small.safetensors")
            make_model(Path(model))
        dim, count = load(model).embedding_size, given.templates
        templates = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
        np.save(folder / "templates.npy", templates)
        (folder / "ids.txt").write_text("".join(f"Person {number}\n" for number in range(count)))
        options = AuditOptions(
            model=model,
            templates=folder / "templates.npy",
            ids=folder / "ids.txt",
            people=count,
            samples=1,
            steps=given.steps,
            device="cpu",
            # Of random weights nothing is to be learned from faces, which takes minutes.
            calibrate=given.model is not None,
            key_file=folder / "key.json",
        )
        found = [measure(options, folder / f"out-{one}", one, given.threads) for one in given.workers]
    base = found[0]
    for workers, one in zip(given.workers, found, strict=True):
        attack, base_attack = one.seconds - one.start, base.seconds - base.start
        print(
            f"{count:,} templates, {given.steps} steps, workers {workers}: {one.seconds:.1f} s, "
            f"{count / one.seconds:.2f} templates/s, {base.seconds / one.seconds:.2f} times the first; "
            f"{one.start:.1f} s until the first steps, then {base_attack / attack:.2f} times the first; "
            f"report {'equal' if one.report == base.report else 'DIFFERS'}",
            flush=True,
        )


if __name__ == "__main__":
    main()

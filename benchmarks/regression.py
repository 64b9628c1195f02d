"""What the regression from templates to faces adds to an attack on classes of lfw-iresnet18.

    python -m benchmarks.regression

The same classes are attacked with and without it, and judged by the photograph of each that was kept out of
training. The default is the regression beside the network, which was fitted on faces of its training;
`--statistics` takes that of other faces. The blend was chosen on classes outside these (`--tuning` takes
them).
"""

import argparse
from pathlib import Path
from typing import Any

from arcinvert import Attacker
from benchmarks.first_run import SEED
from benchmarks.losses import cell
from benchmarks.people import choose
from recognition.checkpoint import load_notes
from recognition.loading import UNDISTILLED, bundled_path
from recognition.runtime import keep_freed_memory

#: The seed of the draw of the tuning classes, and the number of reported ones.
TUNING_SEED = 9
REPORTED = 50
#: The options of each row.
ROWS: dict[str, dict[str, Any]] = {
    "neither": {"initialisation": "mean-face", "regression_blend": 0.0},
    "initialisation": {"regression_blend": 0.0},
    "blend": {"initialisation": "mean-face"},
    "both": {},
    # The one step that is taken does not show in the picture.
    "regression alone": {"regression_blend": 1.0, "steps": 1},
}


def classes(count: int, *, tuning: bool) -> list[str]:
    """Return drawn classes with a photograph outside training: the reported ones, or others for tuning."""
    names = sorted(load_notes(bundled_path())["split"]["reserved"])
    if not tuning:
        return choose(names, count, SEED)
    reported = set(choose(names, REPORTED, SEED))
    return choose([name for name in names if name not in reported], count, TUNING_SEED)


def row(summary: dict[str, Any]) -> list[str]:
    """Return Type II similarity, SAR (accepted share) at both FMRs, faces detected, gap closed."""
    figures = [summary["similarity"], *(sar["attack"] for sar in summary["sar"].values())]
    return [cell(figure) for figure in (*figures, summary["face_detected"], summary["gap_closed"])]


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--classes", type=int, default=REPORTED, help="the number of classes (default: %(default)s)"
    )
    parser.add_argument("--tuning", action="store_true", help="attack classes that settings are tuned on")
    parser.add_argument("--statistics", type=Path, help="a file of 'arcinvert calibrate' on other faces")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="the rows (default: all)")
    options = parser.parse_args()
    keep_freed_memory()
    names = classes(options.classes, tuning=options.tuning)
    attacker = Attacker(UNDISTILLED, statistics=options.statistics)
    print("| regression | Type II | SAR at 1e-2 | SAR at 1e-3 | face detected | gap closed |")
    print("|---|---|---|---|---|---|")
    for name in options.rows:
        run = attacker.generate(class_name=names, **ROWS[name])
        print(f"| {name} | {' | '.join(row(run.summary))} |", flush=True)
    known = {kind: run.summary[kind] for kind in ("floor", "ceiling")}
    for kind, figure in known.items():
        rates = ", ".join(f"{cell(sar[kind])} at {rate}" for rate, sar in run.summary["sar"].items())
        print(f"{kind}: Type II {cell(figure)}, SAR {rates}; n = {figure['identities']}")


if __name__ == "__main__":
    main()

"""What the regression from templates to faces adds to an attack on classes of the bundled network.

    python -m benchmarks.regression

The same classes with and without it, judged by the photograph that each kept out of training. By default the
map that lies beside the network, which is fitted on faces of its training; `--statistics` takes that of other
faces. The share was chosen on classes outside these (`--tuning` takes them).
"""

import argparse
from pathlib import Path
from typing import Any

import arcinvert
from benchmarks.first_run import SEED
from benchmarks.losses import cell
from benchmarks.people import choose
from recognition.checkpoint import load_notes
from recognition.loading import bundled_path
from recognition.runtime import keep_freed_memory

#: Of the draw of the tuning classes.
TUNING_SEED = 9
REPORTED = 50
#: What each row changes.
ROWS: dict[str, dict[str, Any]] = {
    "neither": {"start": "mean", "regression_share": 0.0},
    "start": {"regression_share": 0.0},
    "share": {"start": "mean"},
    "both": {},
    # The one step that is taken is not seen in the picture.
    "regression alone": {"regression_share": 1.0, "steps": 1},
}


def classes(count: int, *, tuning: bool) -> list[str]:
    """Seeded classes with a photograph outside training: the reported ones, or others."""
    names = sorted(load_notes(bundled_path())["split"]["reserved"])
    if not tuning:
        return choose(names, count, SEED)
    reported = set(choose(names, REPORTED, SEED))
    return choose([name for name in names if name not in reported], count, TUNING_SEED)


def row(summary: dict[str, Any]) -> list[str]:
    """Type II similarity, SAR at both rates, faces found, gap closed."""
    figures = [summary["similarity"], *(sar["attack"] for sar in summary["sar"].values())]
    return [*map(cell, figures), f"{summary['face_detected']['value']:.2f}", f"{summary['gap_closed']:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=REPORTED, help="how many")
    parser.add_argument("--tuning", action="store_true", help="those that settings are tuned on")
    parser.add_argument("--statistics", type=Path, help="a file of 'arcinvert calibrate' with other faces")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="some of the rows alone")
    options = parser.parse_args()
    keep_freed_memory()
    names = classes(options.classes, tuning=options.tuning)
    common = {} if options.statistics is None else {"statistics": str(options.statistics)}
    print("| regression | Type II | SAR at 1e-2 | SAR at 1e-3 | face found | gap closed |")
    print("|---|---|---|---|---|---|")
    for name in options.rows:
        run = arcinvert.generate(class_name=names, **(common | ROWS[name]))
        print(f"| {name} | {' | '.join(row(run.summary))} |", flush=True)
    known = {kind: run.summary[kind] for kind in ("floor", "ceiling")}
    for kind, figure in known.items():
        rates = ", ".join(f"{sar[kind]['value']:.3f} at {rate}" for rate, sar in run.summary["sar"].items())
        print(f"{kind}: Type II {figure['value']:.3f}, SAR {rates}; n = {run.summary['identities']}")


if __name__ == "__main__":
    main()

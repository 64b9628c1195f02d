"""How often the judge accepts photographs in the poses and with the expressions that attacks are asked for.

    python -m benchmarks.pose_ceiling --aligned ALIGNED --landmarker mediapipe/bin/python --out runs/ceiling

A face that turns is harder to recognise on a photograph, too: these rows are a ceiling of benchmarks.pose. A
photograph counts for a pose within 7.5 degrees of it, and for an expression that it shows by
benchmarks/mesh_measures.py; the judge compares it with another photograph of the person, whatever that shows.
The photographs are of people that the bundled network was trained on and that settings are tuned on.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.similarity import similarity
from benchmarks.judged import run_or_exit, write_table
from benchmarks.mesh_measures import Mesh, MeshMeasures
from benchmarks.people import tuning_people
from benchmarks.pose import FMR, WISHES, add_arguments, cell, draw_people, error_of, place_meshes
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import read_image
from recognition.loading import bundled_path
from recognition.metrics.intervals import estimate

#: Degrees from a pose within which a photograph counts for it: half of the distance between two rows.
NEAR = 7.5
#: Fewest photographs of a row.
FEWEST = 10


def drawn_pairs(aligned: Path, count: int, *, seed: int) -> tuple[list[str], list[Path], list[Path]]:
    """Return people, a photograph of each entry's person, and another one of the same person.

    A person has as many entries as photographs, up to `count` entries altogether.

    Raises:
        InputError: If there are too few.
    """
    held_out = load_notes(bundled_path())["split"]["held_out"]
    folders = read_folders(aligned)
    pairs = [
        (name, folders[name][place], folders[name][place - 1])
        for name in tuning_people(folders, held_out)
        for place in range(len(folders[name]))
    ]
    if len(pairs) < count:
        raise InputError(f"photographs: expected at most {len(pairs)}, got {count}")
    order = np.random.default_rng(seed).permutation(len(pairs))[:count]
    names, shown, others = zip(*(pairs[index] for index in order), strict=True)
    return list(names), list(shown), list(others)


def shows(wish: Mapping[str, Any], mesh: Mesh, measures: MeshMeasures) -> NDArray[np.bool_]:
    """Return which photographs show what a row asks for, shape (photographs,)."""
    if "expression" in wish:
        return mesh.reached(wish["expression"], measures)
    error = error_of(wish, measures)
    return np.isfinite(measures.yaw) if error is None else np.asarray(error <= NEAR)


def measure_ceiling(options: argparse.Namespace) -> None:
    """Measure, print and write."""
    reference = draw_people(options.aligned, 1, seed=options.seed, tuning=True).photographs
    mesh, judge = Mesh(place_meshes(reference, options.landmarker)), DlibJudge()
    names, shown, others = drawn_pairs(options.aligned, options.photographs, seed=options.seed)
    crops = np.stack([read_image(path) for path in shown])
    measures = mesh.measure(place_meshes(crops, options.landmarker))
    (threshold,) = (point.similarity for point in thresholds() if point.fmr == FMR)
    rows, lines = {}, [f"| photographs that show | photographs | SAR at {FMR:g} |", "|---|---|---|"]
    random = np.random.default_rng(options.seed)
    for name, wish in WISHES.items():
        (found,) = np.nonzero(shows(wish, mesh, measures))
        if len(found) < FEWEST:
            lines.append(f"| {name} | {len(found)} | |")
            continue
        found = random.permutation(found)[: options.most]
        pair = judge.embed(list(crops[found])), judge.embed([read_image(others[index]) for index in found])
        accepted = similarity(*pair) > threshold
        rows[name] = estimate(accepted, [names[index] for index in found])
        lines.append(f"| {name} | {len(found)} | {cell(rows[name])} |")
    lines += ["", f"{len(names)} photographs of tuning people; 95 % intervals over people."]
    print("\n".join(lines))
    options.out.mkdir(parents=True, exist_ok=True)
    write_table(options.out, "\n".join(lines) + "\n", {name: asdict(row) for name, row in rows.items()})


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_arguments(parser)
    parser.add_argument(
        "--photographs", type=int, default=2000, help="photographs that are measured (default: %(default)s)"
    )
    parser.add_argument(
        "--most", type=int, default=100, help="photographs that are judged in each row (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the seed of the draw (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("arcinvert-results/pose-ceiling"), help="the folder for results"
    )
    run_or_exit(measure_ceiling, parser)


if __name__ == "__main__":
    main()

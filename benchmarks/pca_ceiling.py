"""How well the judge still recognises a person in a photograph reduced to face PCA coefficients.

    python -m benchmarks.pca_ceiling --photos ../shared/data/lfw/images --people 32 --out runs/pca-ceiling

A row keeps the first coefficients of a photograph and nothing else of it: what a copy of it can keep. That is
no bound for an attack, whose picture need not have the photograph's light and pose. No network is attacked;
the people are those that settings are tuned on.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from arcinvert.knowledge.face_pca import faces_of, pca_coefficients_of
from benchmarks.judged import Jury, Row, as_json, make_panel, run_or_exit, write_table
from benchmarks.recipes import described, table
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.images import to_tensor, to_uint8

#: The numbers of coefficients, one row each.
COUNTS = (100, 300, 600, 1000)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--people", type=int, default=32, help="the number of people (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the draw of people (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("arcinvert-results/pca-ceiling"),
        help="the folder for results (default: %(default)s)",
    )
    run_or_exit(compare, parser)


def compare(options: argparse.Namespace) -> None:
    """Reduce photographs to more and more coefficients, judge, print and write."""
    panel = make_panel(options.photos, options.people, options.seed, options.out, tuning=True)
    jury = Jury(panel)
    faces = torch.stack([to_tensor(crop) for crop in panel.first])
    rows: dict[str, Row] = {}
    for count in COUNTS:
        reduced = F.interpolate(faces_of(pca_coefficients_of(faces, count)), ALIGNED_SIZE, mode="bicubic")
        rows[f"{count:,} coefficients"] = jury.row(*jury.look(to_uint8(reduced.clamp(0, 1))))
    rows |= jury.ends()
    text = f"{table([(name, row, None) for name, row in rows.items()], panel)}\n\n{described(panel)}\n"
    print(f"\n{text}")
    write_table(options.out, text, {name: as_json(row) for name, row in rows.items()})


if __name__ == "__main__":
    main()

"""What the judge still knows of a person in a photograph laid along the eigenfaces.

    python -m benchmarks.eigenface_ceiling --photos ../shared/data/lfw/images --people 32 --out runs/ceiling

A photograph's first coordinates, and nothing else of it: what a copy of it can keep. It is no bound of an
attack, whose picture need not have the photograph's light and pose. No network is attacked; people are those
that settings are tuned on.
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

COUNTS = (100, 300, 600, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="LFW, a folder per identity")
    parser.add_argument("--people", type=int, default=32, help="whose photographs")
    parser.add_argument("--seed", type=int, default=0, help="of the people")
    parser.add_argument(
        "--out", type=Path, default=Path("arcinvert-results/eigenface-ceiling"), help="results"
    )
    run_or_exit(compare, parser)


def compare(options: argparse.Namespace) -> None:
    """Lay photographs along more and more eigenfaces, judge, print, and write."""
    panel = make_panel(options.photos, options.people, options.seed, options.out, tuning=True)
    jury = Jury(panel)
    faces = torch.stack([to_tensor(crop) for crop in panel.first])
    rows: dict[str, Row] = {}
    for count in COUNTS:
        along = F.interpolate(faces_of(pca_coefficients_of(faces, count)), ALIGNED_SIZE, mode="bicubic")
        rows[f"{count:,} eigenfaces"] = jury.row(*jury.look(to_uint8(along.clamp(0, 1))))
    rows |= jury.ends()
    text = f"{table([(name, row, None) for name, row in rows.items()], panel)}\n\n{described(panel)}\n"
    print(f"\n{text}")
    write_table(options.out, text, {name: as_json(row) for name, row in rows.items()})


if __name__ == "__main__":
    main()

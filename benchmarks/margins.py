"""Small networks with one head each, of the same budget and seed, beside the ArcFace paper's table.

    python -m benchmarks.margins --aligned ALIGNED --out runs/margins

Identities, network and budget are those of benchmarks/small_trainings.py. An interrupted run resumes, and
each network is measured once. The paper's results (arXiv:1801.07698, table 2: CASIA, ResNet-50) are
accuracies on LFW's own pairs, ours are on pairs of the held-out identities: only the order can be compared.
"""

import argparse
import json
from pathlib import Path

from benchmarks.label_noise import inject
from benchmarks.small_trainings import choose_people, table_row, train_and_measure, with_head
from recognition.data.lists import write_list
from recognition.images import atomic_path

#: Head and auxiliary losses, and the paper's accuracy on LFW, CFP-FP and AgeDB-30 in percent, if any.
ROWS: dict[str, tuple[tuple[str, ...], tuple[float, float, float] | None]] = {
    "arcface": (("arcface",), (99.53, 95.56, 95.15)),
    "cosface": (("cosface",), (99.51, 95.44, 94.56)),
    "sphereface": (("sphereface",), (99.11, 94.38, 91.70)),
    "cm1": (("cm1",), (99.48, 95.12, 94.38)),
    "cm2": (("cm2",), (99.50, 95.24, 94.86)),
    "softmax": (("softmax",), (99.08, 94.39, 92.33)),
    "norm-softmax": (("norm-softmax",), (98.56, 89.79, 88.72)),
    "norm-softmax + intra": (("norm-softmax", "intra"), None),
    "norm-softmax + inter": (("norm-softmax", "inter"), None),
    "norm-softmax + triplet": (("norm-softmax", "triplet"), None),
    "softmax + centre": (("softmax", "centre"), None),
    "norm-softmax + contrastive": (("norm-softmax", "contrastive"), None),
    "subcentre": (("subcentre",), None),
    "adaface": (("adaface",), None),
    "magface": (("magface:low_norm=5,high_norm=25",), None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aligned", type=Path, required=True, help="Aligned LFW")
    parser.add_argument("--out", type=Path, required=True, help="Folder of the trainings and results")
    parser.add_argument(
        "--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="ROW", help="Rows of the table"
    )
    options = parser.parse_args()
    people = choose_people(options.aligned)
    options.out.mkdir(parents=True, exist_ok=True)
    write_list(options.out / "people.csv", inject(people, 0.0).rows)
    result = {}
    for name in options.rows:
        (head, *aux_losses), _ = ROWS[name]
        folder = options.out / name.replace(" + ", "-")
        result[name] = train_and_measure(
            options.out / "people.csv", folder, people, with_head(head, *aux_losses)
        )
    with atomic_path(options.out / "margins.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1))
    print("| head | pair accuracy | EER | TAR at FMR 0.01 | paper: LFW / CFP-FP / AgeDB, % |")
    print("|---|---|---|---|---|")
    for name, figures in result.items():
        paper = ROWS[name][1]
        beside = " / ".join(f"{value:.2f}" for value in paper) if paper else "-"
        print(table_row(name, figures, beside))


if __name__ == "__main__":
    main()

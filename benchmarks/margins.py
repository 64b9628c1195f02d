"""Small networks with one loss each, of the same budget and seed, beside the ArcFace paper's table.

    python -m benchmarks.margins --aligned ALIGNED --out runs/margins
    python -m benchmarks.margins --aligned ALIGNED --out runs/margins-full --budget full

Identities, network and budgets are those of benchmarks/small_trainings.py. An interrupted run resumes, and
each network is measured once. The paper's results (arXiv:1801.07698v3, table 2: CASIA, ResNet-50) are
accuracies on LFW's own pairs, ours are on pairs of the held-out identities: only the order can be compared.

A loss of pairs alone, triplet or tuplet, starts from the network of the softmax row, as such losses are
usually trained; its head has no weight then. Two of the paper's rows, SphereFace's and CosFace's own, are
figures of other papers: the row a-softmax is SphereFace's head. The tuplet loss is in the ArcFace paper's
figure 1 without a figure of its accuracy.

Abbreviations: EER, equal error rate; FMR, false match rate; TAR, true accept rate.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.label_noise import inject
from benchmarks.small_trainings import (
    BUDGETS,
    Budget,
    add_budget,
    choose_people,
    table_row,
    train_and_measure,
    with_head,
)
from recognition.data.lists import write_list
from recognition.images import atomic_path
from recognition.training.options import TrainingOptions


@dataclass(frozen=True)
class Row:
    """A loss of the table.

    Args:
        head: The head, with its options.
        aux_losses: Auxiliary losses, with their options.
        paper: The paper's accuracy on LFW, CFP-FP and AgeDB-30 in percent; None where it has none.
        start: The row whose network the training starts from, with the auxiliary losses alone.
    """

    head: str
    aux_losses: tuple[str, ...] = ()
    paper: tuple[float | None, float | None, float | None] | None = None
    start: str | None = None

    def options(self, common: TrainingOptions) -> TrainingOptions:
        """Return the options of its training."""
        changed = with_head(self.head, *self.aux_losses, options=common)
        return changed if self.start is None else replace(changed, head_weight=0.0)


_ARCFACE = "arcface:margin=0.5"
ROWS: dict[str, Row] = {
    "arcface 0.4": Row("arcface:margin=0.4", paper=(99.53, 95.41, 94.98)),
    "arcface 0.45": Row("arcface:margin=0.45", paper=(99.46, 95.47, 94.93)),
    "arcface 0.5": Row(_ARCFACE, paper=(99.53, 95.56, 95.15)),
    "arcface 0.55": Row("arcface:margin=0.55", paper=(99.41, 95.32, 95.05)),
    "a-softmax": Row("a-softmax", paper=(99.42, None, None)),
    "sphereface": Row("sphereface", paper=(99.11, 94.38, 91.70)),
    "cosface": Row("cosface", paper=(99.51, 95.44, 94.56)),
    "cm1": Row("cm1", paper=(99.48, 95.12, 94.38)),
    "cm2": Row("cm2", paper=(99.50, 95.24, 94.86)),
    "softmax": Row("softmax", paper=(99.08, 94.39, 92.33)),
    "norm-softmax": Row("norm-softmax", paper=(98.56, 89.79, 88.72)),
    "norm-softmax + intra": Row("norm-softmax", ("intra",), (98.75, 93.81, 90.92)),
    "norm-softmax + inter": Row("norm-softmax", ("inter",), (98.68, 90.67, 89.50)),
    "norm-softmax + intra + inter": Row("norm-softmax", ("intra", "inter"), (98.73, 94.00, 91.41)),
    "softmax, then triplet": Row("softmax", ("triplet",), (98.98, 91.90, 89.98), start="softmax"),
    "softmax, then tuplet": Row("softmax", ("tuplet",), start="softmax"),
    "arcface 0.5 + intra": Row(_ARCFACE, ("intra",), (99.45, 95.37, 94.73)),
    "arcface 0.5 + inter": Row(_ARCFACE, ("inter",), (99.43, 95.25, 94.55)),
    "arcface 0.5 + intra + inter": Row(_ARCFACE, ("intra", "inter"), (99.43, 95.42, 95.10)),
    "arcface 0.5 + triplet": Row(_ARCFACE, ("triplet",), (99.50, 95.51, 94.40)),
    "norm-softmax + triplet": Row("norm-softmax", ("triplet",)),
    "softmax + centre": Row("softmax", ("centre",)),
    "norm-softmax + contrastive": Row("norm-softmax", ("contrastive",)),
    "subcentre": Row("subcentre"),
    "adaface": Row("adaface"),
    "magface": Row("magface:low_norm=5,high_norm=25"),
}


def train_rows(aligned: Path, out: Path, budget: Budget, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Train the networks of some rows and of those that they start from; return the figures of `names`.

    Args:
        aligned: Aligned LFW.
        out: The folder of the trainings, one folder for each row.
        budget: How much is trained.
        names: Rows of the table.
    """
    people = choose_people(aligned, budget.identities, budget.photographs)
    out.mkdir(parents=True, exist_ok=True)
    write_list(out / "people.csv", inject(people, 0.0).rows)
    found: dict[str, dict[str, Any]] = {}
    for name in needed(names):
        row = ROWS[name]
        found[name] = train_and_measure(
            out / "people.csv",
            out / folder_of(name),
            people,
            row.options(budget.options),
            start_from=None if row.start is None else out / folder_of(row.start) / "model.safetensors",
        )
    return {name: found[name] for name in names}


def needed(names: Sequence[str]) -> list[str]:
    """Return rows and those that they start from, each once, in an order in which they can be trained."""
    starts = [start for name in names if (start := ROWS[name].start) is not None]
    return list(dict.fromkeys([*starts, *names]))


def folder_of(name: str) -> str:
    """Return the name of a row's folder."""
    return name.replace(" + ", "-").replace(", ", "-").replace(" ", "-")


def paper_cell(paper: tuple[float | None, ...] | None) -> str:
    """Return the paper's accuracies as a cell of the table."""
    if paper is None:
        return "-"
    return " / ".join("-" if value is None else f"{value:.2f}" for value in paper)


def main() -> None:
    """Parse the command line, train, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_budget(parser)
    parser.add_argument(
        "--rows",
        nargs="+",
        default=list(ROWS),
        choices=list(ROWS),
        metavar="ROW",
        help=f"rows of the table (default: all: {', '.join(ROWS)})",
    )
    options = parser.parse_args()
    result = train_rows(options.aligned, options.out, BUDGETS[options.budget], options.rows)
    with atomic_path(options.out / "margins.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1))
    print("| loss | pair accuracy | EER | TAR at FMR 0.01 | paper: LFW / CFP-FP / AgeDB, % |")
    print("|---|---|---|---|---|")
    for name, figures in result.items():
        print(table_row(name, figures, paper_cell(ROWS[name].paper)))


if __name__ == "__main__":
    main()

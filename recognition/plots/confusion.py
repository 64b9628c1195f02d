"""Figures of confusion matrices of verification and identification."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recognition.metrics.confusion import IdentificationConfusion, VerificationConfusion
from recognition.plots.style import new_figure, plain

#: Above this share of its row, a cell is dark and its text white.
_DARK = 0.55
#: The longest name of a row or column.
_LONGEST = 22


def draw_confusion(pairs: VerificationConfusion, people: IdentificationConfusion | None = None) -> Figure:
    """Draw the confusion matrix of verification, and beside it that of identification if there is one.

    A cell has its count; its colour is its share of the row.
    """
    if people is None:
        figure = new_figure(4.2, 3.6)
        first = figure.subplots()
    else:
        side = 0.42 * len(people.counts[0]) + 2.6
        figure = new_figure(4.2 + side, max(4.4, 0.36 * len(people.counts) + 2.6))
        first, second = figure.subplots(1, 2, width_ratios=[3.2, side])
        others = [
            "another, rightly",
            "another, wrongly",
            "nobody",
        ]
        names = [_short(name) for name in people.names]
        _draw(
            second,
            people.counts,
            [*names, "other enrolled", "not enrolled"],
            [*names, *others],
            f"Identification among {people.gallery}, threshold {people.threshold:.3f}\n"
            f"right {people.right.value:.1%}, wrong {people.wrong.value:.1%}, "
            f"strangers accepted {people.strangers.value:.1%}",
        )
        second.set_xlabel("found")
        second.set_ylabel("shown")
    _draw(
        first,
        pairs.counts,
        ["one person", "two people"],
        ["accepted", "rejected"],
        f"Verification, threshold {pairs.threshold:.3f}\n"
        f"TAR {pairs.tar.value:.1%} [{pairs.tar.low:.1%}, {pairs.tar.high:.1%}]\n"
        f"FMR {pairs.fmr.value:.2%} [{pairs.fmr.low:.2%}, {pairs.fmr.high:.2%}]",
        percent=True,
    )
    return figure


def _draw(
    axes: Axes,
    counts: NDArray[np.int64],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    *,
    percent: bool = False,
) -> None:
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            text = f"{count:,}" + (f"\n{shares[row, column]:.2%}" if percent else "")
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    if not percent:
        axes.tick_params(axis="x", labelrotation=90)
    axes.set_title(title, fontsize=9)


def _short(name: str) -> str:
    words = name.replace("_", " ")
    return plain(words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…")

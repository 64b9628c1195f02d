"""Panels of the pairs of photographs that a network mistakes, with names, similarities and the threshold."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from recognition.data.keys import number_of
from recognition.images import to_uint8
from recognition.metrics.intervals import Estimate
from recognition.metrics.mistakes import MistakenPair, Mistakes
from recognition.plots.style import COLOURS, new_figure, plain


def draw_mistakes(
    mistakes: Mistakes, read: Callable[[Path], Tensor], *, title: str, columns: int = 3
) -> Figure:
    """Draw the mistaken pairs of both kinds, each pair side by side, the worst first.

    Args:
        mistakes: The pairs.
        read: Returns the float image, shape (3, height, width) in [0, 1], of a key.
        title: What the pairs are of.
        columns: Number of pairs in a row.
    """
    parts = (
        ("Two people, taken for one", "no false match", mistakes.false_matches, mistakes.fmr),
        (
            "One person, not recognised",
            "no false reject",
            mistakes.false_rejects,
            _complement(mistakes.tar),
        ),
    )
    rows = [max(1, -(-len(pairs) // columns)) for _, _, pairs, _ in parts]
    figure = new_figure(3.1 * columns, 2.1 * sum(rows) + 1.2)
    figure.suptitle(f"{plain(title)}: accepted above similarity {mistakes.threshold:.3f}", fontsize=10)
    parted = figure.subfigures(2, 1, squeeze=False, height_ratios=rows)[:, 0]
    for part, count, (heading, none, pairs, rate) in zip(parted, rows, parts, strict=True):
        shown = heading if pairs else f"{heading}: {none}"
        part.suptitle(
            f"{shown} ({rate.value:.2%} of {rate.comparisons:,} pairs, {rate.low:.2%} to {rate.high:.2%})",
            fontsize=9,
            color=COLOURS[1],
        )
        grid = part.subplots(count, 2 * columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for number, pair in enumerate(pairs):
            row, column = divmod(number, columns)
            _draw_pair(grid[row][2 * column : 2 * column + 2], pair, read)
    return figure


def _draw_pair(panels: Sequence[Axes], pair: MistakenPair, read: Callable[[Path], Tensor]) -> None:
    for place, (axes, key) in enumerate(zip(panels, pair.keys, strict=True)):
        axes.set_axis_on()
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_frame_on(False)
        axes.imshow(to_uint8(read(key)))
        axes.set_xlabel(caption(key, pair.names[place] if pair.names else ""), fontsize=7)
    panels[0].set_title(f"similarity {pair.similarity:.3f}", fontsize=8, loc="left")


def caption(key: Path, name: str) -> str:
    """Return what stands below a photograph: the person's name, and which photograph it is.

    Args:
        key: The photograph's key.
        name: The person's name; empty if it is not known.
    """
    inside = number_of(key)
    which = f"image {inside}" if inside is not None else key.stem
    words = name.replace("_", " ")
    if inside is None and which.startswith(name) and name:
        which = which[len(name) :].strip("_ ")
    return plain(f"{words}\n{which}" if words else which)


def _complement(share: Estimate) -> Estimate:
    return Estimate(1 - share.value, 1 - share.high, 1 - share.low, share.identities, share.comparisons)

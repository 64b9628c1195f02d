"""Figures of the angles of mated and nonmated pairs, as figures 6 and 7 of the ArcFace paper."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from recognition.metrics.pair_angles import BINS, PairAngles
from recognition.plots.style import COLOURS, label_axes, new_figure, plain

#: Panels in a row.
_COLUMNS = 3


def draw_pair_angles(sets: Sequence[PairAngles], network: str) -> Figure:
    """Draw the histograms of each set in a panel: mated pairs, nonmated pairs and their overlap.

    The overlap is marked grey, and a line stands at the angle of the equal error rate (EER).

    Args:
        sets: The distributions.
        network: Name of the network.
    """
    columns = min(_COLUMNS, len(sets))
    rows = -(-len(sets) // columns)
    figure = new_figure(max(6.4, 4.2 * columns), 3.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).flat
    edges = np.linspace(0, 180, BINS + 1)
    for angles, axes in zip(sets, panels, strict=False):
        label_axes(
            axes, plain(f"{network} on {angles.name}"), "angle of a pair, degrees", "share of pairs, %"
        )
        mated, nonmated = (100 * kind / kind.sum() for kind in (angles.mated, angles.nonmated))
        for values, colour, kind, count in (
            (mated, COLOURS[1], "mated", angles.mated.sum()),
            (nonmated, COLOURS[0], "nonmated", angles.nonmated.sum()),
        ):
            axes.stairs(values, edges, fill=True, color=colour, alpha=0.35)
            axes.stairs(values, edges, color=colour, linewidth=1.2, label=f"{kind}, {count:,} pairs")
        axes.stairs(
            np.minimum(mated, nonmated),
            edges,
            fill=True,
            color="#444444",
            alpha=0.8,
            label=f"overlap {angles.overlap:.1%}",
        )
        axes.axvline(
            angles.eer_angle,
            color="black",
            linestyle="--",
            linewidth=1,
            label=f"EER {angles.eer:.1%} at {angles.eer_angle:.1f}°",
        )
        axes.set_xlim(0, 130)
        axes.legend(fontsize=8)
    for axes in list(panels):
        axes.set_axis_off()
    return figure

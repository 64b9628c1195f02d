"""Figures of what pooling a person's photographs into one template gains."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from recognition.metrics.intervals import Estimate
from recognition.metrics.pooling import PooledPoint
from recognition.plots.style import COLOURS, label_axes, new_figure


def draw_pooling(points: Sequence[PooledPoint], fmr: float) -> Figure:
    """Draw TAR and rank-1 by the number of photographs in a template, pooled and one by one.

    Both lines of a panel are of the same people and probes; other numbers of photographs have other people.

    Args:
        points: As `measure_pooling` returns them.
        fmr: The false match rate (FMR) of the true accept rate (TAR).
    """
    figure = new_figure(9.0, 3.9)
    first, second = figure.subplots(1, 2, sharey=True)
    for axes, title, pooled, single in (
        (
            label_axes(first, f"TAR at FMR {fmr:g}", "photographs in the template", "share of probes"),
            "accepted",
            [point.tar for point in points],
            [point.single_tar for point in points],
        ),
        (
            label_axes(second, "Rank-1", "photographs in the template", "share of probes"),
            "found first",
            [point.rank_1 for point in points],
            [point.single_rank_1 for point in points],
        ),
    ):
        places = np.arange(len(points))
        for offset, colour, marker, kind, figures in (
            (-0.06, COLOURS[0], "o", "pooled", pooled),
            (0.06, COLOURS[1], "s", "each photograph alone", single),
        ):
            axes.errorbar(
                places + offset,
                [figure.value for figure in figures],
                yerr=_reach(figures),
                color=colour,
                marker=marker,
                markersize=5,
                capsize=3,
                linewidth=1.4,
                label=kind,
            )
        labels = [f"{point.photographs}\n({point.people} people)" for point in points]
        axes.set_xticks(places, labels, fontsize=8)
        axes.set_ylim(0, 1.02)
        axes.legend(fontsize=8, title=title, title_fontsize=8, loc="lower right")
    return figure


def _reach(figures: Sequence[Estimate]) -> list[list[float]]:
    """Return how far the intervals reach below and above the values."""
    return [
        [max(0.0, figure.value - figure.low) for figure in figures],
        [max(0.0, figure.high - figure.value) for figure in figures],
    ]

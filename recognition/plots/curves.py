"""Figures of verification and identification: ROC and CMC curves."""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recognition.errors import InputError
from recognition.files import read_json
from recognition.plots.style import label_axes, line_style, new_figure, plain

#: Numbers, and lists of numbers of one length, that the curves of each kind have.
_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "far": (("eer", "mated", "nonmated"), ("far", "frr")),
    "cmc": (("gallery",), ("cmc",)),
}


def read_curve(path: str | os.PathLike[str], key: str) -> dict[str, Any]:
    """Return a curve that `evaluate --curve` wrote.

    Args:
        path: The JSON file.
        key: Field that the curve must have: `far` for a ROC curve, `cmc` for a CMC curve.

    Raises:
        InputError: If the file is not such a curve.
    """
    curve = read_json(path, f"a curve of 'evaluate --curve' with {key!r}")
    numbers, lists = _FIELDS[key]
    lengths = {len(curve[name]) if isinstance(curve.get(name), list) else 0 for name in lists}
    if (
        not all(_is_number(curve.get(name)) for name in numbers)
        or len(lengths) != 1
        or 0 in lengths
        or not all(_is_number(value) for name in lists for value in curve[name])
        or not isinstance(curve.get("name"), str)
    ):
        raise InputError(f"{path}: expected a curve of 'evaluate --curve' with {key!r}, got something else")
    return curve


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def draw_rocs(curves: Sequence[dict[str, Any]]) -> Figure:
    """Draw receiver operating characteristics: the true accept rate by the false accept rate.

    The legend gives each curve's equal error rate (EER) and its numbers of mated and nonmated pairs.
    """
    figure = new_figure(6.4, 4.4)
    axes = label_axes(figure.subplots(), "ROC", "false accept rate (log)", "true accept rate")
    for index, curve in enumerate(curves):
        pairs = f"{curve['mated']:,} / {curve['nonmated']:,} pairs"
        label = f"{plain(curve['name'])}: EER {curve['eer']:.3f} ({pairs})"
        axes.plot(curve["far"], 1 - np.array(curve["frr"]), label=label, **line_style(index))
    chance = np.geomspace(1e-6, 1, 50)
    axes.plot(chance, chance, color="grey", linewidth=1, linestyle=":", label="chance")
    axes.set_xscale("log")
    axes.set_xlim(max(1e-6, min(curve["far"][0] for curve in curves)), 1)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8)
    return figure


def draw_cmcs(curves: Sequence[dict[str, Any]]) -> Figure:
    """Draw cumulative match characteristics: the share of probes identified in the top N, with chance."""
    figure = new_figure(6.4, 4.4)
    axes = label_axes(
        figure.subplots(), "Cumulative match characteristic", "N", "share of probes in the top N"
    )
    longest = max(len(curve["cmc"]) for curve in curves)
    for index, curve in enumerate(curves):
        shares = curve["cmc"]
        label = f"{plain(curve['name'])} (gallery of {curve['gallery']:,})"
        axes.plot(
            range(1, len(shares) + 1), shares, marker="o", markersize=3, label=label, **line_style(index)
        )
    gallery = min(curve["gallery"] for curve in curves)
    all_ranks = np.arange(1, longest + 1)
    axes.plot(all_ranks, all_ranks / gallery, color="grey", linestyle=":", label=f"chance of {gallery:,}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8)
    return figure

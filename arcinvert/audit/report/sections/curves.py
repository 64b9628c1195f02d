"""Plots: SAR against FMR, similarities, the judges' error rates, and the gap of each identity."""

from typing import Any

from arcinvert.audit.report.document import Block, Figure
from arcinvert.audit.report.plots import Mark, Series, chart, dumbbells, share_range
from arcinvert.audit.report.text import RANKED, figure_text, type_text
from arcinvert.output.verdicts import fmr_text, one_in

#: The label of the axes that say how many pairs of strangers a judge takes for one person.
_FMR = "false match rate (FMR), pairs of strangers that are accepted"


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty without judges."""
    judges = result["judges"]
    found = [
        _acceptance(judges, type_text(result)),
        *(_histogram(judge) for judge in judges),
        _errors(judges),
    ]
    found += [_gap(result, judge) for judge in judges]
    return [figure for figure in found if figure is not None]


def _acceptance(judges: list[dict[str, Any]], of_type: str) -> Figure | None:
    curves = [
        Series(
            judge["name"],
            tuple((point["fmr"], point["sar"]) for point in judge["curve"]),
            tuple((point["low"], point["high"]) for point in judge["curve"]),
        )
        for judge in judges
        if judge["curve"]
    ]
    if not curves:
        return None
    lowest = min(curve.points[0][0] for curve in curves)
    ends = "; ".join(
        f"{curve.name}: {curve.points[0][1]:.2f} at {fmr_text(curve.points[0][0])}, "
        f"{curve.points[-1][1]:.2f} at {one_in(curve.points[-1][0])}"
        for curve in curves
    )
    plot = chart(
        curves,
        x_label=_FMR,
        y_label="SAR",
        x=(min(lowest, 0.01), 0.1),
        y=(0, 1),
        x_scale="log",
        x_text=one_in,
    )
    caption = f"SAR against FMR, {of_type}, with 95 % bands"
    return Figure(plot, caption, f"A worthless attack would have SAR = FMR. {ends}.")


def _histogram(judge: dict[str, Any]) -> Figure:
    histogram = judge["histogram"]
    edges = histogram["edges"]
    names = {"nonmated": "strangers", "attack": "reconstructions", "ceiling": "real photographs"}
    series = []
    for kind, name in names.items():
        if kind in histogram:
            points = [(edges[0], 0.0)]
            for low, high, share in zip(edges[:-1], edges[1:], histogram[kind], strict=True):
                points += [(low, share), (high, share)]
            series.append(Series(name, (*points, (edges[-1], 0.0))))
    top = max(y for one in series for _, y in one.points)
    marks = [
        Mark(fmr_text(entry["fmr"]), entry["threshold"])
        for entry in judge["thresholds"]
        if entry["threshold"] is not None
    ]
    plot = chart(
        series,
        x_label=f"similarity ({judge['similarity']})",
        y_label="share",
        x=(edges[0], edges[-1]),
        y=(0, top * 1.1),
        marks=marks,
    )
    means = {name: figure["value"] for name, figure in judge["similarities"].items() if figure is not None}
    words = (
        f"Means: reconstructions {means['type_2']:.3f}, mean face {means['floor']:.3f}, real photographs "
        f"{means['ceiling']:.3f}. The judge accepts to the right of a threshold."
    )
    return Figure(plot, f"Similarities, judged by {judge['name']}", words)


def _errors(judges: list[dict[str, Any]]) -> Figure | None:
    """Return the detection error trade-off: both axes are normal deviates, as ISO/IEC 19795-1 draws it.

    The axes span the judges' rates, which differ by orders of magnitude between judges and folders.
    """
    curves, words = [], []
    for judge in judges:
        # Neither 0 nor 1 has a normal deviate.
        rates = [(point["fmr"], 1 - point["tar"]) for point in judge["roc"]]
        points = tuple(point for point in rates if all(0 < rate < 1 for rate in point))
        if not points:
            continue
        curves.append(Series(judge["name"], points))
        text = f"{judge['name']}: FNMR {points[0][1]:.3f} at {fmr_text(points[0][0])}"
        missing_none = [fmr for fmr, missed in rates if missed <= 0]
        words.append(text + (f", 0 from {fmr_text(min(missing_none))} on" if missing_none else ""))
    if not curves:
        return None
    every = [point for curve in curves for point in curve.points]
    x, y = (share_range(rates) for rates in zip(*every, strict=True))
    claimed = {
        entry["fmr"] for judge in judges for entry in judge["thresholds"] if entry["threshold"] is not None
    }
    plot = chart(
        curves,
        x_label=_FMR,
        y_label="false non-match rate (FNMR)",
        x=x,
        y=y,
        x_scale="deviate",
        y_scale="deviate",
        x_text=one_in,
        marks=[Mark(f"threshold at {fmr_text(rate)}", rate) for rate in sorted(claimed)],
    )
    caption = "Detection error trade-off (DET) of the judges on real photographs, on normal deviates"
    return Figure(plot, caption, f"It shows how good the judges are: lower is better. {'; '.join(words)}.")


def _gap(result: dict[str, Any], judge: dict[str, Any]) -> Figure:
    people = result["identities"]
    step = max(1, -(-len(people) // RANKED))
    rows = []
    for entry in people[::step]:
        one = entry["judges"][judge["name"]]
        rows.append((entry["pseudonym"], one["floor"], one["similarity"], one["ceiling"]))
    which = "every identity" if step == 1 else f"one in {step} identities"
    names = ("mean face", "reconstruction", "real photograph")
    return Figure(
        dumbbells(rows, x_label="similarity to another photograph", names=names),
        f"Gap of each identity, judged by {judge['name']}, {which}, most at risk first",
        "The gap goes from the similarity of the mean face to that of a real photograph; over all "
        f"identities, the reconstructions close {figure_text(judge['gap_closed'])} of it.",
    )

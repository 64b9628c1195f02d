"""An audit's report on the page: read audit.json with suspicion, show it section by section."""

import json
import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from app.html import note, table
from app.svg import DIFFERENT, RECONSTRUCTION, SAME, Axis, Line, frame, line_chart, steps
from app.upload import Upload
from recognition.errors import InputError

#: The layout of audit.json that this reads.
SCHEMA = "arcinvert-audit-1"
#: People whom the ranking shows, those most at risk first.
RANKED = 100
#: Names of what SAR is told of, in the report's own order.
_KINDS = {
    "type_2": "attack, by another photograph (Type II)",
    "type_1": "attack, by the template's photograph (Type I)",
    "mean_face": "floor: the mean face",
    "stranger": "floor: another person's reconstruction",
    "ceiling": "ceiling: a real photograph",
}
Report = dict[str, Any]


def read_report(uploads: Sequence[Upload]) -> dict[str, str]:
    """The sections of a report as HTML, by their names.

    Args:
        uploads: audit.json and, for its contact sheets, the report's HTML file.

    Raises:
        InputError: there is no audit.json, it is something else, or it is damaged.
    """
    pages = [upload for upload in uploads if upload.name.lower().endswith((".html", ".htm"))]
    others = [upload for upload in uploads if upload not in pages]
    if len(others) != 1 or len(pages) > 1:
        raise InputError(
            "report: expected audit.json, and at most one HTML file beside it; choose them again"
        )
    report = _parse(others[0])
    try:
        sections = {name: show(report) for name, show in _SECTIONS.items()}
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        reason = f"{type(error).__name__}: {error}"[:120]
        raise InputError(f"{others[0].name}: damaged report ({reason}); write it anew") from None
    sections["Pictures"] = _pictures(pages[0] if pages else None)
    return sections


def _parse(upload: Upload) -> Report:
    try:
        report = json.loads(upload.data)
    except (ValueError, RecursionError):
        raise InputError(
            f"{upload.name}: expected a report's audit.json, got no JSON; choose another"
        ) from None
    found = report.get("schema") if isinstance(report, dict) else None
    if found != SCHEMA:
        raise InputError(
            f"{upload.name}: expected a report of the layout {SCHEMA}, got {str(found)[:60]!r}; "
            "choose the audit.json of 'arcinvert audit'"
        )
    return dict(report)


def _figure(figure: dict[str, Any] | None) -> str:
    """A figure with its interval."""
    if figure is None:
        return "-"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _answer(report: Report) -> str:
    answer, threat = report["answer"], report["threat_model"]
    sentences = "".join(f"<p>{escape(str(sentence))}</p>" for sentence in answer["sentences"])
    word = str(answer["verdict"])
    kind = word if word in ("pass", "fail") else "neither"
    facts = (
        f"{report['people']['attacked']} people, {threat['samples']} reconstructions each, "
        f"{threat['steps']} steps. {threat['claim']}"
    )
    return (
        f'<p class="ai-verdict {kind}"><b>{escape(word)}</b> {escape(str(answer["reason"]))}</p>'
        f'<div class="ai-answer">{sentences}</div>'
        + note(f"Audit of {threat['network']}, {report['created']}. {facts}")
    )


def _acceptance(report: Report) -> str:
    parts = [
        note(
            "SAR at FMR t: the share of reconstructions that a judge accepts at the threshold where a share "
            "t of pairs of different people passes. Intervals are 95 %."
        )
    ]
    for judge in report["judges"]:
        rows = [
            (f"{name}, FMR {fmr}", _figure(shares[kind]), str(shares[kind]["identities"]))
            for fmr, shares in judge["sar"].items()
            for kind, name in _KINDS.items()
            if shares[kind] is not None
        ]
        parts.append(table(("SAR", "value [95 %]", "people"), rows, f"Judged by {judge['name']}"))
        parts += [
            note(f"Refused: {entry['refused']}")
            for entry in judge["thresholds"]
            if entry["refused"] is not None
        ]
    return "".join(parts) or note("No judge was at hand.")


def _plots(report: Report) -> str:
    parts = []
    curves = [judge for judge in report["judges"] if judge["curve"]]
    if curves:
        lines = [
            Line(
                str(judge["name"]),
                np.array([math.log10(point["fmr"]) for point in judge["curve"]]),
                np.array([point["sar"] for point in judge["curve"]], dtype=float),
            )
            for judge in curves
        ]
        low = math.floor(min(float(line.x.min()) for line in lines))
        parts.append(
            line_chart(
                lines,
                Axis("false match rate, powers of ten", low, 0, tuple(range(low, 1))),
                Axis("SAR, Type II", 0, 1, (0, 0.25, 0.5, 0.75, 1)),
                "SAR against FMR: the share of reconstructions accepted",
            )
        )
    for judge in report["judges"]:
        histogram = judge["histogram"]
        edges = np.array(histogram["edges"], dtype=float)
        names = {"attack": "reconstructions", "nonmated": "strangers", "ceiling": "real photographs"}
        lines = [
            Line(name, *steps(edges, np.array(histogram[kind], dtype=float)))
            for kind, name in names.items()
            if kind in histogram
        ]
        top = max(float(line.y.max()) for line in lines) * 1.1
        ticks = tuple(np.linspace(edges[0], edges[-1], 5).round(2).tolist())
        parts.append(
            line_chart(
                lines,
                Axis(f"similarity, judged by {judge['name']}", float(edges[0]), float(edges[-1]), ticks),
                Axis("share", 0, top, tuple(np.linspace(0, top, 4).round(2).tolist())),
                f"Similarities judged by {judge['name']}: strangers, reconstructions, real photographs",
            )
        )
    return f'<div class="ai-two">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def _people(report: Report) -> str:
    shown = report["identities"][:RANKED]
    judges = [str(judge["name"]) for judge in report["judges"]]
    if not judges:
        return note("Without a judge nobody can be ranked.")
    blocks = []
    for name in judges:
        values = [
            float(entry["judges"][name][key]) for entry in shown for key in ("floor", "similarity", "ceiling")
        ]
        axis = Axis(
            "similarity",
            min(values, default=0),
            max(max(values, default=1), min(values, default=0) + 0.01),
            (),
        )
        rows = []
        for number, entry in enumerate(shown):
            one = entry["judges"][name]
            said = ", ".join(f"{share:.0%} at FMR {fmr}" for fmr, share in one["accepted"].items())
            rows.append(
                f'<tr><td>{number + 1}</td><th scope="row">{escape(str(entry["pseudonym"]))}</th>'
                f"<td>{entry['risk']:.2g}</td><td>{_dumbbell(one, axis)}</td><td>{escape(said)}</td></tr>"
            )
        blocks.append(
            f'<p class="ai-note">Judged by {escape(name)}, most at risk first</p>'
            f'<div class="ai-table"><table aria-label="People judged by {escape(name)}">'
            '<thead><tr><th scope="col">rank</th>'
            '<th scope="col">person</th><th scope="col">risk</th><th scope="col">mean face, reconstruction, '
            'real photograph</th><th scope="col">accepted</th></tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>"
        )
    words = "Risk: the chance that a stranger's photograph is as similar; the smaller, the nearer."
    return note(words) + "".join(blocks)


def _dumbbell(one: dict[str, Any], axis: Axis) -> str:
    """Where a reconstruction lies between the mean face and a real photograph."""
    floor, value, ceiling = (float(one[key]) for key in ("floor", "similarity", "ceiling"))
    low, middle, high = (float(axis.place(at, 8, 192)) for at in (floor, value, ceiling))
    body = (
        f'<line class="grid" x1="{low:.1f}" x2="{high:.1f}" y1="10" y2="10" style="stroke-width:3"/>'
        f'<circle cx="{low:.1f}" cy="10" r="5" fill="{DIFFERENT}"/>'
        f'<circle cx="{high:.1f}" cy="10" r="5" fill="{SAME}"/>'
        f'<path d="M{middle:.1f},3 l7,7 l-7,7 l-7,-7 z" fill="{RECONSTRUCTION}"/>'
    )
    title = f"mean face {floor:.2f}, reconstruction {value:.2f}, real photograph {ceiling:.2f}"
    return frame(200, 20, title, body)


def _defences(report: Report) -> str:
    entries, headline = report["defences"], report["answer"]["headline_fmr"]
    if not entries:
        return note("This audit compared no defences; --defences all does.")
    names = [str(judge["name"]) for judge in report["judges"]]
    rows = [
        (
            str(entry["defence"]),
            str(entry["attacker_holds"]),
            *(_figure(entry["judges"][name]["sar"].get(headline)) for name in names),
            _figure(entry["tar"]),
        )
        for entry in entries
    ]
    heads = ("defence", "the attacker holds", *(f"SAR, {name}" for name in names), "TAR of real pairs")
    return table(
        heads, rows, f"The same attack on each, SAR at FMR {headline}; TAR is what is left of the use"
    )


def _method(report: Report) -> str:
    facts = report["reproducibility"]
    rows = [
        ("attacked network", f"{facts['attacked']['name']}, SHA-256 {facts['attacked']['sha256']}"),
        ("attack", f"loss {facts['loss']}, {facts['parametrisation']}, seed {facts['options']['seed']}"),
        ("environment", ", ".join(f"{key} {value}" for key, value in facts["environment"].items())),
        ("libraries", ", ".join(f"{name} {number}" for name, number in facts["libraries"].items())),
        *(
            (f"judge {judge['name']}", f"{judge['similarity']}; trained on {judge['data']}")
            for judge in report["judges"]
        ),
    ]
    return table(("what", "which"), rows, "What made this report")


def _pictures(page: Upload | None) -> str:
    if page is None:
        return note(
            "audit.json holds no pictures. Choose it together with the report's HTML file, written with "
            "--pictures, to see the contact sheets here."
        )
    # A stranger's page: no script, no form, no origin.
    return (
        f'<iframe class="ai-page" sandbox="" title="The report with its contact sheets" '
        f'srcdoc="{escape(page.data.decode("utf-8", "replace"))}"></iframe>'
    )


_SECTIONS: dict[str, Callable[[Report], str]] = {
    "Answer": _answer,
    "Accepted as the person": _acceptance,
    "Plots": _plots,
    "People by risk": _people,
    "Defences": _defences,
    "How it was done": _method,
}
#: In the order in which one walks through them.
SECTIONS = (*_SECTIONS, "Pictures")

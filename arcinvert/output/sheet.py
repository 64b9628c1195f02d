"""The contact sheet of a run, and its figures in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.output.contact_sheet import Tile, contact_sheet
from recognition.metrics.text import interval_text, percent_text


@dataclass(frozen=True)
class Shown:
    """A reconstruction on the sheet.

    Args:
        name: The name of the identity.
        label: The class index; None for a template.
        picture: A real photograph of the person, uint8 HWC; None if there is none.
        image: The reconstruction, uint8 HWC.
        sample: Its entry in result.json.
    """

    name: str
    label: int | None
    picture: NDArray[np.uint8] | None
    image: NDArray[np.uint8]
    sample: dict[str, Any]


def run_sheet(result: dict[str, Any], shown: Sequence[Shown], floor: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the contact sheet of a result: one row for each identity, with photograph, floor and samples.

    Args:
        result: The content of result.json.
        shown: Its samples, all or the first.
        floor: The mean face, uint8 HWC.
    """
    rows: dict[str, list[Tile]] = {}
    for one in shown:
        if one.name not in rows:
            rows[one.name] = _first_tiles(one, floor)
        rows[one.name].append(_sample_tile(one.image, one.sample))
    count = len(result["samples"])
    part = "" if len(shown) == count else f", {len(shown)} of {count:,} images"
    plan = result["plan"]
    recipe = f"recipe {plan['recipe']}" + (" with changes" if plan["changes"] else "")
    return contact_sheet(
        f"arcinvert {result['command']}: {result['attacked']['name']}, {recipe}{part}",
        f"{summary_line(result['summary'])} Attacker knows: {result['attacker_knowledge']['level']}. "
        f"Judge, not attacked: {result['judge']['judge']}.",
        list(rows.values()),
    )


def summary_line(summary: dict[str, Any]) -> str:
    """Return the run's figures in one sentence, each with its 95 % interval and its number of identities."""
    if summary["kind"] is None:
        detected = summary["face_detected"]
        return (
            f"No photograph to judge by; a face is found in {percent_text(detected)} of "
            f"{_count(detected['identities'])}."
        )
    parts = []
    for rate, sar in summary["sar"].items():
        ceiling = "unknown"
        if sar["ceiling"] is not None:
            ceiling = interval_text(sar["ceiling"], 2)
            if sar["ceiling"]["identities"] != sar["attack"]["identities"]:
                ceiling += f" of {sar['ceiling']['identities']:,}"
        parts.append(
            f"SAR at FMR {rate}: {interval_text(sar['attack'], 2)} "
            f"(floor {interval_text(sar['floor'], 2)}, ceiling {ceiling})"
        )
    if summary["gap_closed"] is not None:
        parts.append(f"gap closed {interval_text(summary['gap_closed'], 2)}")
    kind = {"type_1": "Type I", "type_2": "Type II"}[summary["kind"]]
    without = summary["missing"]["second_photograph" if kind == "Type II" else "source_photograph"]
    photograph = "second photograph" if kind == "Type II" else "photograph"
    left_out = f" ({without:,} without a {photograph})" if without else ""
    return f"{kind}, {_count(summary['similarity']['identities'])}{left_out}: " + ", ".join(parts) + "."


def _count(identities: int) -> str:
    return f"{identities:,} {'identity' if identities == 1 else 'identities'}"


def _first_tiles(shown: Shown, floor: NDArray[np.uint8]) -> list[Tile]:
    verdict = shown.sample["judge"]
    name = Path(shown.name).name if shown.label is None else f"{shown.label}: {shown.name}"
    ceiling = verdict["ceiling"]
    real: tuple[str, ...] = (
        name,
        "real photograph" if shown.picture is not None else "no photograph given",
    )
    if ceiling is not None:
        real = (*real, f"another real one: {ceiling:.2f}")
    level = verdict["floor_type_2"] if verdict["floor_type_2"] is not None else verdict["floor_type_1"]
    start = ("floor: mean face",) if level is None else ("floor: mean face", f"judge {level:.2f}")
    return [Tile(shown.picture, real), Tile(floor, start)]


def _sample_tile(image: NDArray[np.uint8], sample: dict[str, Any]) -> Tile:
    verdict = sample["judge"]
    attacked = f"attacked network {sample['attacked_similarity']:.2f}"
    value, kind = (verdict["type_2"], "II") if verdict["type_2"] is not None else (verdict["type_1"], "I")
    if value is None:
        return Tile(image, (f"sample {sample['sample']}", attacked, "not judged: no photograph"))
    passed = [rate for rate, accepted in verdict["accepted"].items() if accepted]
    verdict_words = f"accepted, FMR {min(passed, key=float)}" if passed else "rejected"
    return Tile(image, (f"judge {value:.2f}: {verdict_words}", f"Type {kind}; {attacked}"), bool(passed))

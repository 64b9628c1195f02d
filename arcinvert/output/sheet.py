"""The contact sheet of a run, and its figures in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.output.contact_sheet import Row, Tile, contact_sheet
from arcinvert.output.verdicts import badge, display_name, fmr_text, one_in, seen_in, subcentre_name
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
        near: Training photographs nearest to the attacked centre of a class with several, uint8 HWC, the
            nearest first.
    """

    name: str
    label: int | None
    picture: NDArray[np.uint8] | None
    image: NDArray[np.uint8]
    sample: dict[str, Any]
    near: Sequence[NDArray[np.uint8]] = ()


def run_sheet(result: dict[str, Any], shown: Sequence[Shown], floor: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the contact sheet of a result: one row for each identity, with photograph, floor and samples.

    The photographs have a column if there is one of anybody.

    Args:
        result: The content of result.json.
        shown: Its samples, all or the first.
        floor: The mean face, uint8 HWC.
    """
    source = "class centres" if any(one.label is not None for one in shown) else "templates"
    return contact_sheet(
        f"Faces from {source} of {result['attacked']['name']}",
        _in_plain_words(result["samples"], shown=len(shown)),
        sheet_rows(shown, floor),
        method(result),
    )


def sheet_rows(shown: Sequence[Shown], floor: NDArray[np.uint8]) -> list[Row]:
    """Return the rows of a sheet, one for each identity; see `run_sheet`."""
    people: dict[tuple[str, int | None], list[Shown]] = {}
    for one in shown:
        subcentre = one.sample["subcentre"]
        people.setdefault((one.name, subcentre and subcentre["number"]), []).append(one)
    with_photographs = any(one.picture is not None for one in shown)
    near = max((len(one.near) for one in shown), default=0)
    return [
        _row(of_person, floor, with_photographs=with_photographs, near=near) for of_person in people.values()
    ]


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
            f"SAR at {fmr_text(rate)}: {interval_text(sar['attack'], 2)} "
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


def _in_plain_words(samples: Sequence[dict[str, Any]], *, shown: int) -> str:
    """Return what the sheet shows: how many reconstructions another recogniser accepts."""
    # As in the summary: of Type II, unless nobody has a second photograph.
    with_second = [sample for sample in samples if sample["judge"]["type_2"] is not None]
    judged = [
        sample["judge"]["accepted"]
        for sample in with_second or samples
        if sample["judge"]["accepted"] is not None
    ]
    part = "" if shown == len(samples) else f" The first {shown} of {len(samples):,} are shown."
    if not judged:
        return f"There is no photograph to judge the reconstructions by.{part}"
    counts = [
        f"{sum(accepted[rate] for accepted in judged)} of {len(judged)} where it also accepts "
        f"{one_in(float(rate))} strangers"
        for rate in judged[0]
    ]
    return (
        "A recogniser that was not attacked accepts these reconstructions as the person: "
        f"{', '.join(counts)}.{part}"
    )


def method(result: dict[str, Any]) -> str:
    """Return by what command and recipe a result was made, and what the attacker knows.

    Args:
        result: The content of result.json.
    """
    plan = result["plan"]
    recipe = f"recipe {plan['recipe']}" + (" with changes" if plan["changes"] else "")
    knowledge = {
        "weights": "the network alone",
        "public-faces": "the network and public faces",
        "synthetic-faces": "the network and synthetic faces",
    }
    level = result["attacker_knowledge"]["level"]
    known = knowledge.get(level, level)
    access = result["access"]
    if access["kind"] != "weights":
        known = (
            f"the black box's {access['kind']} for {access['queries']['count']:,} images, the network "
            f"{access['surrogate']['name']}, and {access['faces']['kind']}"
        )
    return (
        f"Method: arcinvert {result['command']}, {recipe}; the attacker knows {known}. "
        f"Judge: {result['judge']['judge']}."
    )


def _row(person: Sequence[Shown], floor: NDArray[np.uint8], *, with_photographs: bool, near: int) -> Row:
    """Return the row of an identity, or of one centre of a class; `near` is the number of places for
    training photographs."""
    first = person[0]
    subcentre = first.sample["subcentre"]
    if first.label is None:
        notes = ["from a template"]
    elif subcentre is None:
        notes = [f"from the centre of class {first.label}"]
    else:
        notes = [f"from {subcentre_name(subcentre)} of class {first.label}"]
        if subcentre["angles"] is not None:
            notes.append(f"nearest to {len(subcentre['angles']):,} of its training photographs")
    if known := seen_in(first.sample["class_photographs"]):
        notes.append(f"{known} in the training")
    tiles = []
    verdict = first.sample["judge"]
    if with_photographs:
        ceiling = verdict["ceiling"]
        another = () if ceiling is None else (f"similarity to another one: {ceiling:.2f}",)
        words = "no photograph" if first.picture is None else "photograph"
        tiles.append(Tile(first.picture, (words, *another)))
    level = verdict["floor_type_2"] if verdict["floor_type_2"] is not None else verdict["floor_type_1"]
    similarity = () if level is None else (f"judge's similarity {level:.2f}",)
    tiles.append(Tile(floor, ("mean face: nothing known", *similarity)))
    tiles += [_sample_tile(one, len(person)) for one in person]
    tiles = _near_tiles(first, near) + tiles
    return Row(display_name(first.name, first.label), ", ".join(notes), tiles)


def _near_tiles(shown: Shown, places: int) -> list[Tile]:
    """Return training photographs nearest to a centre with their angles, and empty places after them."""
    subcentre = shown.sample["subcentre"]
    angles = (subcentre and subcentre["angles"]) or []
    tiles = [
        Tile(picture, (f"training photograph, {angle:.0f}\N{DEGREE SIGN}",))
        for picture, angle in zip(shown.near, angles, strict=False)
    ]
    words = "no other photograph" if tiles else "no photograph is nearest to it"
    return tiles + [Tile(None, (words,))] * (places - len(tiles))


def _sample_tile(shown: Shown, count: int) -> Tile:
    verdict = shown.sample["judge"]
    name = "reconstruction" if count == 1 else f"reconstruction {shown.sample['sample'] + 1}"
    attacked = f"attacked network {shown.sample['attacked_similarity']:.2f}"
    value, kind = (verdict["type_2"], "II") if verdict["type_2"] is not None else (verdict["type_1"], "I")
    judged = () if value is None else (f"judge's similarity {value:.2f} (Type {kind})",)
    return Tile(shown.image, (name, *judged, attacked), badge(verdict["accepted"]))

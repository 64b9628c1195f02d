"""Panels of reconstructions by pose, skin tone and given labels, and a page of failures with the reason.

    python -m benchmarks.variation_panels --aligned ALIGNED --out runs/panels
    python -m benchmarks.variation_panels --aligned ALIGNED --labels labels.csv --out runs/panels

As in the figures of the ArcFace paper: one picture for each attribute, a row for each group of people, and in
it the photograph and the reconstruction of the first people by name; nobody is chosen by how well it went.
Pose and skin tone are measured in the photograph (benchmarks/attributes.py). Labels come in a CSV file with a
column `identity` (the folder's name) and one for each attribute, such as `sex`, `age` (years, or any words)
and `occlusion`: benchmarks.face_labels writes one with sex and age.

`failures.png` has a row for each reason, the worst pictures first, with what was measured and its limit. The
limits are those of the photographs: a picture is *grey*, *blurred*, has *fine lines* or *colour fringes*
where it is beyond 95 % of them; its *skin tone* is wrong where it differs more from the photograph's than 95
% of the people's other photographs do. *No face* and *two faces* are the detector's word, *not accepted* is
the judge's at the lowest false match rate. With labels of sex, *wrong sex* is where most of the five
photographs of other people that the judge finds most similar are of another sex than the person; `table.md`
says how often that is right for photographs.

People are held-out ones who do not calibrate the judge. `table.md` has for each group the share of accepted
reconstructions (SAR) at the lowest false match rate (FMR), the mean face as the floor, and another photograph
of the person as the ceiling.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attacker import Attacker
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.scores import accept
from arcinvert.evaluation.similarity import similarity
from arcinvert.output.contact_sheet import Row, Tile, contact_sheet
from arcinvert.output.verdicts import badge
from benchmarks.attributes import (
    AGE_NAMES,
    YAW_NAMES,
    in_groups,
    labelled,
    pose_groups,
    read_labels,
    skin_groups,
    yaw_in_crop,
)
from benchmarks.failures import WITHIN, Failure, Judged, Values, failures, voted, wrong_label
from benchmarks.faults import measure
from benchmarks.judged import mean_face, run_or_exit, write_table
from benchmarks.people import attacked_people, choose
from benchmarks.reconstructions import reconstruct
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import read_image, write_png
from recognition.loading import BUNDLED, bundled_path
from recognition.metrics.intervals import Estimate
from recognition.metrics.text import interval_text
from recognition.metrics.thresholds import estimate_acceptance
from recognition.skin import CLASSES

#: People in a row of a panel, a photograph and a reconstruction each.
SHOWN = 3


def group_panel(attribute: str, groups: Mapping[str, Sequence[int]], judged: Judged) -> NDArray[np.uint8]:
    """Return the picture of an attribute, uint8 HWC: a row for each group."""
    rows = []
    for name, members in groups.items():
        tiles = [tile for person in members[:SHOWN] for tile in _pair(judged, person)]
        rows.append(Row(f"{attribute}: {name}", f"{_sar_text(judged.attack, members)}", tiles))
    return contact_sheet(
        f"Reconstructions by {attribute}",
        "A photograph and what its template gives back; the first people of each group by name.",
        rows,
        "Judged against another photograph of the person, by dlib's recogniser.",
    )


def failure_page(found: Sequence[Failure], judged: Judged) -> NDArray[np.uint8]:
    """Return the page of failures, uint8 HWC: a row for each reason, the worst pictures first."""
    rows = []
    for failure in found:
        members = [
            int(index) for index in np.argsort(-failure.values, kind="stable") if failure.failed[index]
        ]
        if members:
            tiles = [tile for one in members[:SHOWN] for tile in _pair(judged, one, failure.text(one))]
            rows.append(Row(failure.reason, f"{len(members)} of {len(judged.people)} people", tiles))
    return contact_sheet(
        "Failures, with the measured reason",
        "A photograph and what its template gives back; a picture may have several reasons.",
        rows,
        f"Limits are those of photographs of the same people ({WITHIN:.0%} of them are within).",
    )


def _pair(judged: Judged, person: int, reason: str = "") -> list[Tile]:
    name = judged.people[person].replace("_", " ")
    verdict = accept(float(judged.attack[person]), thresholds())
    lines = [reason] if reason else [f"judge's similarity {judged.attack[person]:.2f}"]
    return [
        Tile(judged.photographs[person], (name, f"another photograph: {judged.ceiling[person]:.2f}")),
        Tile(judged.pictures[person], ("reconstruction", *lines), badge(verdict)),
    ]


def _sar(similarities: Values, members: Sequence[int]) -> Estimate:
    return estimate_acceptance(similarities[list(members)], list(members), thresholds()[-1].decision)


def _sar_text(similarities: Values, members: Sequence[int]) -> str:
    count = f"{len(members)} {'person' if len(members) == 1 else 'people'}"
    sar = interval_text(asdict(_sar(similarities, members)), 2)
    return f"{count}, SAR at FMR {thresholds()[-1].fmr:g}: {sar}"


def group_table(
    attributes: Mapping[str, Mapping[str, Sequence[int]]], judged: Judged
) -> tuple[str, dict[str, Any]]:
    """Return the table of all groups in Markdown, and its figures as JSON."""
    lines = ["| attribute | group | people | SAR | floor | ceiling |", "|---|---|---|---|---|---|"]
    figures: dict[str, Any] = {}
    for attribute, groups in attributes.items():
        for name, members in groups.items():
            ends = {
                kind: asdict(_sar(getattr(judged, kind), members)) for kind in ("attack", "floor", "ceiling")
            }
            cells = " | ".join(interval_text(one, 2) for one in ends.values())
            lines.append(f"| {attribute} | {name} | {len(members)} | {cells} |")
            figures[f"{attribute}: {name}"] = ends
    return "\n".join(lines), figures


def compare(options: argparse.Namespace) -> None:
    """Reconstruct, measure, and write panels, page of failures and table.

    Raises:
        InputError: If there are too few people, or the labels cannot be read.
    """
    labels = {} if options.labels is None else read_labels(options.labels)
    folders = read_folders(options.aligned)
    held_out = attacked_people(load_notes(bundled_path())["split"]["held_out"])
    several = [name for name in held_out if len(folders.get(name, ())) > 1]
    if len(several) < options.people:
        raise InputError(
            f"people: expected at most {len(several)}, who have two photographs, got {options.people}"
        )
    people = choose(several, options.people, options.seed)
    judge = DlibJudge()
    attacker = Attacker(options.model)
    given = {} if options.steps is None else {"steps": options.steps}
    pictures, _ = reconstruct(
        attacker,
        [folders[name][0] for name in people],
        options.out / "parts",
        given | {"seed": options.seed},
    )
    first, second = (np.stack([read_image(folders[name][place]) for name in people]) for place in (0, -1))
    of_first, of_second, of_pictures = (
        judge.embed(list(one)) for one in (first, second, to_crop_size(pictures))
    )
    (of_floor,) = judge.embed([mean_face()])
    judged = Judged(
        people,
        first,
        second,
        pictures,
        similarity(of_pictures, of_second),
        similarity(of_floor, of_second),
        similarity(of_first, of_second),
    )
    measured = [measure(one) for one in (to_crop_size(pictures), first, second)]
    found = failures(judged, *measured)
    attributes = {
        "pose": in_groups(pose_groups([yaw_in_crop(crop) for crop in first]), YAW_NAMES),
        "skin tone": in_groups(skin_groups(measured[1].tone), CLASSES),
    }
    notes = []
    for attribute, by_person in labels.items():
        own = labelled(by_person, people)
        attributes[attribute] = in_groups(own, AGE_NAMES if attribute == "age" else ())
        if attribute == "sex":
            found.append(wrong_label(attribute, voted(of_pictures, of_second, own), own))
            sure = wrong_label(attribute, voted(of_first, of_second, own), own)
            known = sum(label is not None for label in own)
            notes.append(f"The vote on sex is wrong for {int(sure.failed.sum())} of {known} photographs.")
    if not labels:
        notes.append("For sex and age, give --labels, a file of benchmarks.face_labels.")
    body, figures = group_table(attributes, judged)
    reasons = [f"| {one.reason} | {int(one.failed.sum())} of {len(people)} |" for one in found]
    text = "\n".join(
        [
            body,
            "",
            "| failure | people |",
            "|---|---|",
            *reasons,
            "",
            f"{len(people)} held-out people, attacked: {attacker.recogniser.name}; SAR at FMR "
            f"{thresholds()[-1].fmr:g}, 95 % intervals over people. {' '.join(notes)}",
        ]
    )
    print(f"\n{text}")
    write_table(options.out, f"{text}\n", figures)
    for attribute, groups in attributes.items():
        write_png(options.out / f"{attribute.replace(' ', '-')}.png", group_panel(attribute, groups, judged))
    write_png(options.out / "failures.png", failure_page(found, judged))


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument(
        "--labels", type=Path, help="a CSV file of labels: identity, sex, age, occlusion, ..."
    )
    parser.add_argument("--model", default=BUNDLED, help="the network to attack (default: %(default)s)")
    parser.add_argument("--people", type=int, default=48, help="the number of people (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the seed of draw and attacks (default: 0)")
    parser.add_argument("--steps", type=int, help="the steps of each image (default: the recipe's)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("arcinvert-results", "variation-panels"),
        help="the folder for pictures and tables (default: %(default)s)",
    )
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()

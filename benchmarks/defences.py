"""The table of defences: every defence attacked alike, judged, with what it costs. One command, whole.

    python -m benchmarks.defences --photos ../shared/data/lfw/images --out runs/defences

An audit of people who were held out of the bundled network's training: 32 of them are attacked in every row,
the others calibrate the judge and are the adversary's public faces. A keyed defence has a row with the key
and one without. The defaults take about ten minutes on two cores: a row is 32 images of 60 steps, some 30
seconds, and the rows without a key whose records give nothing away take one image. The work in OUT-work is
gone on with if the command is stopped. `--model` takes another network, and `--defences` some of them.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from arcinvert.audit.defences import ALL
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report.markdown import to_markdown
from arcinvert.audit.report.sections import section_blocks
from arcinvert.audit.report.text import figure_text
from arcinvert.audit.runner import run_audit
from benchmarks.judged import run_or_exit
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.loading import BUNDLED, bundled_path

#: The people attacked, the optimiser steps, and the photographs that calibrate the judge.
PEOPLE, STEPS, CALIBRATION = 32, 60, 400


def link_held_out(photos: Path, folder: Path) -> Path:
    """Fill a folder with links to the folders of the people that no network here was trained on.

    Raises:
        InputError: If there are none.
    """
    folders = read_folders(photos)
    names = [name for name in load_notes(bundled_path())["split"]["held_out"] if name in folders]
    if not names:
        raise InputError(f"{photos}: expected LFW's people, found none; check --photos")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to((photos / name).resolve(), target_is_directory=True)
    return folder


def tables(result: dict[str, Any]) -> str:
    """Return the section of defences of an audit as Markdown."""
    return to_markdown(section_blocks(result)["Defences"])


def judged_table(result: dict[str, Any], judge: str) -> str:
    """Return what a judge accepts of each defence, as Markdown, with floor and ceiling.

    Args:
        result: The content of an audit's audit.json, in which every attacked person is in every row.
        judge: The judge's name.
    """
    (figures,) = (one for one in result["judges"] if one["name"] == judge)
    rates = list(figures["sar"])
    lines = [f"| {judge} | key | {' | '.join(f'SAR at FMR {rate}' for rate in rates)} | gap closed |"]
    lines.append("|---" * (3 + len(rates)) + "|")
    for row in result["defences"]:
        own = row["judges"][judge]
        cells = [figure_text(own["sar"][rate]) for rate in rates]
        lines.append(_line(row["defence"], row["key"] or "", *cells, figure_text(own["gap_closed"])))
    for title, kind, gap in (("floor: mean face", "mean_face", "0"), ("ceiling: photograph", "ceiling", "1")):
        shares = [figure_text(figures["sar"][rate][kind]) for rate in rates]
        lines.append(_line(title, "", *shares, gap))
    return "\n".join(lines)


def differences_table(result: dict[str, Any], judge: str) -> str:
    """Return what a judge accepts of each defence less what it accepts without one, as Markdown.

    Args:
        result: The content of an audit's audit.json.
        judge: The judge's name.
    """
    (figures,) = (one for one in result["judges"] if one["name"] == judge)
    rates = list(figures["sar"])
    lines = [
        f"| {judge}, minus no defence | key | {' | '.join(f'SAR at FMR {rate}' for rate in rates)} | gap |"
    ]
    lines.append("|---" * (3 + len(rates)) + "|")
    for row in result["defences"][1:]:
        own = row["judges"][judge]
        cells = [figure_text(own["sar_difference"][rate]) for rate in rates]
        lines.append(_line(row["defence"], row["key"] or "", *cells, figure_text(own["gap_difference"])))
    return "\n".join(lines)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def compare(options: argparse.Namespace) -> None:
    """Run the audit, and print its tables."""
    begin, cpu = time.monotonic(), time.process_time()
    audit = AuditOptions(
        model=options.model,
        images=link_held_out(options.photos, options.out / "people"),
        people=options.people,
        samples=1,
        steps=options.steps,
        calibration_images=CALIBRATION,
        judges=tuple(options.judges),
        defences=tuple(options.defences),
        defence_people=options.people,
        fmr=(1e-2, 1e-3),
        seed=0,
    )
    result = run_audit(audit, options.out / "report")
    print(tables(result))
    for judge in result["judges"]:
        print(f"\n{judged_table(result, judge['name'])}")
        print(f"\n{differences_table(result, judge['name'])}")
    network, people = result["threat_model"]["network"], result["people"]["attacked"]
    seconds = f"{time.monotonic() - begin:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
    print(f"\n{network}, {people} people, {options.steps} steps; {seconds}")


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder for the report")
    parser.add_argument("--model", default=BUNDLED, help="the network to attack (default: %(default)s)")
    parser.add_argument(
        "--people", type=int, default=PEOPLE, help="the people in every row (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, help="the steps of every attack (default: %(default)s)"
    )
    parser.add_argument("--judges", nargs="+", default=["dlib"], help="the judges (default: dlib)")
    parser.add_argument("--defences", nargs="+", default=[ALL], help="the defences (default: all)")
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()

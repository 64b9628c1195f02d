"""All recipes on the same templates of the same network, judged side by side.

    python -m benchmarks.recipes --photos ../shared/data/lfw/images --people 100 --out runs/recipes
    python -m benchmarks.recipes --photos ../shared/data/lfw/images --people 16 --steps 300 \\
        --published-steps 3000 --out runs/recipes-long

Our recipe takes the steps that it takes by default, or all recipes the same number (`--steps`, with all
restarts), or the published ones more; batches are of the same size. For people, thresholds and gallery see
benchmarks/judged.py. A finished recipe is kept in --out and not made again; --out has the table (table.md),
its figures (figures.json) and all recipes of each person (sheet.png).
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.options import AttackOptions
from arcinvert.output.contact_sheet import Row as SheetRow
from arcinvert.output.contact_sheet import Tile, contact_sheet
from arcinvert.output.folder import RESULT_NAME
from arcinvert.output.verdicts import badge, display_name
from arcinvert.plan import AttackPlan
from arcinvert.recipes import RECIPES
from benchmarks.judged import (
    MEAN_FACE,
    Jury,
    Panel,
    Row,
    as_json,
    command_line,
    make_panel,
    run_or_exit,
    write_table,
)
from recognition.config import add_arguments, gather, kinds
from recognition.errors import InputError
from recognition.images import read_image, write_png
from recognition.metrics.intervals import Estimate

#: Every recipe at every level of knowledge that it exists at.
ALL = [f"{name}/{level}" for name, recipe in RECIPES.items() for level in recipe.presets]
#: The largest number of people on the contact sheet.
SHEET_PEOPLE = 12
#: The steps of a published recipe where none are given; its own would take hours.
PUBLISHED_STEPS = 300


def title(name: str, penalty: Mapping[str, float] | None = None) -> str:
    """Return a recipe's name in tables: its title, its level of knowledge, and other weights of penalties."""
    recipe, level = name.split("/")
    weights = "".join(f", {one}={weight:g}" for one, weight in (penalty or {}).items())
    return f"{RECIPES[recipe].title}, {level}{weights}"  # type: ignore[index]


def penalties(options: argparse.Namespace) -> dict[str, float]:
    """Return the weights of penalties that the command line gives, none where it gives none."""
    return dict(gather(AttackOptions, options)["penalty"]) if "penalty" in options else {}


def attack(
    name: str, panel: Panel, options: argparse.Namespace, out: Path, attacker: Attacker
) -> tuple[NDArray[np.uint8], float]:
    """Return a recipe's pictures, (people, 112, 112, 3), and its seconds an image, made or kept from before.

    Raises:
        InputError: If what was kept was made with other settings.
    """
    recipe, level = name.split("/")
    wanted: dict[str, Any] = {"recipe": recipe, "knowledge": level, "seed": options.seed}
    wanted["batch_size"] = options.batch_size
    if recipe != "arcinvert":
        wanted["steps"] = options.published_steps or options.steps or PUBLISHED_STEPS
    elif options.steps is not None:
        whole = attacker.plan("template", **wanted, steps=options.steps)
        if not (steps := whole.steps_within(options.steps)):
            raise InputError(f"steps: expected at least the {whole.restarts} restarts, got {options.steps}")
        wanted["steps"] = steps
    if penalty := penalties(options):
        wanted["penalty"] = penalty
    folder = out / f"{recipe}-{level}"
    make(title(name), panel, wanted, folder, attacker=attacker, photos=options.photos)
    return kept_pictures(panel, attacker.plan("template", **wanted), folder, attacker=attacker)


def make(
    name: str, panel: Panel, wanted: dict[str, Any], folder: Path, *, attacker: Attacker, photos: Path
) -> None:
    """Attack the panel's templates into a folder and print how long it took, unless it was done before.

    Args:
        name: What is printed.
        panel: Whom to attack.
        wanted: Fields of `AttackOptions`.
        folder: The folder to write.
        attacker: The loaded network.
        photos: Other photographs of the people, for the judge.

    Raises:
        InputError: If the options do not suit the network.
    """
    if (folder / RESULT_NAME).exists():
        return
    start = time.monotonic()
    run = attacker.from_image(panel.photographs, photos=photos, out=folder, **wanted)
    if run.interrupted:
        raise KeyboardInterrupt
    print(f"{name}: {run.samples[0]['steps']} steps, {time.monotonic() - start:.0f} s", flush=True)


def kept_pictures(
    panel: Panel, plan: AttackPlan, folder: Path, *, attacker: Attacker
) -> tuple[NDArray[np.uint8], float]:
    """Return what `make` left in a folder: pictures, (people, 112, 112, 3), and seconds an image.

    Raises:
        InputError: If it was made with another plan, of other people or of another network.
    """
    result = json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))
    # Where memory was short, batches were smaller than planned.
    expected = json.loads(json.dumps(plan.describe())) | {"batch_size": result["plan"]["batch_size"]}
    # Results name photographs below the folder that all of them are in.
    root = os.path.commonpath([path.parent for path in panel.photographs])
    photographs = [path.relative_to(root).as_posix() for path in panel.photographs]
    of_this = (expected, photographs, attacker.recogniser.source.sha256)
    if of_this != (result["plan"], result["inputs"]["photographs"], result["attacked"]["sha256"]):
        raise InputError(
            f"{folder}: expected a result of these people and options, got another; choose --out"
        )
    images = [read_image(folder / sample["image"]) for sample in result["samples"]]
    seconds = float(np.mean([sample["seconds"] for sample in result["samples"]]))
    return to_crop_size(np.stack(images)), seconds


def table(
    rows: Sequence[tuple[str, Row, float | None]],
    panel: Panel,
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """Return a table in Markdown.

    Args:
        rows: Title, figures and, where the row was made here, seconds an image.
        panel: The people.
        more: Further columns by heading: cells by the rows' titles.
    """
    further = more or {}
    rates = [f"{point.fmr:g}" for point in panel.thresholds]
    columns = ["Type I", "Type II", *(f"SAR at FMR {rate}" for rate in rates)]
    columns += [f"rank-1 of {gallery_size(panel):,}", "face detected", "gap closed", "s an image", *further]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row, seconds in rows:
        figures: list[Estimate | None] = [row.type_1, row.type_2, *(row.sar[rate] for rate in rates)]
        figures += [row.rank_1, row.face_detected, row.gap_closed]
        cells = [cell(figure) for figure in figures] + ["-" if seconds is None else f"{seconds:.1f}"]
        cells += [column.get(name, "-") for column in further.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gallery_size(panel: Panel) -> int:
    """Return the number of people that rank-1 is searched among, the attacked one included."""
    return panel.others.shape[-2] + 1


def cell(figure: Estimate | None) -> str:
    """Return a figure with its interval; a dash for None."""
    return "-" if figure is None else f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def described(panel: Panel) -> str:
    """Return what the table rests on, in one sentence."""
    points = ", ".join(f"{point.similarity:.3f} at FMR {point.fmr:g}" for point in panel.thresholds)
    rests = panel.thresholds[-1]
    gallery = gallery_size(panel)
    return (
        f"{len(panel.names)} {panel.split} people of LFW, a photograph each; 95 % intervals "
        f"over people; judge similarity is 1 - distance, accepted above {points} ({rests.mated:,} mated and "
        f"{rests.nonmated:,} nonmated pairs of {rests.identities} other people, held out); rank-1 by chance "
        f"{1 / gallery:.3f}."
    )


def sheet(
    panel: Panel,
    mean_face: NDArray[np.uint8],
    pictures: dict[str, NDArray[np.uint8]],
    rows: dict[str, Row],
    heading: str,
) -> NDArray[np.uint8]:
    """A row a person: the photograph, another, the mean face, and every recipe's picture."""

    def tile(name: str, picture: NDArray[np.uint8], person: int) -> Tile:
        value = rows[name].similarities[person]
        accepted = {f"{point.fmr:g}": value > point.similarity for point in panel.thresholds}
        return Tile(picture, (name, f"judge's similarity {value:.2f}"), badge(accepted))

    lines = [
        SheetRow(
            display_name(panel.names[person], person),
            "",
            [
                Tile(panel.first[person], ("photograph", "the template's")),
                Tile(panel.second[person], ("another photograph", "for the judge alone")),
                tile(MEAN_FACE, mean_face, person),
                *(tile(name, picture[person], person) for name, picture in pictures.items()),
            ],
        )
        for person in range(min(SHEET_PEOPLE, len(panel.names)))
    ]
    return contact_sheet(heading, described(panel), lines)


def main() -> None:
    """Parse the command line and print the table."""
    parser = command_line(__doc__, steps=None, of="recipe, with all restarts", out="recipes")
    parser.add_argument(
        "--published-steps",
        type=int,
        help=f"the steps of the published recipes (default: --steps, or else {PUBLISHED_STEPS})",
    )
    parser.add_argument(
        "--batch-size", type=int, default=16, help="the images of a batch (default: %(default)s)"
    )
    parser.add_argument("--recipes", nargs="+", choices=ALL, default=ALL, help="the recipes (default: all)")
    add_arguments(parser, AttackOptions, exclude=kinds(AttackOptions).keys() - {"penalty"})
    run_or_exit(compare, parser)


def compare(options: argparse.Namespace) -> None:
    """Attack by every recipe, judge, print and write.

    Raises:
        InputError: If there are too few people or steps, or `out` has results of other settings.
    """
    attacker = Attacker(options.model)
    panel = make_panel(options.photos, options.people, options.seed, options.out)
    jury = Jury(panel)
    rows: list[tuple[str, Row, float | None]] = []
    pictures: dict[str, NDArray[np.uint8]] = {}
    for recipe in options.recipes:
        name = title(recipe, penalties(options))
        pictures[name], seconds = attack(recipe, panel, options, options.out, attacker)
        embeddings, detected = jury.look(pictures[name])
        rows.append((name, jury.row(embeddings, detected), seconds))
        # What a picture of somebody else is worth: everyone gets the picture of the next person.
        others = jury.row(np.roll(embeddings, 1, 0), np.roll(detected, 1).tolist())
        rows.append((f"floor: another person's, {name}", others, None))
    rows += [(name, row, None) for name, row in jury.ends().items()]
    text = f"{table(rows, panel)}\n\n{described(panel)}\n"
    print(f"\n{text}")
    heading = f"Recipes side by side: {options.model.stem}"
    write_png(
        options.out / "sheet.png",
        sheet(panel, jury.mean_face, pictures, {name: row for name, row, _ in rows}, heading),
    )
    figures = {name: as_json(row) | {"seconds": seconds} for name, row, seconds in rows}
    write_table(options.out, text, figures)


if __name__ == "__main__":
    main()

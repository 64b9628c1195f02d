"""What each ingredient of the attack is worth, alone and together with all others.

    arcinvert calibrate --model mobilefacenet_y1.onnx --images PUBLIC --out places.safetensors
    python -m benchmarks.ablation --photos ../shared/data/lfw/images --people 64 \\
        --statistics places.safetensors --out runs/ablation

Settings are chosen by this table, so its people are some that the bundled network was trained on, with two
to nine photographs; what is chosen is reported on others (benchmarks/recipes.py). PUBLIC should be
photographs of neither: an attacker has no statistics of the people attacked.

A row is the default recipe begun once, or a bare attack, with some changes of its options (`rows`). Its
difference is the mean over people of its Type II less that of the row it is compared with: paired, so its
interval is much narrower than the rows' own. A finished row is kept in --out, and not made again.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcinvert.inversion.parametrisations import Pixels
from arcinvert.options import AttackOptions, choices
from arcinvert.output.folder import RESULT_NAME
from benchmarks.judged import Jury, Panel, Row, as_json, command_line, make_panel, run_or_exit, write_table
from benchmarks.recipes import cell, described, kept_pictures, make, table
from recognition.errors import InputError
from recognition.metrics.intervals import Estimate, estimate

DEFAULT, BARE = "default", "bare"

_OURS = AttackOptions()
NO_VIEWS: dict[str, Any] = {"flip": False, "shift": 0, "scale": 0.0, "feature_dropout": 0.0}
#: One option of the default recipe, every other value of it a row; what `auto` comes to is no row.
OPTIONS = {"prior": _OURS.prior, "start": "nearest_neighbours", "parametrisation": "eigenfaces"}
#: Other changes of the default recipe; what is the default already is no row.
CHANGES: dict[str, dict[str, Any]] = {
    "coarse=0": {"coarse": 0.0},
    "coarse=0.3": {"coarse": 0.3},
    "views=none": NO_VIEWS,
    "views=flip": NO_VIEWS | {"flip": True},
    "views=flip+shift2": NO_VIEWS | {"flip": True, "shift": 2},
    "views=flip+shift6+scale0.15": NO_VIEWS | {"flip": True, "shift": 6, "scale": 0.15},
    "dropout=0.4": {"feature_dropout": 0.4},
    "average=0": {"average": 0.0},
    "average=0.2": {"average": 0.2},
    "restarts=3": {"restarts": 3},
    "batch=4": {"batch_size": 4},
    "batch=16": {"batch_size": 16},
    "tv=off": {"tv_weight": 0.0},
    "colour=off": {"colour_weight": 0.0},
    "colour=4": {"colour_weight": Pixels.colour_weight},
    "coordinates=off": {"coordinate_weight": 0.0},
    "whiten=off": {"whiten": False},
}
#: From the mean face by the identity loss alone.
BARE_CHANGES: dict[str, Any] = {
    "start": "mean",
    "parametrisation": "pixels",
    "prior": "none",
    "tv_weight": 0.0,
    "colour_weight": 0.0,
    **NO_VIEWS,
}
#: What the bare attack lacks: each alone, and each with all before it.
INGREDIENTS: dict[str, dict[str, Any]] = {
    "tv": {"tv_weight": _OURS.tv_weight},
    "colour": {"colour_weight": Pixels.colour_weight},
    "flip": {"flip": True},
    "shift2": {"shift": 2},
    "scale-free": {"prior": "scale-free"},
    "per-location": {"prior": "per-location"},
    "nearest_neighbours": {"start": "nearest_neighbours"},
    "eigenfaces": {"parametrisation": "eigenfaces"},
}


@dataclass(frozen=True)
class Change:
    """A row: options that are not the default recipe's, and the row that it is compared with."""

    changes: dict[str, Any]
    against: str | None = DEFAULT


def rows() -> dict[str, Change]:
    """All rows by their names."""
    made = {DEFAULT: Change({}, None)}
    for option, own in OPTIONS.items():
        for value in choices(option):
            if value not in ("auto", own):
                made[f"{option}={value}"] = Change({option: value})
    made |= {name: Change(changes) for name, changes in CHANGES.items() if AttackOptions(**changes) != _OURS}
    made[BARE] = Change(BARE_CHANGES)
    together, name = BARE_CHANGES, BARE
    for ingredient, changes in INGREDIENTS.items():
        made[f"{BARE}+{ingredient}"] = Change(BARE_CHANGES | changes, BARE)
    for ingredient, changes in INGREDIENTS.items():
        together, name = together | changes, f"{name}+{ingredient}"
        # The first is alone.
        made.setdefault(name, Change(together, BARE))
    return made


def chosen(names: Iterable[str] | None) -> dict[str, Change]:
    """The rows of these names, or all, with those that they are compared with, in the table's order.

    Raises:
        InputError: there is no such row.
    """
    every = rows()
    if names is None:
        return every
    wanted: set[str] = set()
    for name in names:
        if name not in every:
            raise InputError(f"rows: expected some of {', '.join(every)}, got {name!r}")
        one: str | None = name
        while one is not None:
            wanted.add(one)
            one = every[one].against
    return {name: row for name, row in every.items() if name in wanted}


def differences(
    results: Mapping[str, Row], changes: Mapping[str, Change], names: Sequence[str]
) -> dict[str, Estimate]:
    """Of each row its Type II less that of the row it is compared with, over the same people.

    Args:
        names: of the people, in the order of the rows' similarities.
    """
    found = {}
    for name, row in results.items():
        against = changes[name].against
        if against is not None and against in results:
            paired = row.similarities - results[against].similarities
            found[name] = estimate(paired, names)
    return found


def options_of(row: Change, given: argparse.Namespace) -> dict[str, Any]:
    """The options of a row's attack."""
    common = {"steps": given.steps, "seed": given.seed, "statistics": given.statistics, "restarts": 1}
    return common | row.changes


def main() -> None:
    parser = command_line(__doc__, steps=100, of="row", out="ablation")
    parser.add_argument("--statistics", default="", metavar="FILE", help="of 'arcinvert calibrate'")
    parser.add_argument(
        "--rows",
        type=lambda text: text.split(","),
        metavar="NAME,NAME",
        help="some rows, with those that they are compared with (default: all)",
    )
    run_or_exit(compare, parser)


def compare(given: argparse.Namespace) -> None:
    """Attack by every row, judge, print, and write; what is made is printed anew after each row.

    Raises:
        InputError: there is no such row, too many people, or `out` has results of other settings.
    """
    changes = chosen(given.rows)
    panel = make_panel(given.photos, given.people, given.seed, given.out, tuning=True)
    jury = Jury(panel)
    ends = jury.ends()
    results: dict[str, Row] = {}
    seconds: dict[str, float | None] = {}
    for name, row in changes.items():
        folder, wanted = given.out / name, options_of(row, given)
        if not (folder / RESULT_NAME).exists():
            try:
                make(name, panel, wanted, folder, model=given.model, photos=given.photos)
            except InputError as error:
                # Some rows need what a network lacks: the others do not wait for it.
                print(f"{name}: left out: {error}", flush=True)
                continue
        pictures, seconds[name] = kept_pictures(panel, wanted, folder, model=given.model)
        results[name] = jury.row(*jury.look(pictures))
        _write(given.out, results, ends, seconds, changes, panel)
    if not results:
        raise InputError("rows: expected one that can be made at least, got none")
    print(f"\n{(given.out / 'table.md').read_text(encoding='utf-8')}")


def _write(
    out: Path,
    results: Mapping[str, Row],
    ends: Mapping[str, Row],
    seconds: Mapping[str, float | None],
    changes: Mapping[str, Change],
    panel: Panel,
) -> None:
    paired = differences(results, changes, panel.names)
    more = {
        "Type II, difference": {name: cell(figure) for name, figure in paired.items()},
        "to": {name: changes[name].against or "-" for name in paired},
    }
    lines = [(name, row, seconds.get(name)) for name, row in {**results, **ends}.items()]
    text = f"{table(lines, panel, more)}\n\n{described(panel)}\n"
    figures = {
        name: as_json(row)
        | {"seconds": seconds.get(name)}
        | ({"changes": changes[name].changes} if name in changes else {})
        | ({"difference": vars(paired[name]), "to": changes[name].against} if name in paired else {})
        for name, row, _ in lines
    }
    write_table(out, text, figures)


if __name__ == "__main__":
    main()

"""What each part of the attack contributes: each left out of the default recipe, each added to a bare attack.

    arcinvert calibrate --model mobilefacenet_y1.onnx --images PUBLIC --out statistics.safetensors
    python -m benchmarks.ablation --photos ../shared/data/lfw/images --people 64 \\
        --statistics statistics.safetensors --out runs/ablation

Settings are chosen by this table, so it attacks people that the bundled network was trained on, with two to
nine photographs; what is chosen is reported on others (benchmarks/recipes.py). PUBLIC should be photographs
of neither: an attacker has no statistics of the people attacked.

A row is the default recipe with one restart, or a bare attack, with some options changed (`rows`). Its
difference is the mean over people of its Type II similarity less that of the row it is compared with. The
difference is paired by person, so its interval is much narrower than the rows' own. The intervals of two of
forty differences leave out the truth by chance: p is that of Student's paired test, corrected for all
differences of the table by Holm's method. What sets a default should have p below 0.05 on 64 people or more.
A finished row is kept in --out and not made again.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcinvert import Attacker
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.recipes import preset
from benchmarks.judged import Jury, Panel, Row, as_json, command_line, make_panel, run_or_exit, write_table
from benchmarks.recipes import cell, described, kept_pictures, make, table
from recognition.errors import InputError
from recognition.metrics.hypotheses import holm, paired_p_value
from recognition.metrics.intervals import Estimate, estimate

DEFAULT, BARE = "default", "bare"

#: The values of the default recipe that do not depend on the network.
RECIPE: dict[str, Any] = preset("arcinvert")[1].values("template")
#: What the default recipe comes to where it leaves an option open, on a network with nearest neighbours.
CHOSEN = {"initialisation": "nearest-neighbours", "parametrisation": "face-pca"}
_PIXELS = PARAMETRISATIONS["pixels"]
NO_AUGMENTATION: dict[str, Any] = {"flip": False, "shift": 0, "scale": 0.0, "feature_dropout": 0.0}
#: More steps than any row takes, with which restarts are whole.
_WHOLE = 1000
#: Penalties on activations that take the place of `bn`.
OTHER_STATISTICS = [name for name in PENALTIES if name.startswith("bn-")]


def _instead_of_bn(name: str) -> dict[str, Any]:
    return {"penalty": {"bn": 0.0, name: 1.0}}


#: Changes of the default recipe; those that change nothing are no rows.
CHANGES: dict[str, dict[str, Any]] = {
    "bn=1": {"penalty": {"bn": 1.0}},
    **{f"bn={name.removeprefix('bn-')}": _instead_of_bn(name) for name in OTHER_STATISTICS},
    **{
        f"{option}={name}": {option: name}
        for option, registry in (("initialisation", INITIALISATIONS), ("parametrisation", PARAMETRISATIONS))
        for name in registry
        if name != CHOSEN[option]
    },
    **{f"steps={steps}": {"steps": steps} for steps in (25, 100, 200)},
    "low-resolution=0": {"low_resolution": 0.0},
    "low-resolution=0.3": {"low_resolution": 0.3},
    "augmentation=none": NO_AUGMENTATION,
    "augmentation=flip": NO_AUGMENTATION | {"flip": True},
    "augmentation=flip+shift2": NO_AUGMENTATION | {"flip": True, "shift": 2},
    "augmentation=flip+shift6+scale0.15": NO_AUGMENTATION | {"flip": True, "shift": 6, "scale": 0.15},
    "feature-dropout=0.4": {"feature_dropout": 0.4},
    "average=0": {"average": 0.0},
    "average=0.2": {"average": 0.2},
    "restarts=3": {"restarts": 3, "restart_steps": _WHOLE},
    "restarts=5x12": {"restarts": 5, "restart_steps": 12},
    "retries=2": {"retries": 2},
    "batch-size=1": {"batch_size": 1},
    "batch-size=4": {"batch_size": 4},
    "batch-size=16": {"batch_size": 16},
    "tv=off": {"penalty": {"tv": 0.0}},
    "colour-tv=off": {"penalty": {"colour-tv": 0.0}},
    "colour-tv=4": {"penalty": {"colour-tv": _PIXELS.penalty_weights["colour-tv"]}},
    "pca-prior=off": {"penalty": {"pca-prior": 0.0}},
    "whiten=off": {"whiten": False},
}
#: Changes that are also made to the default attack as it is, with its restarts and further attempts. The last
#: is compared with the row of those before it, where there is one. A command for one photograph attacks in
#: batches of one image.
ADDED = [
    ("bn=per-position",),
    ("augmentation=flip+shift6+scale0.15", "low-resolution=0.3"),
    ("batch-size=1",),
    ("batch-size=1", "bn=per-position"),
]
#: From the mean face by the identity loss alone.
BARE_CHANGES: dict[str, Any] = {
    "initialisation": "mean-face",
    "parametrisation": "pixels",
    "penalty": {"bn": 0.0, "tv": 0.0, "colour-tv": 0.0},
    **NO_AUGMENTATION,
}
#: What the bare attack lacks: each is added alone, and with all before it.
INGREDIENTS: dict[str, dict[str, Any]] = {
    "tv": {"penalty": {"tv": RECIPE["penalty"]["tv"]}},
    "colour-tv": {"penalty": {"colour-tv": _PIXELS.penalty_weights["colour-tv"]}},
    "flip": {"flip": True},
    "shift2": {"shift": 2},
    "bn": {"penalty": {"bn": _PIXELS.penalty_weights["bn"]}},
    "bn-per-position": _instead_of_bn("bn-per-position"),
    "nearest-neighbours": {"initialisation": "nearest-neighbours"},
    "face-pca": {"parametrisation": "face-pca"},
}


@dataclass(frozen=True)
class Change:
    """A row.

    Args:
        changes: Options that differ from the default recipe's.
        against: The row that it is compared with; None for the default recipe itself.
    """

    changes: dict[str, Any]
    against: str | None = DEFAULT


def with_changes(options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with changes; weights of penalties are changed one by one."""
    changed = {**options, **changes}
    if "penalty" in options and "penalty" in changes:
        changed["penalty"] = options["penalty"] | changes["penalty"]
    return changed


def rows() -> dict[str, Change]:
    """Return all rows by name."""
    made = {DEFAULT: Change({}, None)}
    made |= {name: Change(changes) for name, changes in CHANGES.items() if changes_recipe(changes)}
    short = "restarts=5x12"
    whole = f"{short}+retries=2"
    made[whole] = Change(CHANGES[short] | {"retries": 2}, short)
    for more in ADDED:
        together = made[whole].changes
        for name in more:
            together = with_changes(together, CHANGES[name])
        before = "+".join((whole, *more[:-1]))
        made["+".join((whole, *more))] = Change(together, before if before in made else whole)
    made[BARE] = Change(BARE_CHANGES)
    together, name = BARE_CHANGES, BARE
    for ingredient, changes in INGREDIENTS.items():
        made[f"{BARE}+{ingredient}"] = Change(with_changes(BARE_CHANGES, changes), BARE)
    for ingredient, changes in INGREDIENTS.items():
        together, name = with_changes(together, changes), f"{name}+{ingredient}"
        # The first is a row already: it is alone.
        made.setdefault(name, Change(together, BARE))
    return made


def changes_recipe(changes: Mapping[str, Any]) -> bool:
    """Return whether changes differ from the values of the default recipe."""
    return with_changes(RECIPE, changes) != RECIPE


def chosen(names: Iterable[str] | None) -> dict[str, Change]:
    """Return the rows of these names, or all, with those that they are compared with, in the table's order.

    Raises:
        InputError: If there is no such row.
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
    """Return each row's Type II less that of the row it is compared with, paired by person.

    Args:
        results: Judged rows by name.
        changes: The rows' definitions by name.
        names: The people, in the order of the rows' similarities.
    """
    found = {}
    for name, row in results.items():
        against = changes[name].against
        if against is not None and against in results:
            paired = row.similarities - results[against].similarities
            found[name] = estimate(paired, names)
    return found


def p_values(results: Mapping[str, Row], changes: Mapping[str, Change]) -> dict[str, float]:
    """Return the p-value of each row's difference, corrected for all differences of the table (Holm).

    Args:
        results: Judged rows by name.
        changes: The rows' definitions by name.
    """
    found = {}
    for name, row in results.items():
        against = changes[name].against
        if against is not None and against in results:
            found[name] = paired_p_value(row.similarities - results[against].similarities)
    return dict(zip(found, holm(list(found.values())), strict=True))


def options_of(row: Change, given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a row's attack."""
    return with_changes({"steps": given.steps, "seed": given.seed, "restarts": 1, "retries": 0}, row.changes)


def main() -> None:
    """Parse the command line and print the table."""
    parser = command_line(__doc__, steps=50, of="row", out="ablation", people=64)
    parser.add_argument(
        "--statistics",
        metavar="FILE",
        help="the file of 'arcinvert calibrate' (default: the one beside the network, if there is one)",
    )
    parser.add_argument(
        "--rows",
        type=lambda text: text.split(","),
        metavar="NAME,NAME",
        help="some rows, with those that they are compared with (default: all)",
    )
    run_or_exit(compare, parser)


def compare(given: argparse.Namespace) -> None:
    """Attack by every row, judge, print and write; the table is written anew after each row.

    Raises:
        InputError: If there is no such row, there are too few people, or `out` has results of other settings.
    """
    changes = chosen(given.rows)
    attacker = Attacker(given.model, statistics=given.statistics)
    panel = make_panel(given.photos, given.people, given.seed, given.out, tuning=True)
    jury = Jury(panel)
    ends = jury.ends()
    results: dict[str, Row] = {}
    seconds: dict[str, float | None] = {}
    for name, row in changes.items():
        folder, wanted = given.out / name, options_of(row, given)
        try:
            plan = attacker.plan("template", **wanted)
        except InputError as error:
            # Some rows need what a network lacks; the others do not wait for it.
            print(f"{name}: left out: {error}", flush=True)
            continue
        make(name, panel, wanted, folder, attacker=attacker, photos=given.photos)
        pictures, seconds[name] = kept_pictures(panel, plan, folder, attacker=attacker)
        results[name] = jury.row(*jury.look(pictures))
        _write(given.out, results, ends, seconds, changes, panel)
    if not results:
        raise InputError("rows: expected at least one that this network can be attacked by, got none")
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
    corrected = p_values(results, changes)
    more = {
        "Type II, difference": {name: cell(figure) for name, figure in paired.items()},
        "to": {name: changes[name].against or "-" for name in paired},
        f"p (Holm, {len(corrected)} comparisons)": {name: f"{p:.2g}" for name, p in corrected.items()},
    }
    lines = [(name, row, seconds.get(name)) for name, row in {**results, **ends}.items()]
    text = f"{table(lines, panel, more)}\n\n{described(panel)}\n"
    figures = {
        name: as_json(row)
        | {"seconds": seconds.get(name)}
        | ({"changes": changes[name].changes} if name in changes else {})
        | ({"difference": vars(paired[name]), "to": changes[name].against} if name in paired else {})
        | ({"p_holm": corrected[name]} if name in corrected else {})
        for name, row, _ in lines
    }
    write_table(out, text, figures)


if __name__ == "__main__":
    main()

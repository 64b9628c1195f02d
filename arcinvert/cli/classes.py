"""`arcinvert classes`: the people whom a network was trained on, by number and name."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from arcinvert.cli.attacks import aligned
from arcinvert.cli.model_options import add_model_arguments, model_options

#: Classes that are listed by default.
_LIMIT = 20


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("classes", help="list the classes of a network, and search their names")
    parser.add_argument(
        "--search",
        metavar="NAME",
        help="list only classes whose name has these words, in any case, with or without accents",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=_LIMIT,
        metavar="N",
        help="list at most this number of classes (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of a table")
    add_model_arguments(parser, "statistics", "device", "precision", "deterministic", "graphs")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = model_options(given)
    from arcinvert.class_list import list_classes
    from recognition.loading import load

    recogniser = load(options.choice())
    listed, total = list_classes(recogniser, search=given.search, limit=given.limit)
    if given.json:
        print(json.dumps({"total": total, "classes": [asdict(one) for one in listed]}, ensure_ascii=False))
        return 0
    if not listed:
        print(f"No class of {recogniser.name} has a name with {given.search!r}.")
        return 0
    rows = [
        (
            str(one.id),
            "-" if one.photographs is None else f"{one.photographs:,}",
            "-" if one.nearest_degrees is None else f"{one.nearest_degrees:.1f}",
            one.name or "-",
        )
        for one in listed
    ]
    print("\n".join(aligned([("id", "photographs", "nearest class, degrees", "name"), *rows])))
    if total > len(listed):
        print(f"... and {total - len(listed):,} more; --limit lists more of them")
    return 0

"""The `merge` command: one list of several sets of faces, without identities that occur twice."""

import argparse
import json
from typing import Any

from recognition.cli.arguments import STYLE, add_device, add_model, load_model
from recognition.terminal import add_strict, report_left_out


def add_parser(commands: Any) -> None:
    """Add the parser of `merge`."""
    parser = commands.add_parser(
        "merge", help="merge sets of faces and remove identities that occur twice", **STYLE
    )
    parser.add_argument(
        "sets", metavar="ALIGNED", nargs="+", help="the sets, in any form that the train command reads"
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE.csv", help="the merged list, which the train command reads"
    )
    parser.add_argument(
        "--similarity",
        metavar="X",
        type=float,
        required=True,
        help="cosine similarity of two identities' centres from which they are one person; depends on the "
        "network: look at the column 'similarity' of the list",
    )
    parser.add_argument(
        "--same-names",
        action="store_true",
        help="take identities of one name in two sets for one person as well",
    )
    parser.add_argument(
        "--duplicates",
        default="drop",
        choices=("drop", "join"),
        help="what happens to the faces of an identity that another one with more images duplicates",
    )
    parser.add_argument(
        "--images",
        metavar="N",
        type=int,
        help="most images of an identity that its centre is of (default: all)",
    )
    add_model(parser)
    add_strict(parser)
    add_device(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.data.lists import write_list
    from recognition.runtime import choose_device
    from recognition.training.merging import describe_merging, merge, open_sets, rows_of

    sources = open_sets(options.sets)
    recogniser = load_model(options).to(choose_device(options.device))
    merging, left_out = merge(
        recogniser,
        sources,
        threshold=options.similarity,
        same_names=options.same_names,
        images=options.images,
    )
    write_list(options.out, rows_of(merging, options.sets, sources, options.duplicates))
    print(json.dumps({**describe_merging(merging, options.sets), "duplicates": merging.duplicates}))
    print(f"Wrote {options.out}")
    return report_left_out(left_out, strict=options.strict)

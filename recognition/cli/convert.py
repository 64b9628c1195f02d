"""The `convert` command: labelled faces from one form into another."""

import argparse
from typing import Any, get_args

from recognition.cli.arguments import STYLE, add_data
from recognition.options import OnUnreadable
from recognition.terminal import report_left_out

#: The forms that are written; `pairs` is a verification set.
FORMS = ("records", "shards", "parquet", "folders", "pairs")


def add_parser(commands: Any) -> None:
    """Add the parser of `convert`."""
    parser = commands.add_parser(
        "convert",
        help="write aligned faces as InsightFace's records, WebDataset shards, Parquet, folders, or a .bin",
        **STYLE,
    )
    add_data(parser)
    parser.add_argument(
        "destination", metavar="DST", help="the folder, or the .parquet or .bin file, to write"
    )
    parser.add_argument(
        "--to",
        required=True,
        choices=FORMS,
        help="the form: a record set, shards, a Parquet file, a folder per identity, or with --pairs a "
        "verification set",
    )
    parser.add_argument(
        "--pairs", metavar="FILE", help="the pair list in LFW's format that a verification set is made of"
    )
    parser.add_argument(
        "--on-unreadable",
        default="skip",
        choices=get_args(OnUnreadable),
        help="what happens where a face cannot be read: it is left out and listed, or the conversion ends "
        "with an error",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.data.convert import convert, convert_pairs
    from recognition.errors import InputError

    if (options.to == "pairs") != (options.pairs is not None):
        raise InputError("pairs: expected --pairs FILE with --to pairs, and only with it")
    if options.to == "pairs":
        count, missing = convert_pairs(options.data, options.pairs, options.destination)
        print(f"Wrote {count:,} pairs to {options.destination}; {missing:,} pairs lack a photograph")
        return 0
    count, left_out = convert(
        options.data, options.destination, options.to, on_unreadable=options.on_unreadable
    )
    print(f"Wrote {count:,} faces to {options.destination}")
    return report_left_out(left_out, strict=False)

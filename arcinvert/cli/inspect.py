"""`arcinvert inspect`: what a network is, and whether its preprocessing is right."""

import argparse
import json
from typing import Any

from arcinvert.cli.model_options import OF_ATTACKS, add_model_arguments, model_options


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "inspect", help="describe a network, and check its preprocessing on real faces"
    )
    parser.add_argument("network", metavar="MODEL", help="the network, as --model of the attacks")
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="a folder of one folder for each identity, for the check; 20 people with two images suffice; "
        "without it, synthetic people compare the readings of a file that is ambiguous",
    )
    parser.add_argument("--pairs", metavar="FILE", help="pairs of these images in LFW's format")
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of lines")
    add_model_arguments(parser, "model", *OF_ATTACKS)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = model_options(given, model=given.network)
    from arcinvert.inspection import as_json, describe, inspect

    inspection = inspect(options.choice(), images=given.images, pairs=given.pairs)
    print(json.dumps(as_json(inspection)) if given.json else "\n".join(describe(inspection)))
    return 0

"""`arcinvert inspect`: what a model is, and whether it was understood."""

import argparse

from arcinvert.cli.model_options import add_choice_options, take_model


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    parser = commands.add_parser("inspect", help="what a model file is, and a self-check on real faces")
    parser.add_argument("model", metavar="MODEL", help="as --model of the attacks")
    add_choice_options(parser)
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="a folder per identity, for the self-check; 20 people with two are enough",
    )
    parser.add_argument("--pairs", metavar="FILE", help="pairs of these images in LFW's format")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import json

    from arcinvert.inspection import as_json, describe, inspect

    inspection = inspect(take_model(vars(options)), images=options.images, pairs=options.pairs)
    print(json.dumps(as_json(inspection)) if options.json else "\n".join(describe(inspection)))
    return 0

"""`arcinvert models`: list well-known public networks, and download them."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("models", help="list well-known public networks, or download one")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list names, licences, sizes and addresses")
    listing.set_defaults(run=_list)
    fetch = actions.add_parser("fetch", help="download a network, resumed and verified by its SHA-256")
    fetch.add_argument("name", metavar="NAME", help="the name of the network")
    fetch.add_argument(
        "--out", default="models", metavar="DIR", help="the folder to write to (default: %(default)s)"
    )
    fetch.set_defaults(run=_fetch)


def _list(_: argparse.Namespace) -> int:
    from recognition.model_zoo import model_zoo

    for model in model_zoo().values():
        size = f"{model.size / 1e6:.0f} MB, SHA-256 {model.sha256[:12]}" if model.url else "no plain download"
        print(f"{model.name}: {model.network}")
        print(f"    {size}; --preset {model.preset}; licence: {model.licence}")
        print(f"    {model.url or model.page}")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from recognition.model_zoo import fetch, find

    model = find(options.name)
    print(f"{model.name}: licence: {model.licence}")
    path = fetch(model, Path(options.out))
    print(f"Wrote {path} (SHA-256 verified); next: arcinvert inspect {path}")
    return 0

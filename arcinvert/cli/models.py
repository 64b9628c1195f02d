"""`arcinvert models`: well-known public networks, listed and fetched."""

import argparse
from pathlib import Path


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    parser = commands.add_parser("models", help="well-known public networks: list them, fetch one")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="names, licences, sizes, addresses")
    listing.set_defaults(run=_list)
    fetch = actions.add_parser("fetch", help="download one: resumed, and verified by its SHA-256")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("--out", default="models", metavar="DIR", help="where to (default: %(default)s)")
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

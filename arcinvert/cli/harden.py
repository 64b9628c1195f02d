"""`arcinvert harden`: apply a defence that needs no training to a network or to templates."""

import argparse
from pathlib import Path
from typing import Any

from arcinvert.audit.defences import DEFENCES
from arcinvert.templates.options import FORMS, TemplateOptions
from recognition.bundled import BUNDLED
from recognition.config import add_arguments, gather


def add_parser(commands: Any) -> None:
    """Add the parser of `harden`."""
    # A network without statistics has no templates, and a server with scores none that leave it.
    stored = [name for name in DEFENCES if name not in ("folded-batchnorm", "scores")]
    parser = commands.add_parser(
        "harden",
        help="apply a defence that needs no training to a network or to templates",
        description="Without --templates, write the network as ONNX without BatchNorm statistics and class "
        "centres. With --templates, write protected templates.",
    )
    parser.add_argument(
        "--model",
        default=BUNDLED,
        metavar="NAME",
        help="the network: the bundled one or a file (default: %(default)s)",
    )
    parser.add_argument(
        "--templates",
        type=Path,
        metavar="FILE",
        help=f"the database of templates: {FORMS}",
    )
    parser.add_argument(
        "--defence",
        metavar="NAME[:STRENGTH]",
        help=f"the defence of the templates: {', '.join(stored)}",
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="the file with the secret of a keyed defence; made if it does not exist",
    )
    add_arguments(parser, TemplateOptions, exclude=("identities",))
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="the file to write: .onnx, or .npy of templates",
    )
    parser.set_defaults(run=_harden)


def _harden(given: argparse.Namespace) -> int:
    from recognition.errors import InputError

    if (given.templates is None) != (given.defence is None):
        raise InputError("harden: expected --templates and --defence together, got one of them; give both")
    from arcinvert.audit.harden import harden_model, harden_templates
    from recognition.terminal import quiet_warnings

    quiet_warnings()
    if given.templates is None:
        layers = harden_model(given.model, given.out)
        print(f"Wrote {given.out}: {layers} BatchNorm layers without statistics, no class centres")
        return 0
    count = harden_templates(
        given.templates,
        given.defence,
        given.out,
        model=given.model,
        key_file=given.key_file,
        **gather(TemplateOptions, given),
    )
    kept = f"; its key is in {given.key_file}, keep it apart" if given.key_file else ""
    print(f"Wrote {given.out}: {count} templates protected by {given.defence}{kept}")
    return 0

"""The `clean` command: a list of training images without those that are probably mislabelled."""

import argparse
from pathlib import Path
from typing import Any

from recognition.cli.arguments import STYLE, add_data, add_device, add_model, load_model
from recognition.terminal import add_strict, report_left_out


def add_parser(commands: Any) -> None:
    """Add the parser of `clean`."""
    parser = commands.add_parser("clean", help="drop mislabelled training images", **STYLE)
    add_data(parser, "The faces that the network was trained on")
    add_model(parser, required="a network trained with --head subcentre")
    parser.add_argument(
        "--out", required=True, metavar="FILE.csv", help="the cleaned list, which the train command reads"
    )
    parser.add_argument(
        "--max-angle",
        metavar="X",
        type=float,
        default=75.0,
        help="largest angle to the dominant centre of its class at which an image is kept, degrees",
    )
    parser.add_argument(
        "--sheets",
        metavar="N",
        type=int,
        default=4,
        help="number of identities to draw a contact sheet of, those that lose the most images",
    )
    add_strict(parser)
    add_device(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.data.lists import write_list
    from recognition.data.sources import open_source
    from recognition.errors import InputError
    from recognition.files import MAX_NAME, safe_name
    from recognition.runtime import choose_device
    from recognition.training.cleaning import clean, clusters, describe_rows

    recogniser = load_model(options).to(choose_device(options.device))
    source = open_source(options.data)
    cleaning, keys, labels, left_out = clean(recogniser, source, max_angle=options.max_angle)
    write_list(options.out, describe_rows(cleaning, keys, labels, recogniser, source))
    dropped = int((~cleaning.kept).sum())
    classes = len({int(label) for label in labels[~cleaning.kept]})
    print(f"Dropped {dropped} of {len(keys)} images, of {classes} identities")
    print(f"Wrote {options.out}")
    sheets = clusters(cleaning, keys, labels, recogniser, source, count=options.sheets)
    if sheets:
        from recognition.plots.clusters import draw_cluster
        from recognition.plots.style import save_figure

        folder = Path(options.out).with_suffix("")
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be made for contact sheets ({error.strerror}); choose another --out, or "
                "--sheets 0"
            ) from None
        for cluster in sheets:
            # A list may call an identity anything; ".png" is added to the name.
            save_figure(draw_cluster(cluster), folder / safe_name(cluster.name, max_bytes=MAX_NAME - 4))
        print(f"Wrote {len(sheets)} contact sheets to {folder}/")
    return report_left_out(left_out, strict=options.strict)

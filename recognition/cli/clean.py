"""`clean`: mislabelled training images, found with several centres a class."""

import argparse
from pathlib import Path
from typing import Any

from recognition.cli.arguments import STYLE, add_device


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("clean", help="drop mislabelled training images", **STYLE)
    parser.add_argument("data", metavar="ALIGNED", help="what the network was trained on")
    parser.add_argument("--model", required=True, help="a network trained with --head subcentre")
    parser.add_argument("--out", required=True, metavar="FILE", help="the cleaned list, .csv, for train")
    parser.add_argument("--max-angle", type=float, default=75.0, help="to the dominant centre, degrees")
    parser.add_argument("--sheets", type=int, default=4, help="pictures of so many identities, most affected")
    add_device(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.data.sources import open_source, write_list
    from recognition.loading import load
    from recognition.runtime import choose_device
    from recognition.training.cleaning import clean, clusters, describe_rows

    recogniser = load(options.model).to(choose_device(options.device))
    source = open_source(options.data)
    cleaning, keys, labels = clean(recogniser, source, max_angle=options.max_angle)
    write_list(options.out, describe_rows(cleaning, keys, labels, recogniser, source))
    dropped = int((~cleaning.kept).sum())
    classes = len({int(label) for label in labels[~cleaning.kept]})
    print(f"{dropped} of {len(keys)} images dropped, of {classes} identities")
    print(f"Wrote {options.out}")
    found = clusters(cleaning, keys, labels, recogniser, source, count=options.sheets)
    if found:
        from recognition.plots import draw_cluster, save_figure

        folder = Path(options.out).with_suffix("")
        folder.mkdir(exist_ok=True)
        for cluster in found:
            save_figure(draw_cluster(cluster), folder / cluster.name)
        print(f"Wrote {len(found)} sheets to {folder}/")
    return 0

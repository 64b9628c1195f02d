"""`train`: aligned faces to a network."""

import argparse
from dataclasses import fields
from typing import Any, get_args

from recognition.cli.arguments import STYLE, add_device
from recognition.options import Augmentation, Schedule, TrainingOptions, TrainingPrecision

#: What each field of `TrainingOptions` is, for --help.
TEXTS = {
    "network": "iresnet18, iresnet34, iresnet50, iresnet100 or mobilefacenet",
    "width": "multiplies the network's channels",
    "embedding_size": "dimensions of an embedding",
    "epochs": "passes over the training images",
    "batch_size": "images a step",
    "learning_rate": "of SGD at its highest",
    "weight_decay": "of SGD",
    "margin": "m of arcface and subcentre, radians",
    "scale": "s of every head on the sphere",
    "dropout": "before the fully connected layer (IResNet)",
    "held_out": "identities kept for the figures",
    "start_size": "image side of the first half of the epochs, pixels (IResNet)",
    "seed": "of the split, the weights and the augmentation",
    "head": "softmax, norm-softmax, sphereface, cosface, arcface, combined, cm1, cm2, subcentre, adaface or "
    "magface; its own options behind it, as in subcentre:subcentres=3",
    "terms": "added losses: centre, intra, inter, triplet, contrastive; options behind them, as in "
    "triplet:weight=0.5",
    "schedule": "of the learning rate after its rise",
    "warm_up": "share of all steps in which the learning rate rises",
    "accumulate": "parts in which a step's images are computed, to save memory",
    "image_size": "image side that the network is made for, pixels (IResNet)",
    "images_per_identity": "kept together in a batch, for triplet and contrastive; 0 shuffles all",
    "augmentation": "full, or a flip alone as in the papers",
    "label_smoothing": "share of a label spread over all classes; negative defends against inversion",
}
_CHOICES = {"schedule": get_args(Schedule), "augmentation": get_args(Augmentation)}


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("train", help="aligned faces to a network", **STYLE)
    parser.add_argument("data", metavar="ALIGNED", help="a folder per identity, made by align, or a list")
    parser.add_argument("--out", metavar="DIR", help="results; goes on from there if begun")
    parser.add_argument(
        "--dry-run", action="store_true", help="20 steps: images/s, memory, time of the whole"
    )
    for option in fields(TrainingOptions):
        if option.name == "terms":
            parser.add_argument(
                "--term", dest="terms", action="append", default=[], metavar="TERM", help=TEXTS["terms"]
            )
            continue
        parser.add_argument(
            f"--{option.name.replace('_', '-')}",
            type=type(option.default),
            default=option.default,
            choices=_CHOICES.get(option.name),
            help=TEXTS[option.name],
        )
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        default=None,
        help="network to begin with, not random weights: of the same layout, or a narrower IResNet to widen",
    )
    parser.add_argument(
        "--stop-after", type=int, default=None, help="epoch after which to stop, to go on later"
    )
    add_device(parser)
    parser.add_argument(
        "--precision",
        default="auto",
        choices=get_args(TrainingPrecision),
        help="auto is bfloat16 where hardware has it",
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that read images")
    parser.add_argument("--keep-images", action="store_true", help="in memory, decoded: 37 kB each")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.errors import InputError
    from recognition.runtime import keep_freed_memory

    if options.out is None and not options.dry_run:
        raise InputError("out: expected a folder for the results, got none; use --out DIR, or --dry-run")
    keep_freed_memory()
    from recognition.training.trainer import dry_run, train

    values = {option.name: getattr(options, option.name) for option in fields(TrainingOptions)}
    training = TrainingOptions(**{**values, "terms": tuple(options.terms)})
    where = {
        "device": options.device,
        "precision": options.precision,
        "workers": options.workers,
        "start_from": options.start_from,
    }
    if options.dry_run:
        told = dry_run(options.data, training, **where)
        hours, minutes = divmod(round(told.seconds / 60), 60)
        print(
            f"{told.images_per_second:.1f} images/s, {told.memory / 2**30:.2f} GiB at most, "
            f"the whole would take {hours} h {minutes:02} min"
        )
        return 0
    path = train(
        options.data,
        options.out,
        training,
        **where,
        keep_images=options.keep_images,
        stop_after=options.stop_after,
    )
    print(f"Wrote {path}")
    return 0

"""The command line of `python -m recognition`: align, train, evaluate."""

import argparse
import json
import sys
from dataclasses import fields
from typing import Any

from recognition.terminal import Parser, run_command


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exits with 0, with 2 on input that cannot be used, with 130 on Ctrl-C."""
    options = _parser().parse_args(arguments)
    command = {"align": _align, "train": _train, "evaluate": _evaluate}[options.command]
    sys.exit(run_command(lambda: command(options)))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m recognition", description="Align faces, train ArcFace recognisers, measure them."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    style: dict[str, Any] = {"formatter_class": argparse.ArgumentDefaultsHelpFormatter}

    align = commands.add_parser("align", help="photographs to 112x112 crops", **style)
    align.add_argument("source", metavar="SRC", help="a folder per identity")
    align.add_argument("destination", metavar="DST", help="where the crops go, a folder per identity")
    align.add_argument("--workers", type=int, default=2, help="processes")

    train = commands.add_parser("train", help="aligned folders to a network", **style)
    train.add_argument("data", metavar="ALIGNED", help="a folder per identity, made by align")
    train.add_argument("--out", required=True, metavar="DIR", help="results; goes on from there if begun")
    _add_training_options(train)
    train.add_argument(
        "--stop-after", type=int, default=None, help="epoch after which to stop, to go on later"
    )
    _add_device(train)
    train.add_argument(
        "--precision",
        default="auto",
        choices=["auto", "float32", "bfloat16"],
        help="auto is bfloat16 where hardware has it",
    )
    train.add_argument("--workers", type=int, default=0, help="processes that read images")

    evaluate = commands.add_parser("evaluate", help="verification figures", **style)
    evaluate.add_argument("data", metavar="ALIGNED", help="a folder per identity, made by align")
    evaluate.add_argument("--model", default="lfw-iresnet18", help="the bundled network or a file")
    evaluate.add_argument("--pairs", metavar="FILE", default=None, help="a pair list in LFW's format")
    evaluate.add_argument(
        "--all", action="store_true", help="also identities that the network was trained on"
    )
    _add_device(evaluate)
    return parser


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="where to compute"
    )


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    from recognition.options import TrainingOptions

    texts = {
        "network": "iresnet18, iresnet34, iresnet50, iresnet100 or mobilefacenet",
        "width": "multiplies the network's channels",
        "embedding_size": "dimensions of an embedding",
        "epochs": "passes over the training images",
        "batch_size": "images a step",
        "learning_rate": "of SGD at its highest",
        "weight_decay": "of SGD",
        "margin": "ArcFace's m, radians",
        "scale": "ArcFace's s",
        "dropout": "before the fully connected layer (IResNet)",
        "held_out": "identities kept for the figures",
        "start_size": "image side of the first half of the epochs, pixels (IResNet)",
        "seed": "of the split, the weights and the augmentation",
    }
    for option in fields(TrainingOptions):
        parser.add_argument(
            f"--{option.name.replace('_', '-')}",
            type=type(option.default),
            default=option.default,
            help=texts[option.name],
        )


def _align(options: argparse.Namespace) -> int:
    from recognition.align import align_folders

    report = align_folders(options.source, options.destination, workers=options.workers)
    print(
        f"{report.aligned} aligned, {report.cached} were already, {len(report.without_face)} without a face, "
        f"{len(report.unreadable)} unreadable (listed in {options.destination}/align.json)"
    )
    return 0


def _train(options: argparse.Namespace) -> int:
    from recognition.options import TrainingOptions
    from recognition.runtime import keep_freed_memory

    keep_freed_memory()
    from recognition.train import train

    values = {option.name: getattr(options, option.name) for option in fields(TrainingOptions)}
    path = train(
        options.data,
        options.out,
        TrainingOptions(**values),
        device=options.device,
        precision=options.precision,
        workers=options.workers,
        stop_after=options.stop_after,
    )
    print(f"Wrote {path}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from recognition.checkpoint import load_notes
    from recognition.evaluate import evaluate
    from recognition.loading import load
    from recognition.verification import describe_verification

    recogniser = load(options.model)
    path = recogniser.source.path
    split = load_notes(path).get("split", {}) if path.endswith(".safetensors") else {}
    only = frozenset(split["held_out"]) if split and not options.all and options.pairs is None else None
    figures = evaluate(recogniser, options.data, only=only, pairs=options.pairs, device=options.device)
    print(json.dumps(describe_verification(figures)))
    return 0

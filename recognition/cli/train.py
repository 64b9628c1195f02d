"""The `train` command: a network from aligned faces, on one process or on the ranks that torchrun starts."""

import argparse
from typing import Any, get_args

from recognition.cli.arguments import STYLE, add_data, add_device
from recognition.config import add_arguments, gather
from recognition.options import OnUnreadable, TrainingPrecision
from recognition.terminal import report_left_out
from recognition.training.options import TrainingOptions


def add_parser(commands: Any) -> None:
    """Add the parser of `train`."""
    parser = commands.add_parser("train", help="train a network on aligned faces", **STYLE)
    add_data(parser, "The faces to train on and to hold out")
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the results; a training that it holds is resumed"
    )
    parser.add_argument(
        "--config",
        metavar="FILE.toml",
        help="file of training options by name, such as 'epochs = 20'; arguments override it",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="train 20 steps, write nothing, and print images per second, memory, duration and, of many "
        "ranks, the cost of their communication",
    )
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="network that provides the initial weights: of the same layout, or a narrower IResNet; "
        "MODEL@PRESET if its file does not say its preprocessing",
    )
    parser.add_argument(
        "--teacher",
        metavar="MODEL",
        help="network whose embeddings the student learns, with --teacher-weight above 0; MODEL@PRESET if "
        "its file does not say its preprocessing, such as teacher.onnx@channels=BGR",
    )
    parser.add_argument(
        "--unlabelled",
        metavar="DATA",
        help="more aligned faces, which the teacher alone labels: a folder with all folders below it, or "
        "a list",
    )
    parser.add_argument(
        "--stop-after", metavar="N", type=int, help="epoch after which to stop; a later call resumes"
    )
    parser.add_argument(
        "--save-every",
        metavar="STEPS",
        type=int,
        help="number of steps after which the state is saved within an epoch too",
    )
    parser.add_argument(
        "--on-unreadable",
        default="skip",
        choices=get_args(OnUnreadable),
        help="what happens where a face cannot be read: it is left out and listed in unreadable.json, or the "
        "training ends",
    )
    add_device(parser)
    parser.add_argument(
        "--precision",
        default="auto",
        choices=get_args(TrainingPrecision),
        help="precision of the network's inner computation; auto is bfloat16 where the hardware has it",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        help="number of processes of each rank that read images (default: with CUDA one fewer than its share "
        "of the cores, at most 8; otherwise 0, which reads in the process that trains)",
    )
    parser.add_argument(
        "--keep-images", action="store_true", help="keep decoded images in memory, 37 kB each"
    )
    parser.add_argument(
        "--compile",
        dest="compiled",
        action="store_true",
        help="compile the network with torch.compile: a minute at the start, then faster steps",
    )
    add_arguments(parser, TrainingOptions)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from recognition.errors import InputError
    from recognition.runtime import is_main_rank, keep_freed_memory

    if arguments.out is None and not arguments.dry_run:
        raise InputError("out: expected a folder for the results, got none; use --out DIR, or --dry-run")
    options = TrainingOptions(**gather(TrainingOptions, arguments, file=arguments.config))
    keep_freed_memory()
    common = {
        "device": arguments.device,
        "precision": arguments.precision,
        "workers": arguments.workers,
        "start_from": arguments.start_from,
        "teacher": arguments.teacher,
        "unlabelled": arguments.unlabelled,
        "compiled": arguments.compiled,
    }
    if arguments.dry_run:
        from recognition.training.dry_run import dry_run

        cost = dry_run(arguments.data, options, **common)
        if is_main_rank():
            print(cost.describe())
        return 0
    from recognition.training.train import train

    left_out: list[str] = []
    path = train(
        arguments.data,
        arguments.out,
        options,
        **common,
        keep_images=arguments.keep_images,
        stop_after=arguments.stop_after,
        on_unreadable=arguments.on_unreadable,
        save_every=arguments.save_every,
        left_out=left_out.extend,
    )
    if not is_main_rank():
        return 0
    print(f"Wrote {path}")
    return report_left_out(left_out, strict=False)

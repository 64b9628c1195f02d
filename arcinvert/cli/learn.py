"""`arcinvert learn`: train a decoder from templates to faces."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcinvert.cli.model_options import add_model_arguments, model_options
from arcinvert.learning.options import LearningOptions
from recognition.config import add_arguments, gather
from recognition.errors import InputError
from recognition.terminal import StageBars, add_strict, report_left_out

if TYPE_CHECKING:
    from arcinvert.learning.faces import TrainingFaces


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "learn", help="train a decoder from a network's templates to faces, which attacks then use"
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="a folder of public faces, photographs or aligned crops, searched with all folders below it; "
        "labels are not used; without it the faces are synthetic",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the file to write (default: MODEL.decoder.safetensors, where attacks find it); a training "
        "whose state lies beside it goes on",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="take a few steps, write nothing, and print images per second, memory and duration",
    )
    parser.add_argument(
        "--stop-after", metavar="N", type=int, help="the epoch after which to stop; a later call goes on"
    )
    add_strict(parser)
    add_model_arguments(parser, "statistics", "decoder", "calibrate", "deterministic", "graphs")
    add_arguments(parser, LearningOptions)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options, model = LearningOptions(**gather(LearningOptions, given)), model_options(given)
    if given.stop_after is not None and given.stop_after < 1:
        raise InputError(f"stop after: expected an epoch, 1 or later, got {given.stop_after}")
    from arcinvert.learning.faces import draw, read_faces
    from arcinvert.learning.learn import dry_run, learn
    from arcinvert.precision import dtype_of
    from recognition.loading import load
    from recognition.runtime import choose_device, keep_freed_memory

    keep_freed_memory()
    device = choose_device(model.device)
    recogniser = load(model.choice()).to(device)
    dtype = dtype_of(recogniser, model.precision)
    left_out: list[Path] = []
    with StageBars() as bars:

        def source(size: int) -> "TrainingFaces":
            if given.images is None:
                return draw(size)
            return read_faces(
                Path(given.images), size, progress=partial(bars, "read"), left_out=left_out.append
            )

        if given.dry_run:
            cost = dry_run(recogniser, source, options, dtype=dtype)
            print(
                f"{cost.images_per_second:.1f} images/s, peak memory {cost.memory / 2**30:.2f} GiB, "
                f"{cost.epochs} epochs in {cost.seconds / 60:.0f} min"
            )
            return report_left_out(left_out, strict=given.strict)
        learned = learn(
            recogniser,
            source,
            options,
            out=None if given.out is None else Path(given.out),
            dtype=dtype,
            stop_after=given.stop_after,
            progress=partial(bars, "embed"),
        )
    figures = ", ".join(
        f"{name.replace('_', ' ')} {learned.log[-1][name]:.3f}"
        for name in ("decoder_similarity", "regression_similarity")
        if name in learned.log[-1]
    )
    print(f"Wrote {learned.path} after {len(learned.log)} epochs{': ' if figures else ''}{figures}")
    print(f"Pictures, TensorBoard events and the state are in {learned.folder}/")
    return report_left_out(left_out, strict=given.strict)

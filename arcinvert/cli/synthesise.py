"""`arcinvert synthesise`: make a labelled set of synthetic faces."""

import argparse
import sys
from pathlib import Path
from typing import Any

from arcinvert.cli.model_options import add_model_arguments, model_options, opened_workers
from arcinvert.synthesis.options import SynthesisOptions
from arcinvert.workers.options import WorkerOptions, parse_shard
from recognition.config import add_arguments, gather
from recognition.terminal import INTERRUPTED, DeferredProgressBar, add_strict, report_left_out


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "synthesise", help="make a labelled set of synthetic faces, of nobody, by inversion of a network"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="the folder of the set; a set that it holds unfinished goes on",
    )
    parser.add_argument(
        "--known",
        metavar="DIR",
        help="a folder of photographs or aligned crops of people whom no identity may resemble, searched "
        "with all folders below it, one folder for each person; class centres and public faces always count",
    )
    parser.add_argument(
        "--shard",
        metavar="I/N",
        default="0/1",
        help="make only part I, from 0, of N parts, which may run side by side into one folder and make the "
        "same pictures as one run (default: 0/1)",
    )
    add_strict(parser)
    add_arguments(parser, SynthesisOptions)
    add_model_arguments(parser)
    add_arguments(parser, WorkerOptions)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = SynthesisOptions(**gather(SynthesisOptions, given))
    shard, model = parse_shard(given.shard), model_options(given)
    from arcinvert.synthesis.synthesise import synthesise
    from recognition.runtime import choose_device, keep_freed_memory, peak_memory

    keep_freed_memory()
    left_out: list[Path] = []
    with opened_workers(given) as workers, DeferredProgressBar() as bar:

        def progress(done: int, total: int) -> None:
            tqdm = bar.bar(total, "pictures")
            tqdm.update(done - tqdm.n)

        made = synthesise(
            model.attacker(workers),
            options,
            given.out,
            known=given.known,
            shard=shard,
            progress=progress,
            left_out=left_out.append,
        )
    card = made.card
    state = "complete" if card["complete"] else f"of {options.identities:,}, the others are not made yet"
    print(f"{given.out}: {card['pictures']:,} pictures of {card['identities']:,} identities ({state})")
    if made.pictures:
        rate = made.pictures / made.seconds
        memory = peak_memory(choose_device(model.device))
        whole = options.identities * options.per_identity
        # Of a set that is made at once, the seconds say it.
        hours = (
            f"{whole / rate / 3600:.2f} hours for the whole set of {whole:,}, "
            if whole > made.pictures
            else ""
        )
        print(
            f"{made.pictures:,} pictures in {made.seconds:.0f} s, {rate:.2f} images/s; {hours}peak memory "
            f"{memory / 2**30:.2f} GiB"
        )
    if (privacy := card["privacy"]) is not None:
        nearer = privacy["pictures_nearer_than_stated"]
        print(
            f"nearest known person: {privacy['directions']['smallest']:.1f} degrees from an identity, "
            f"{privacy['pictures']['smallest']:.1f} from the mean of its pictures; {nearer['hits']} of "
            f"{nearer['count']} means nearer than {privacy['stated_angle']:g}; README.md has the distribution"
        )
    if made.interrupted:
        print("interrupted: finished pictures are kept; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return report_left_out(left_out, strict=given.strict)

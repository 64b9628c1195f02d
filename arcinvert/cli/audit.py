"""`arcinvert audit`, and the commands on its results: `audit-merge`, `audit-compare` and `audit-gate`."""

import argparse
import contextlib
import logging
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcinvert.audit.defences import DEFENCES
from arcinvert.audit.options import AuditOptions
from arcinvert.cli.attacks import refuse_workers
from arcinvert.cli.model_options import opened_workers
from arcinvert.workers.options import Shard, WorkerOptions, parse_shard
from recognition.config import add_arguments, gather, read_toml
from recognition.errors import InputError, is_out_of_memory, one_line
from recognition.files import printable
from recognition.terminal import INTERRUPTED, LEFT_OUT, DeferredProgressBar, add_strict

if TYPE_CHECKING:
    from arcinvert.workers.base import Workers

#: Exit codes of a gate whose policy is not met, and of one that cannot be decided.
POLICY_NOT_MET, UNDECIDED = 1, 4
#: Libraries whose networks a file may name without a flag.
_LIBRARIES = ("timm", "torchvision")


def add_parser(commands: Any) -> None:
    """Add the parsers of `audit`, `audit-merge`, `audit-compare` and `audit-gate`."""
    audit = commands.add_parser(
        "audit",
        help="measure how many templates or class centres can be turned into faces that another recogniser "
        "accepts, as a report",
        description="Attack templates or class centres, judge the reconstructions by recognisers that were "
        "not attacked, and write a report as HTML, PDF, Markdown and JSON. A stopped audit goes on where it "
        "was.",
        epilog=f"Defences: {DEFENCES.help()}.",
    )
    audit.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and how long it would take"
    )
    audit.add_argument(
        "--shard",
        metavar="I/N",
        help="do only part I, from 0, of N parts, which a batch system may run anywhere and in any order; "
        "audit-merge writes the report",
    )
    _add_common(audit)
    add_arguments(audit, WorkerOptions)
    audit.set_defaults(run=_audit, merge=False)

    merge = commands.add_parser(
        "audit-merge",
        help="write the report of an audit whose parts were done with --shard",
        description="Write the report of the parts that arcinvert audit has done with --shard. It takes the "
        "options of the parts; their folders, OUT-shard-I-of-N-work, must be beside the report's.",
    )
    _add_common(merge)
    merge.add_argument(
        "--threads",
        type=int,
        metavar="N",
        default=argparse.SUPPRESS,
        help="the threads that the processes of the parts had (default: 1)",
    )
    merge.set_defaults(run=_audit, merge=True, shard=None, dry_run=False)

    compare = commands.add_parser(
        "audit-compare", help="compare two audits side by side, such as those of two releases"
    )
    compare.add_argument("before", metavar="BEFORE", type=Path, help="the folder of a finished audit")
    compare.add_argument("after", metavar="AFTER", type=Path, help="the folder of another finished audit")
    compare.add_argument(
        "--out", metavar="DIR", required=True, type=Path, help="the folder of the comparison"
    )
    compare.set_defaults(run=_compare)

    gate = commands.add_parser(
        "audit-gate",
        help="exit with code 1 if an audit does not meet a policy, with 4 if that cannot be decided",
    )
    gate.add_argument("audit", metavar="DIR", type=Path, help="the folder of a finished audit")
    gate.add_argument(
        "--max-sar",
        type=float,
        required=True,
        metavar="X",
        help="the highest share of accepted reconstructions (SAR) that passes, a fraction",
    )
    gate.add_argument(
        "--fmr", type=float, default=1e-3, metavar="X", help="the false match rate (default: %(default)s)"
    )
    gate.add_argument(
        "--bound",
        choices=("value", "upper"),
        default="upper",
        help="what must not exceed X for a pass: the upper end of the 95 %% interval, or the value found "
        "(default: %(default)s)",
    )
    gate.set_defaults(run=_gate)


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of audits, whole and merged."""
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="the folder of the report")
    parser.add_argument(
        "--config", metavar="FILE.toml", help="a TOML file of options; those on the command line come first"
    )
    parser.add_argument(
        "--keep-work",
        action="store_true",
        help="keep the intermediate results, which hold names, templates and faces, in OUT-work when the "
        "report is done; without it they are removed",
    )
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="allow --config to name networks as package.module:factory, whose code is then run; modules are "
        "not searched for in the current folder",
    )
    add_strict(parser)
    add_arguments(parser, AuditOptions)


def _audit(given: argparse.Namespace) -> int:
    options = AuditOptions(**gather(AuditOptions, given, file=given.config))
    code = _code_of_file(given)
    if code and not given.allow_code:
        raise InputError(
            f"{given.config}: expected networks as names or files, got code to run, {code[0]}; allow it with "
            "--allow-code if you trust the file, or name the network on the command line"
        )
    from recognition.loading.factories import installed_code_only
    from recognition.runtime import keep_freed_memory
    from recognition.terminal import quiet_warnings

    keep_freed_memory()
    quiet_warnings()
    with installed_code_only() if given.config else contextlib.nullcontext():
        return _carry_out(options, given)


def _code_of_file(given: argparse.Namespace) -> list[str]:
    """Return the networks that the file of options, and not the command line, gives as code to run."""
    if given.config is None:
        return []
    values = read_toml(AuditOptions, given.config)
    named = [values.get(name) for name in ("model", "surrogate") if not hasattr(given, name)]
    named += values.get("judges") or () if not hasattr(given, "judges") else ()
    if not hasattr(given, "variants"):
        named += [str(one).partition("=")[2] for one in values.get("variants") or ()]
    from recognition.loading.factories import is_factory

    # The networks of these two libraries are theirs, and no code of a stranger.
    return [
        one
        for one in named
        if isinstance(one, str) and is_factory(one) and one.partition(":")[0] not in _LIBRARIES
    ]


def _carry_out(options: AuditOptions, given: argparse.Namespace) -> int:
    refuse_workers(options, WorkerOptions(**gather(WorkerOptions, given)))
    shard = None if given.shard is None else parse_shard(given.shard)
    # Parts are done on several machines: the number of threads, on which results depend, is not theirs.
    with opened_workers(given, default="1" if given.merge or shard else None) as workers:
        if given.dry_run:
            return _preview(options, given.out, workers, shard)
        _log_to_terminal()
        begin, cpu = time.monotonic(), time.process_time()
        with _Progress() as progress:
            try:
                result = _done(options, given, progress, workers, shard)
            except KeyboardInterrupt:
                print("interrupted: run it again to go on where it was", file=sys.stderr)
                return INTERRUPTED
        if result is not None:
            _print_result(result, options, given)
        of_cpu = f", {time.process_time() - cpu:.0f} s of CPU" if workers.in_process else ""
        print(f"Took {time.monotonic() - begin:.0f} s{of_cpu}")
    skipped = 0 if result is None else len(result["people"]["skipped"])
    if skipped:
        print(f"warning: {skipped} photographs or rows of the database were left out", file=sys.stderr)
    return LEFT_OUT if skipped and given.strict else 0


def _preview(options: AuditOptions, out: Path, workers: "Workers", shard: Shard | None) -> int:
    from arcinvert.audit.runner import preview_audit

    print("\n".join(preview_audit(options, out, workers=workers, shard=shard).lines(out)))
    return 0


def _done(
    options: AuditOptions,
    given: argparse.Namespace,
    progress: "_Progress",
    workers: "Workers",
    shard: Shard | None,
) -> dict[str, Any] | None:
    """Return the content of audit.json; None after a part of the work, which has none."""
    from arcinvert.audit.runner import merge_shards, run_audit, run_shard

    if given.merge:
        return merge_shards(options, given.out, keep_work=given.keep_work)
    if shard is None:
        return run_audit(options, given.out, keep_work=given.keep_work, progress=progress, workers=workers)
    folder = run_shard(options, given.out, shard, progress=progress, workers=workers)
    print(f"Part {shard.number} of {shard.count} is done: {printable(folder)}/")
    print("When all parts are done, audit-merge with the same options writes the report")
    return None


def _print_result(result: dict[str, Any], options: AuditOptions, given: argparse.Namespace) -> None:
    from arcinvert.audit.runner import key_file, work_folder

    out: Path = given.out
    for sentence in result["answer"]["sentences"]:
        print(sentence)
    for note in result["people"]["notes"]:
        print(note)
    key = options.key_file or key_file(out)
    print(f"Wrote {out}/ (report.html, report.pdf, report.md, audit.json); names are in {key}")
    if given.keep_work:
        print(f"Kept {work_folder(out)}/ with names, templates and faces: remove it when it is not needed")


def _log_to_terminal() -> None:
    """Print what the audit logs before its first step, a line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("arcinvert.audit")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


class _Progress(DeferredProgressBar):
    """A progress bar over the optimiser steps, with the time left."""

    def __call__(self, done: int, steps: int) -> None:
        # Steps done by an earlier run say nothing about the speed of this one.
        bar = self.bar(steps, "attack", done=done if done > 1 else 0)
        # Images that are attacked again take steps that were not planned.
        bar.total = steps
        bar.update(done - bar.n)


def _compare(given: argparse.Namespace) -> int:
    from arcinvert.audit.compare import compare

    with _one_line(given.before, given.after):
        result = compare(given.before, given.after, given.out)
    for sentence in result["answer"]["sentences"]:
        print(sentence)
    print(f"Wrote {given.out}/ (comparison.html, comparison.pdf, comparison.md, comparison.json)")
    return 0


def _gate(given: argparse.Namespace) -> int:
    # A crash ends with code 1 in Python, which here means that the policy is not met.
    with _one_line(given.audit):
        return _decided(given)


@contextlib.contextmanager
def _one_line(*audits: Path) -> Iterator[None]:
    """Turn whatever a damaged audit.json brings about into an error of one line.

    Raises:
        InputError: In place of any other exception.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        names = " and ".join(printable(audit) for audit in audits)
        raise InputError(
            f"{names}: damaged: cannot be read as an audit ({type(error).__name__}: "
            f"{one_line(error)}); audit again"
        ) from None


def _decided(given: argparse.Namespace) -> int:
    from arcinvert.audit.policy import Policy, decide
    from arcinvert.audit.report import read_audit

    if not 0 <= given.max_sar <= 1 or not 0 < given.fmr < 1:
        raise InputError(
            f"audit-gate: expected fractions, got --max-sar {given.max_sar:g} --fmr {given.fmr:g}; give "
            "numbers from 0 to 1"
        )
    audit = read_audit(given.audit)
    judges, rates = audit["judges"], audit["reproducibility"]["options"]["fmr"]
    if not any(math.isclose(given.fmr, rate) for rate in rates):
        raise InputError(
            f"audit-gate: expected an FMR of the audit, {', '.join(f'{one:g}' for one in rates)}, "
            f"got {given.fmr:g}; audit again with --fmr {given.fmr:g}"
        )
    decision = decide(Policy(given.max_sar, given.fmr, given.bound), judges)
    print(f"{decision['verdict'].upper()}: {decision['reason']}")
    return {"pass": 0, "fail": POLICY_NOT_MET}.get(decision["verdict"], UNDECIDED)

"""`arcinvert audit`, and the commands that work on its results: `audit-compare` and `audit-gate`."""

import argparse
import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arcinvert.audit.defences import DEFENCES
from arcinvert.audit.options import AuditOptions
from recognition.config import add_arguments, gather, read_toml
from recognition.errors import InputError, is_out_of_memory, one_line
from recognition.files import printable
from recognition.terminal import INTERRUPTED, LEFT_OUT, DeferredProgressBar, add_strict

#: Exit codes of a gate whose policy is not met, and of one that cannot be decided.
POLICY_NOT_MET, UNDECIDED = 1, 4
#: Libraries whose networks a file may name without a flag.
_LIBRARIES = ("timm", "torchvision")


def add_parser(commands: Any) -> None:
    """Add the parsers of `audit`, `audit-compare` and `audit-gate`."""
    audit = commands.add_parser(
        "audit",
        help="measure how many templates or class centres can be turned into faces that another recogniser "
        "accepts, as a report",
        description="Attack templates or class centres, judge the reconstructions by recognisers that were "
        "not attacked, and write a report as HTML, PDF, Markdown and JSON. A stopped audit goes on where it "
        "was.",
        epilog=f"Defences: {DEFENCES.help()}.",
    )
    audit.add_argument("--out", metavar="DIR", required=True, type=Path, help="the folder of the report")
    audit.add_argument(
        "--config", metavar="FILE.toml", help="a TOML file of options; those on the command line come first"
    )
    audit.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and how long it would take"
    )
    audit.add_argument(
        "--keep-work",
        action="store_true",
        help="keep the intermediate results, which hold names, templates and faces, in OUT-work when the "
        "report is done; without it they are removed",
    )
    audit.add_argument(
        "--allow-code",
        action="store_true",
        help="allow --config to name networks as package.module:factory, whose code is then run; modules are "
        "not searched for in the current folder",
    )
    add_strict(audit)
    add_arguments(audit, AuditOptions)
    audit.set_defaults(run=_audit)

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
    from arcinvert.audit.runner import key_file, preview_audit, run_audit, work_folder

    out: Path = given.out
    if given.dry_run:
        print("\n".join(preview_audit(options).lines(out)))
        return 0
    _log_to_terminal()
    begin, cpu = time.monotonic(), time.process_time()
    with _Progress() as progress:
        try:
            result = run_audit(options, out, keep_work=given.keep_work, progress=progress)
        except KeyboardInterrupt:
            work = printable(work_folder(out))
            print(f"interrupted: run it again to go on from {work}, or remove it", file=sys.stderr)
            return INTERRUPTED
    for sentence in result["answer"]["sentences"]:
        print(sentence)
    for note in result["people"]["notes"]:
        print(note)
    key = options.key_file or key_file(out)
    print(f"Wrote {out}/ (report.html, report.pdf, report.md, audit.json); names are in {key}")
    if given.keep_work:
        print(f"Kept {work_folder(out)}/ with names, templates and faces: remove it when it is not needed")
    print(f"Took {time.monotonic() - begin:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
    skipped = len(result["people"]["skipped"])
    if skipped:
        print(f"warning: {skipped} photographs or rows of the database were left out", file=sys.stderr)
    return LEFT_OUT if skipped and given.strict else 0


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
    judges = read_audit(given.audit)["judges"]
    decision = decide(Policy(given.max_sar, given.fmr, given.bound), judges)
    print(f"{decision['verdict'].upper()}: {decision['reason']}")
    return {"pass": 0, "fail": POLICY_NOT_MET}.get(decision["verdict"], UNDECIDED)

"""`arcinvert audit`, and what works on its results: `audit-compare`, `audit-gate`."""

import argparse
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from arcinvert.audit.options import AuditOptions, choices, is_list, parse_attack, read_config, value_type
from recognition.terminal import DeferredProgressBar

#: Exit code of a gate whose policy is not met.
POLICY_NOT_MET = 1


def add_parser(commands: Any) -> None:
    """Add the parsers of `audit`, `audit-compare` and `audit-gate`."""
    audit = commands.add_parser("audit", help="how much templates or class centres give away, as a report")
    audit.add_argument("--config", metavar="FILE.toml", help="options by their names with underscores")
    audit.add_argument("--out", metavar="DIR", required=True, help="the report; goes on from there if begun")
    audit.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and how long it takes"
    )
    for option in fields(AuditOptions):
        _add_option(audit, option.name, option.default, option.metadata["help"])
    audit.set_defaults(run=_audit)

    compare = commands.add_parser("audit-compare", help="two audits side by side, such as of two releases")
    compare.add_argument("before", metavar="BEFORE", help="a finished audit's folder")
    compare.add_argument("after", metavar="AFTER", help="another one's")
    compare.add_argument("--out", metavar="DIR", required=True, help="where the comparison goes")
    compare.set_defaults(run=_compare)

    gate = commands.add_parser("audit-gate", help="exit 1 where an audit does not meet a policy")
    gate.add_argument("audit", metavar="DIR", help="a finished audit's folder")
    gate.add_argument("--max-sar", type=float, required=True, help="the highest SAR that passes, a fraction")
    gate.add_argument("--fmr", type=float, default=1e-3, help="of the judges (default: %(default)s)")
    gate.add_argument(
        "--bound", choices=("value", "upper"), default="value", help="compare the value or its upper end"
    )
    gate.set_defaults(run=_gate)


def _add_option(parser: argparse.ArgumentParser, name: str, default: Any, text: str) -> None:
    flag, kind = f"--{name.replace('_', '-')}", value_type(name)
    # What is not given is not there, so that a configuration file can say it.
    common: dict[str, Any] = {"default": argparse.SUPPRESS}
    shown = " ".join(f"{value:g}" for value in default) if name == "fmr" else default
    says = f" (default: {shown})" if isinstance(default, str | int | float) or name == "fmr" else ""
    common["help"] = text + ("" if kind is bool else says)
    if kind is dict:
        parser.add_argument(flag, nargs="+", metavar="NAME=VALUE", **common)
    elif kind is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
    elif allowed := choices(name):
        parser.add_argument(flag, choices=allowed, **common)
    elif is_list(name):
        parser.add_argument(flag, nargs="+", type=kind, metavar="N" if kind is float else "NAME", **common)
    else:
        parser.add_argument(flag, type=kind, metavar="N" if kind in (int, float) else "NAME", **common)


def _options(given: argparse.Namespace) -> AuditOptions:
    values = read_config(given.config) if given.config else {}
    for option in fields(AuditOptions):
        if hasattr(given, option.name):
            value = getattr(given, option.name)
            if option.name == "attack":
                value = {**values.get("attack", {}), **parse_attack(value)}
            values[option.name] = tuple(value) if isinstance(value, list) else value
    return AuditOptions(**values)


def _audit(given: argparse.Namespace) -> int:
    options = _options(given)
    from recognition.runtime import keep_freed_memory

    keep_freed_memory()
    from arcinvert.audit.pipeline import Auditor, audit
    from recognition.terminal import INTERRUPTED, quiet_warnings

    quiet_warnings()
    out = Path(given.out)
    if given.dry_run:
        print("\n".join(Auditor(options, out).plan().lines))
        return 0
    begin, cpu = time.monotonic(), time.process_time()
    with _Progress() as progress:
        try:
            result = audit(options, out, say=progress.say, progress=progress)
        except KeyboardInterrupt:
            print(f"interrupted: run it again to go on from {out}/work", file=sys.stderr)
            return INTERRUPTED
    for sentence in result["answer"]["sentences"]:
        print(sentence)
    key = options.key_file or f"{out}-key.json"
    print(f"Wrote {out}/ (report.html, report.pdf, report.md, audit.json); names are in {key}")
    print(f"Took {time.monotonic() - begin:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
    return 0


class _Progress(DeferredProgressBar):
    """A bar over the steps of the attack with the time left, and a line for what comes before."""

    def say(self, line: str) -> None:
        print(line, file=sys.stderr)

    def __call__(self, done: int, steps: int) -> None:
        # Steps done by an earlier run say nothing of this one's speed.
        bar = self.bar(steps, "attack", done=done if done > 1 else 0)
        bar.update(done - bar.n)


def _compare(given: argparse.Namespace) -> int:
    from arcinvert.audit.compare import compare

    result = compare(Path(given.before), Path(given.after), Path(given.out))
    for sentence in result["answer"]["sentences"]:
        print(sentence)
    print(f"Wrote {given.out}/ (comparison.html, comparison.pdf, comparison.md, comparison.json)")
    return 0


def _gate(given: argparse.Namespace) -> int:
    from arcinvert.audit.compare import read_audit
    from arcinvert.audit.policy import Policy, decide
    from recognition.errors import InputError

    if not 0 <= given.max_sar <= 1 or not 0 < given.fmr < 1:
        raise InputError(f"gate: expected fractions, got --max-sar {given.max_sar:g} --fmr {given.fmr:g}")
    judges = read_audit(Path(given.audit))["judges"]
    decision = decide(Policy(given.max_sar, given.fmr, given.bound), judges)
    print(f"{decision['verdict'].upper()}: {decision['reason']}")
    # What cannot be decided does not pass.
    return 0 if decision["verdict"] == "pass" else POLICY_NOT_MET

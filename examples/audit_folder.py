"""Audit what the templates of a folder of photographs give away.

    python examples/audit_folder.py photographs --out audit

The folder has one folder of photographs per identity. Identities with two photographs are attacked; the
others calibrate the judges. Only use photographs of people who agreed to it.
"""

import argparse
from pathlib import Path

from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit
from recognition.metrics.text import interval_text


def main() -> None:
    parser = argparse.ArgumentParser(description="Audit the templates of a folder of photographs.")
    parser.add_argument("photographs", type=Path, help="a folder with one folder of photographs per identity")
    parser.add_argument("--people", type=int, help="number of identities to attack; by default, the budget's")
    parser.add_argument("--steps", type=int, help="number of optimiser steps; by default, the budget's")
    parser.add_argument("--out", type=Path, default=Path("audit"), help="folder for the report")
    given = parser.parse_args()

    result = run_audit(
        AuditOptions(
            images=given.photographs, budget="quick", people=given.people, steps=given.steps, judges=("dlib",)
        ),
        given.out,
    )

    for sentence in result["answer"]["sentences"]:
        print(sentence)
    for judge in result["judges"]:
        for fmr, sar in judge["sar"].items():
            attack, floor, ceiling = (
                interval_text(sar[kind], 2) for kind in ("type_2", "mean_face", "ceiling")
            )
            print(f"{judge['name']}: SAR at FMR {fmr} is {attack} (floor {floor}, ceiling {ceiling})")
    print(f"Wrote {given.out}/report.html")


if __name__ == "__main__":
    main()

"""Two audits side by side: what is paired, and what the intervals of differences hold."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcinvert.audit.compare import compare
from arcinvert.audit.evidence import evaluate_verifier
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report import read_audit
from arcinvert.audit.runner import run_audit
from recognition.metrics.intervals import estimate_share_difference
from recognition.metrics.thresholds import accepted_difference, accepted_share
from tests.arcinvert.audit.synthetic import evidence

pytestmark = pytest.mark.usefixtures("cheap_judge")


def changed(source: Path, folder: Path, **parts: Any) -> Path:
    """A copy of an audit with other parts of its judge, and other shares of its people."""
    result = read_audit(source)
    judge = result["judges"][0]
    judge["sar"] = parts["sar"]
    judge["thresholds"] = parts["thresholds"]
    template = result["identities"][0]
    entry = next(iter(template["judges"].values()))
    result["identities"] = [
        {
            "pseudonym": f"P{number:010x}",
            "risk": 0.5,
            "judges": {judge["name"]: entry | {"accepted": {"0.25": float(share)}}},
        }
        for number, share in enumerate(parts["accepted"])
    ]
    result["answer"]["headline_fmr"] = "0.25"
    result["defences"], result["subgroups"] = [], []
    folder.mkdir()
    (folder / "audit.json").write_text(json.dumps(result))
    return folder


def test_the_uncertainty_of_thresholds_is_part_of_a_paired_difference(finished: Path, tmp_path: Path) -> None:
    folders, shares, accepted, thresholds = [], [], [], []
    for number in range(2):
        # The same people and nearly the same similarities; each judge was calibrated on other people.
        one = evidence(people=40, rate=0.5, seed=3, outside=12)
        one = replace(one, reconstructions=evidence(people=40, rate=0.5, seed=3).reconstructions)
        others = evidence(people=2, rate=0.5, seed=8 + number, outside=12, dim=64)
        one = replace(one, calibration=others.calibration, labels=others.labels)
        evaluation = evaluate_verifier(one, (0.25,))
        threshold = evaluation.thresholds["0.25"]
        passed = (one.type_2 > threshold.value).mean(1)
        sar, described = evaluation.figures["sar"], evaluation.figures["thresholds"]
        path = tmp_path / str(number)
        folders.append(changed(finished, path, sar=sar, thresholds=described, accepted=passed))
        shares.append(accepted_share(one.type_2[:, 0], range(40), threshold))
        accepted.append(passed)
        thresholds.append(threshold)
    assert thresholds[0] != thresholds[1]
    result = compare(*folders, tmp_path / "out")
    assert result["paired_people"] == 40
    own = estimate_share_difference(accepted[1], accepted[0])
    expected = accepted_difference(own, shares[1], shares[0], one_threshold=False)
    assert result["sar"][0]["difference"] == pytest.approx(asdict(expected))
    assert expected.high - expected.low > own.high - own.low
    # One threshold errs in both alike: of equal shares at it, the difference is that of the people alone.
    alike = compare(folders[0], folders[0], tmp_path / "alike")
    none = estimate_share_difference(accepted[0], accepted[0])
    assert alike["sar"][0]["difference"] == pytest.approx(asdict(none))


def test_audits_of_two_key_files_are_not_said_to_be_of_different_people(
    options: AuditOptions, tmp_path: Path
) -> None:
    short = replace(options, steps=1)
    for name in ("one", "two"):
        run_audit(short, tmp_path / name)
    result = compare(tmp_path / "one", tmp_path / "two", tmp_path / "out")
    text = " ".join(result["answer"]["sentences"]) + (tmp_path / "out" / "comparison.md").read_text()
    assert "cannot be told" in text
    assert "one --key-file" in text
    assert "different people" not in text
    assert "are in both" not in text
    assert (result["paired_people"], result["one_key_file"]) == (0, False)
    # Under one key file, the same people are paired and other ones are said to be others.
    for name, seed in (("three", 1), ("four", 2)):
        run_audit(replace(short, key_file=tmp_path / "key.json", seed=seed), tmp_path / name)
    again = compare(tmp_path / "three", tmp_path / "three", tmp_path / "same")
    assert again["paired_people"] == 6
    others = compare(tmp_path / "three", tmp_path / "four", tmp_path / "others")
    assert others["one_key_file"]
    assert "attacked different people" in (tmp_path / "others" / "comparison.md").read_text()


def test_the_digest_of_a_key_file_is_not_its_salt(finished: Path) -> None:
    key = json.loads((finished.parent / "out-key.json").read_text())
    digest = read_audit(finished)["people"]["key"]
    assert len(digest) == 16
    assert digest not in json.dumps(key)
    assert np.unique([key["salt"] in (finished / name).read_text() for name in ("audit.json",)]).tolist() == [
        False
    ]

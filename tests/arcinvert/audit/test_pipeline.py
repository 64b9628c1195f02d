"""Whole audits of tiny networks: what is in the report, that it survives a kill, what is refused."""

import json
import sqlite3
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from arcinvert.audit.attack import load_attack
from arcinvert.audit.duration import StepSeconds
from arcinvert.audit.inputs import open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report.text import options_toml
from arcinvert.audit.runner import preview_audit, run_audit
from arcinvert.audit.schema import audit_schema
from arcinvert.options import AttackOptions
from arcinvert.subjects.photographs import template_of
from recognition.config import to_json
from recognition.data.faces import read_face
from recognition.errors import InputError
from tests import forked
from tests.arcinvert.audit.conftest import make_judge_cheap

FILES = ("audit.json", "report.html", "report.md", "report.pdf")


pytestmark = pytest.mark.usefixtures("cheap_judge")


@pytest.fixture(autouse=True)
def small_batches_at_a_fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    make_batches_small(monkeypatch)


def make_batches_small(monkeypatch: pytest.MonkeyPatch) -> None:
    # Six people in two batches.
    monkeypatch.setattr("arcinvert.audit.attack.BATCH", 3)


def cheap_audit(*arguments: object) -> None:
    """Run `arcinvert audit` with small batches and a cheap judge; to be called in a process of its own."""
    monkeypatch = pytest.MonkeyPatch()
    make_batches_small(monkeypatch)
    make_judge_cheap(monkeypatch)
    forked.command("arcinvert", ["audit", *arguments])


def check_schema(out: Path) -> dict[str, object]:
    """The audit.json of a folder, which is as its schema says."""
    result = dict(json.loads((out / "audit.json").read_text()))
    jsonschema.Draft202012Validator(audit_schema()).validate(result)
    return result


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


def test_a_whole_audit(options: AuditOptions, people: Path, tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    lines = [f"{path.name},{'left' if int(path.name[-2:]) % 9 else 'right'}" for path in people.iterdir()]
    groups.write_text("identity,side\n" + "\n".join(lines) + "\n")
    attributes = tmp_path / "attributes.csv"
    lines = [f"{path.name},{int(path.name[-2:]) % 2}" for path in people.iterdir()]
    attributes.write_text("identity,parity\n" + "\n".join(lines) + "\n")
    options = replace(
        options,
        attributes=attributes,
        defences=("folded-batchnorm", "biohashing", "scores"),
        defence_people=3,
        variants=(f"other={options.judges[0]}",),
        judges=("dlib", *options.judges),
        subgroups=groups,
        pictures="all",
        max_sar=0.5,
    )
    steps: list[tuple[int, int]] = []
    result = run_audit(options, tmp_path / "out", progress=lambda done, of: steps.append((done, of)))
    assert check_schema(tmp_path / "out") == json.loads(json.dumps(result))
    assert steps[-1][0] == steps[-1][1]
    assert [judge["name"] for judge in result["judges"]] == ["dlib", "other"]
    for judge in result["judges"]:
        # Ten people outside support no FMR of 0.001, for which dlib has a shipped threshold.
        assert set(judge["sar"]) == ({"0.25", "0.001"} if judge["name"] == "dlib" else {"0.25"})
        assert judge["sar"]["0.25"]["type_2"]["identities"] == 6
        assert judge["sar"]["0.25"]["type_2"]["comparisons"] == 6
        # The two crops of a person are nearly one.
        assert judge["sar"]["0.25"]["ceiling"]["value"] > 0.5
        assert judge["rank"]["ceiling"]["5"]["value"] > 0.5
    rows = [(row["defence"], row["key"], row["knowledge"]) for row in result["defences"]]
    assert rows == [
        ("no defence", None, "weights"),
        ("folded-batchnorm", None, "weights"),
        ("biohashing:0.25", "known", "public-faces"),
        ("biohashing:0.25", "unknown", "public-faces"),
        ("scores:2", None, "public-faces"),
        ("other", None, "weights"),
    ]
    # Without its key, a record of BioHashing says nothing of whose it is: one inversion serves everybody.
    blind = result["defences"][3]
    assert blind["attacker"].startswith("mean of the prior")
    held = "templates of 15 public faces and 5 class centres of the network"
    assert blind["attacker_holds"] == f"protected template, {held}"
    assert result["defences"][4]["attacker_holds"] == f"scores of 1,000 images, {held}"
    # A defence's rows differ from the first in the defence alone.
    assert [row["differences"] for row in result["defences"][:5]] == [{}] * 5
    first, *others = result["defences"]
    for judge in ("dlib", "other"):
        mine = first["judges"][judge]
        assert mine["ceiling"]["0.25"]["identities"] == mine["mean_face"]["0.25"]["identities"] == 3
        for row in others:
            theirs = row["judges"][judge]
            change = theirs["sar"]["0.25"]["value"] - mine["sar"]["0.25"]["value"]
            assert theirs["sar_difference"]["0.25"]["value"] == pytest.approx(change)
            change = theirs["gap_closed"]["value"] - mine["gap_closed"]["value"]
            assert theirs["gap_difference"]["value"] == pytest.approx(change)
    # Of the tiny network's two nearly equal photographs of a person.
    assert first["irreversibility_floor"]["value"] < first["irreversibility_ceiling"]["value"] <= 1
    assert [entry["judges"] for entry in result["agreement"]] == [["dlib", "other"]]
    assert result["defences"][-1]["defence"] == "other"
    assert {row["identities"] for row in result["defences"]} == {3}
    assert {row["group"]: row["sar"] is None for row in result["subgroups"]} == {"left": False}
    skin, *probes = result["attributes"]
    assert (skin["attribute"], skin["identities"], skin["right"]["comparisons"]) == ("skin tone", 6, 6)
    assert [one["measure"] for one in probes] == ["linear probe on dlib", "linear probe on other"]
    # Ten people are outside the attack, too few of each class for a probe.
    assert all("expected two classes with at least 10 people" in one["refused"] for one in probes)
    html = (tmp_path / "out" / "report.html").read_text()
    key = json.loads((tmp_path / "out-key.json").read_text())
    assert sorted(key["names"]) == sorted(entry["pseudonym"] for entry in result["identities"])
    assert (tmp_path / "out-key.json").stat().st_mode & 0o777 == 0o600
    for name in key["names"].values():
        for file in ("audit.json", "report.html", "report.md"):
            assert name not in (tmp_path / "out" / file).read_text()
    assert html.count("<img") == 6 * (2 + 1)


def test_stages_before_the_first_step(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARCINVERT_NO_CALIBRATE")
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("arcinvert.knowledge.first_use.COUNT", 5)
    options = replace(options, attack=None, calibrate=True)
    stages: list[tuple[str, int, int]] = []

    def preparing(*stage: object) -> None:
        stages.append(stage)  # type: ignore[arg-type]

    run_audit(options, tmp_path / "out", preparing=preparing)  # type: ignore[arg-type]
    assert stages[0] == ("synthetic faces", 0, 5)
    last = stages[-1]
    assert last == ("photographs", last[2], last[2])
    assert [done for stage, done, _ in stages if stage == "photographs"][:2] == [1, 2]


def test_options_of_the_report_do_not_repeat_the_work(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_audit(options, tmp_path / "out", keep_work=True)
    monkeypatch.setattr("arcinvert.audit.attack.NetworkAttack.invert", None)
    changed = replace(options, max_sar=0.0, policy_bound="upper")
    result = run_audit(changed, tmp_path / "out", keep_work=True)
    assert result["answer"]["verdict"] == "fail"


def test_a_stopped_audit_goes_on_to_the_same_report(options: AuditOptions, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    options = replace(options, key_file=key, pictures="reconstructions")
    run_audit(options, tmp_path / "whole")
    done: list[int] = []

    def stop(number: int, of: int) -> None:
        done.append(number)
        if number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_audit(options, tmp_path / "stopped", progress=stop)
    assert not (tmp_path / "stopped" / "audit.json").exists()
    run_audit(options, tmp_path / "stopped", progress=lambda number, of: done.append(number))
    # The first batch was not done again.
    assert done == [1, 2, 3, 4, 3, 4, 5, 6]
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_audit_goes_on_to_the_same_report(options: AuditOptions, tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(options_toml(to_json(replace(options, samples=2))))

    config = ("--config", tmp_path / "audit.toml", "--key-file", tmp_path / "key.json", "--out")
    assert forked.run(cheap_audit, *config, tmp_path / "whole").returncode == 0
    killed = forked.start(cheap_audit, *config, tmp_path / "killed", output=tmp_path)
    forked.kill_once(killed, (tmp_path / "killed-work" / "attack-00000.npz").exists)
    assert not (tmp_path / "killed" / "audit.json").exists()
    assert forked.run(cheap_audit, *config, tmp_path / "killed").returncode == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_class_centres(options: AuditOptions, people: Path, tiny_model: Path, tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    names = ["Ann Able", "Bob Baker", *(f"Stranger {number}" for number in range(12))]
    for name, folder in zip(names, sorted(people.iterdir()), strict=False):
        (photographs / name).symlink_to(folder)
    result = run_audit(
        replace(options, images=photographs, target="centres", people=100, samples=1), tmp_path / "out"
    )
    check_schema(tmp_path / "out")
    assert result["people"]["attacked"] == 2
    assert result["threat_model"]["held"] == "class centres"
    assert result["judges"][0]["sar"]["0.25"]["type_1"] is None
    assert result["faces"]["ssim"] is None


def database(path: Path, names: list[str], dim: int = 32) -> Path:
    rows = np.random.default_rng(0).normal(size=(len(names), dim)).astype("<f4")
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE templates (identity TEXT, template BLOB)")
        values = zip(names, (row.tobytes() for row in rows), strict=True)
        base.executemany("INSERT INTO templates VALUES (?, ?)", values)
    base.close()
    return path


def test_a_database_without_photographs(tiny_model: Path, tmp_path: Path) -> None:
    base = database(tmp_path / "t.db", ["Ann", "Bob", "Bob"])
    options = AuditOptions(model=str(tiny_model), templates=base, people=100, samples=1, steps=2, max_sar=0.1)
    result = run_audit(options, tmp_path / "out")
    check_schema(tmp_path / "out")
    assert result["people"]["attacked"] == 2
    assert result["judges"] == []
    assert result["answer"]["verdict"] == "undecided"
    assert "no photographs" in result["answer"]["sentences"][1]


def test_a_database_with_photographs(options: AuditOptions, people: Path, tmp_path: Path) -> None:
    names = [path.name for path in sorted(people.iterdir())[:4]]
    network = load_attack(options).recogniser
    templates = [template_of(network, read_face(people / name / "1.png")).numpy() for name in names]
    base = tmp_path / "t.npz"
    np.savez(base, identity=[*names, "Nobody"], template=[*templates, -templates[0]])
    options = replace(options, images=None, templates=str(base), photos=people, people=100, samples=1)
    result = run_audit(options, tmp_path / "out")
    check_schema(tmp_path / "out")
    assert result["people"]["attacked"] == 4
    assert result["judges"][0]["sar"]["0.25"]["type_1"] is None


def test_unreadable_photographs_are_reported(options: AuditOptions, people: Path, tmp_path: Path) -> None:
    broken = tmp_path / "people"
    for folder in people.iterdir():
        (broken / folder.name).mkdir(parents=True)
        for file in folder.iterdir():
            (broken / folder.name / file.name).write_bytes(file.read_bytes())
    cohort = open_inputs(options).sample_cohort(6)
    assert cohort is not None
    name = next(iter(cohort.attacked))
    (broken / name / "1.png").write_bytes(b"torn")
    options = replace(options, images=broken, steps=1)
    result = run_audit(options, tmp_path / "out")
    assert result["people"]["attacked"] == 5
    assert [entry["reason"] for entry in result["people"]["skipped"]] == ["unreadable"]
    with pytest.raises(InputError, match="expected an image"):
        run_audit(replace(options, on_unreadable="stop"), tmp_path / "stop")


def test_the_attacked_network_is_no_judge(options: AuditOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="networks other than the attacked one"):
        run_audit(replace(options, judges=(options.model,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing(options: AuditOptions, tmp_path: Path) -> None:
    lines = "\n".join(preview_audit(options, tmp_path / "out").lines(tmp_path / "out"))
    assert "templates of 6 identities, 1 reconstruction each, 3 steps" in lines
    assert "Time: about 1 minute; a stopped audit" in lines
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_allows_for_further_attempts(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.audit.attack.NetworkAttack.seconds_per_step", lambda _: StepSeconds(100.0, 0.0)
    )
    again = replace(options, attack=AttackOptions(retries=2))
    plan = preview_audit(again, tmp_path)
    # Two batches, each twice more by three steps.
    assert plan.most_seconds - plan.seconds == pytest.approx(2 * 2 * 3 * 100)
    assert plan.seconds == preview_audit(options, tmp_path).most_seconds
    (line,) = (line for line in plan.lines(tmp_path) if line.startswith("Time: "))
    assert "about 10 minutes, and up to 30 minutes the more images have to be attacked again;" in line


@pytest.mark.parametrize(("further", "steps"), [(True, 12), (False, 6)])
def test_further_attempts_count_as_they_are_made(
    further: bool, steps: int, options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.attack.unlike", lambda found: torch.full((len(found.images),), further, dtype=torch.bool)
    )
    seen: list[tuple[int, int]] = []
    again = replace(options, attack=AttackOptions(retries=1))
    run_audit(again, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (1, 6)
    assert seen[-1] == (steps, steps)
    assert all(after[0] >= before[0] for before, after in pairwise(seen))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("folder", "expected a key file of an audit"),
        ("photo.png", "expected a key file of an audit"),
        ("photo.png/key.json", "cannot be written"),
    ],
)
def test_an_audit_and_its_dry_run_refuse_a_key_file_before_any_work(
    key: str, reason: str, options: AuditOptions, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "photo.png").write_bytes(b"no key")
    named = replace(options, key_file=tmp_path / key)
    for refused in (preview_audit, run_audit):
        with pytest.raises(InputError, match=reason):
            refused(named, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "photo.png"]


def test_a_dry_run_loads_the_variants(options: AuditOptions, tmp_path: Path) -> None:
    variants = (f"smooth={tmp_path}/nowhere.safetensors",)
    with pytest.raises(InputError, match=r"nowhere\.safetensors"):
        preview_audit(replace(options, variants=variants), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_counts_batches_as_large_as_they_are(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.audit.attack.NetworkAttack.seconds_per_step", lambda _: StepSeconds(1.0, 10.0)
    )
    two, six = (preview_audit(replace(options, people=count), tmp_path) for count in (2, 6))
    # One batch of two images, and two batches of three, three steps each.
    own = [
        plan.seconds - 0.42 * plan.attacked - 0.09 * (plan.calibration + 2 * plan.attacked)
        for plan in (two, six)
    ]
    assert own == pytest.approx([3 * (1 + 2 * 10), 2 * 3 * (1 + 3 * 10)])
    assert "21.00 s for a step of 2 images" in two.lines(tmp_path)[0]
    assert "31.00 s for a step of 3 images" in six.lines(tmp_path)[0]


def test_a_dry_run_counts_the_rows_of_defences_and_every_judge(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.audit.attack.NetworkAttack.seconds_per_step", lambda _: StepSeconds(1.0, 10.0)
    )
    alone = preview_audit(options, tmp_path)
    compared = preview_audit(replace(options, defences=("noise",), defence_people=2), tmp_path)
    # Two rows, each a batch of two images that are judged as they are.
    assert compared.seconds - alone.seconds == pytest.approx(2 * (3 * (1 + 2 * 10) + 2 * (0.06 + 0.18)))
    judges = (*(options.judges or ()), "dlib")
    two = preview_audit(replace(options, judges=judges), tmp_path)
    judged = 4 * two.attacked + two.calibration + 2 * two.attacked
    assert two.seconds - alone.seconds == pytest.approx(judged * 0.06)


def test_a_time_limit_attacks_fewer(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.audit.attack.NetworkAttack.seconds_per_step", lambda _: StepSeconds(0.0, 1.0)
    )
    # Three steps of a second each and 0.42 s of judging a person: 12 s are enough for three.
    result = run_audit(replace(options, minutes=0.2), tmp_path / "out", keep_work=True)
    assert result["people"]["attacked"] == 3
    monkeypatch.setattr("arcinvert.audit.attack.NetworkAttack.seconds_per_step", None)
    assert run_audit(replace(options, minutes=0.2), tmp_path / "out") == result


def test_pictures_are_as_asked(options: AuditOptions, tmp_path: Path) -> None:
    options = replace(options, steps=1)
    run_audit(options, tmp_path / "out")
    assert "<img" not in (tmp_path / "out" / "report.html").read_text()
    run_audit(replace(options, pictures="reconstructions"), tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count("<img") == 6
    assert "another photograph</figcaption>" not in html

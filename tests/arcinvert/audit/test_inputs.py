"""What decides an audit's work: every input by its content, and nothing that changes the report alone."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arcinvert.audit.attack import load_attack
from arcinvert.audit.inputs import open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit, work_folder
from arcinvert.audit.shown import model_name, shown_options
from arcinvert.evaluation.calibration import shipped_calibration
from arcinvert.evaluation.judges import RecogniserJudge
from arcinvert.knowledge.calibrate import calibrate
from arcinvert.options import AttackOptions
from recognition.checkpoint import load_recogniser, save_recogniser
from recognition.content import changed_parts
from recognition.errors import InputError
from recognition.images import read_image, write_png

pytestmark = pytest.mark.usefixtures("cheap_judge")


@pytest.fixture(scope="module")
def inputs(
    people: Path, tiny_model: Path, other_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a copy of every kind of file that an audit takes."""
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copytree(people, folder / "people")
    shutil.copytree(people, folder / "calibration")
    for name in ("attacked", "variant"):
        shutil.copy(tiny_model, folder / f"{name}.safetensors")
    shutil.copy(other_model, folder / "judge.safetensors")
    calibrate(tiny_model, people, out=folder / "statistics", device="cpu")
    np.save(folder / "templates.npy", np.random.default_rng(0).normal(size=(4, 32)))
    (folder / "ids.txt").write_text("".join(f"Person {number:02d}\n" for number in range(4)))
    return folder


def audit_of(folder: Path) -> AuditOptions:
    return AuditOptions(
        model=str(folder / "attacked.safetensors"),
        templates=folder / "templates.npy",
        ids=folder / "ids.txt",
        photos=folder / "people",
        calibration=folder / "calibration",
        statistics=folder / "statistics",
        judges=(str(folder / "judge.safetensors"),),
        variants=(f"other={folder / 'variant.safetensors'}",),
        people=3,
        allow_overlap=True,
        device="cpu",
    )


def test_variants_and_judges_have_the_presets_of_their_names(inputs: Path) -> None:
    audit = audit_of(inputs)
    swapped = replace(
        audit,
        judges=(f"{audit.judges[0]}@channels=BGR",) if audit.judges else None,
        variants=(f"{audit.variants[0]}@channels=BGR",),
    )
    (judge,) = open_inputs(swapped).judges
    assert isinstance(judge, RecogniserJudge)
    assert judge.recogniser.preprocessing.channels == "BGR"
    variant = load_attack(swapped.with_budget(), swapped.variant_models()["other"])
    assert variant.recogniser.preprocessing.channels == "BGR"
    changed = changed_parts(open_inputs(audit).fingerprint(), open_inputs(swapped).fingerprint())
    assert changed[1:] == ["judges (other)", "variants (other)"]
    shown = shown_options(swapped)
    assert shown["judges"] == ["judge.safetensors@channels=BGR"]
    assert shown["variants"] == ["other=variant.safetensors@channels=BGR"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a/b/judge.pth@mean=0.4/0.5/0.6", "judge.pth@mean=0.4/0.5/0.6"),
        ("pack.age:build@a/b/judge.pth@adaface", "pack.age:build@judge.pth@adaface"),
        ("pack.age:build@a/b/judge.pth", "pack.age:build@judge.pth"),
    ],
)
def test_a_report_has_presets_and_no_paths(given: str, shown: str) -> None:
    assert model_name(given) == shown


def brighter(path: Path) -> None:
    """Change one pixel of a photograph by one level; its size in bytes may stay."""
    image = read_image(path)
    image[0, 0, 0] ^= 1
    write_png(path, image)


def another_network(path: Path) -> None:
    """Write another network of the same size, name and classes to a file."""
    network = load_recogniser(path)
    with torch.no_grad():
        next(network.parameters()).mul_(1.01)
    save_recogniser(path, network, extra={"mean_face": torch.full((3, 112, 112), 0.5)})


def measured_again(path: Path) -> None:
    calibrate(
        path.with_name("attacked.safetensors"), path.with_name("people"), out=path, faces=20, device="cpu"
    )


def rows_changed(path: Path) -> None:
    np.save(path, np.load(path) + 0.01)


def names_changed(path: Path) -> None:
    path.write_text(path.read_text().replace("03", "05"))


CHANGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "people/Person 15/2.png": ("photographs", brighter),
    "calibration/Person 15/2.png": ("calibration photographs", brighter),
    "judge.safetensors": ("judges (other)", another_network),
    "variant.safetensors": ("variants (other)", another_network),
    "statistics": ("public-face statistics", measured_again),
    "templates.npy": ("templates", rows_changed),
    "ids.txt": ("templates", names_changed),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_changed_file_is_noticed(name: str, inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    shutil.copytree(inputs, folder)
    before = open_inputs(audit_of(folder)).fingerprint()
    expected, change = CHANGES[name]
    change(folder / name)
    found = changed_parts(before, open_inputs(audit_of(folder)).fingerprint())
    # The plan says of how many public faces the statistics are.
    assert [part for part in found if not part.startswith("plan (knowledge_used")] == [expected]


def test_where_the_files_are_does_not_count(inputs: Path, tmp_path: Path) -> None:
    shutil.copytree(inputs, tmp_path / "moved")
    before, moved = (open_inputs(audit_of(one)).fingerprint() for one in (inputs, tmp_path / "moved"))
    # Networks are named by their paths.
    assert changed_parts(before, moved) == ["options (model, judges, variants)"]


def test_the_attacked_network_counts_by_its_weights(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(inputs, folder)
    options = replace(audit_of(folder), statistics=None)
    before = open_inputs(options).fingerprint()
    another_network(folder / "attacked.safetensors")
    assert changed_parts(before, open_inputs(options).fingerprint()) == [
        "attacked network",
        "public-face statistics",
    ]


def test_options_count_unless_they_change_the_report_alone(options: AuditOptions) -> None:
    before = open_inputs(options).fingerprint()
    report = replace(options, max_sar=0.1, fmr=(0.25,), pictures="all", allow_overlap=True)
    assert open_inputs(report).fingerprint() == before
    for changed, part in (
        (replace(options, seed=2), "options (seed)"),
        (replace(options, people=5), "options (people)"),
        (replace(options, attack=AttackOptions(shift=1)), "plan"),
    ):
        found = changed_parts(before, open_inputs(changed).fingerprint())
        assert any(one.startswith(part) for one in found), found


def test_calibration_and_versions_count(options: AuditOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_inputs(options).fingerprint()
    other = shipped_calibration() | {"thresholds": []}
    monkeypatch.setattr("arcinvert.audit.inputs.shipped_calibration", lambda: other)
    monkeypatch.setattr("arcinvert.audit.inputs.version", lambda name: "9.9")
    found = changed_parts(before, open_inputs(options).fingerprint())
    assert found[0] == "judges' calibration"
    assert found[1].startswith("libraries (arcinvert, torch")
    assert len(found) == 2


def test_a_stopped_audit_with_another_photograph_starts_anew(
    options: AuditOptions,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.copytree(people, tmp_path / "people")
    options = replace(options, images=tmp_path / "people", people=2, steps=1)
    with monkeypatch.context() as patch:
        patch.setattr(
            "arcinvert.audit.runner.write_audit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            run_audit(options, tmp_path / "out")
    units = sorted(path.name for path in work_folder(tmp_path / "out").glob("*.npz"))
    assert "attack-00000.npz" in units
    brighter(tmp_path / "people" / "Person 15" / "2.png")
    attacked: list[int] = []
    run_audit(options, tmp_path / "out", progress=lambda done, of: attacked.append(done))
    assert attacked == [1]
    assert "started anew, as this changed since the audit was stopped: photographs" in caplog.text


@pytest.mark.parametrize("wrong", ["judges", "templates", "calibration"])
def test_a_wrong_input_is_refused_before_the_network_is_measured(
    wrong: str, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("arcinvert.attacker.Attacker.measure", measure)
    options = audit_of(inputs)
    missing = inputs / "missing.npy"
    with pytest.raises(InputError, match=r"missing\.npy"):
        open_inputs(replace(options, **{wrong: (str(missing),) if wrong == "judges" else missing}))
    with pytest.raises(AssertionError, match="measured"):
        open_inputs(options)

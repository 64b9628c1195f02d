"""Whether the judges compare with what was attacked: Type I is not called Type II."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit
from arcinvert.subjects import template_of
from recognition.data.faces import at_size, read_face
from recognition.images import write_png
from recognition.loading import load
from tests.arcinvert.audit.conftest import picture

pytestmark = pytest.mark.usefixtures("cheap_judge")


def audit_of_centres(
    options: AuditOptions, people: Path, tmp_path: Path, counts: tuple[int, ...] | None, monkeypatch: Any
) -> tuple[dict[str, Any], str]:
    photographs = tmp_path / "photographs"
    names = ["Ann Able", "Bob Baker", *(f"Stranger {number}" for number in range(12))]
    for name, folder in zip(names, sorted(people.iterdir()), strict=False):
        shutil.copytree(folder, photographs / name)
    write_png(photographs / "Bob Baker" / "3.png", picture(77))
    monkeypatch.setattr("arcinvert.audit.reference_type.training_photographs", lambda _: counts)
    given = replace(options, images=photographs, target="centres", people=100, steps=1)
    result = run_audit(given, tmp_path / "out")
    return result, (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("counts", "kind", "type_1", "known", "words"),
    [
        # Two photographs of Ann, and three of Bob.
        ((2, 3, 1, 1, 1), "type_1", 2, 2, "attack, Type I (a photograph that the target came from)"),
        (
            (2, 2, 1, 1, 1),
            "unknown",
            1,
            2,
            "attack, Type I or II (a photograph that the target may have come from)",
        ),
        (None, "unknown", 0, 0, "attack, Type I or II"),
    ],
)
def test_class_centres(
    counts: tuple[int, ...] | None,
    kind: str,
    type_1: int,
    known: int,
    words: str,
    options: AuditOptions,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result, text = audit_of_centres(options, people, tmp_path, counts, monkeypatch)
    expected = {"type": kind, "people": 2, "type_1": type_1, "known": known}
    assert result["threat_model"]["reference"] == expected
    assert words in text
    assert "attack, Type II" not in text
    assert f"known of {known} of 2 people; of {type_1}, there are no more photographs" in text
    assert "Type I" in result["answer"]["sentences"][0]
    # The number of one's photographs may name a person who is known by a released network.
    assert "class_photographs" not in json.dumps(result["identities"])


def test_templates_are_of_type_2(finished: Path) -> None:
    result = json.loads((finished / "audit.json").read_text())
    assert result["threat_model"]["reference"] == {
        "type": "type_2",
        "people": 6,
        "type_1": 0,
        "known": None,
    }
    assert "attack, Type II (another photograph)" in (finished / "report.md").read_text()


def test_a_stored_template_of_the_judges_photograph_is_counted(
    options: AuditOptions, people: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny network finds all faces alike; what is tested here is which photograph a template is of.
    monkeypatch.setattr("arcinvert.audit.reference_type._APART", 1.0)
    monkeypatch.setattr("arcinvert.audit.reference_type.SAME_TEMPLATE", 0.95)
    network = load(tiny_model)
    folders = sorted(people.iterdir())[:4]
    paths = [folders[0] / "1.png", folders[1] / "1.png", folders[2] / "2.png", folders[3] / "1.png"]
    rows = [template_of(network, at_size(read_face(path), network.input_size)) for path in paths]
    np.savez(
        tmp_path / "t.npz",
        templates=torch.stack(rows).numpy(),
        identities=np.array([folder.name for folder in folders]),
    )
    given = replace(options, images=None, photos=people, templates=tmp_path / "t.npz", people=4, steps=1)
    result = run_audit(given, tmp_path / "out")
    assert result["threat_model"]["reference"]["type_1"] == 1
    assert any("Of 1 of 4 people the stored template is that" in note for note in result["people"]["notes"])

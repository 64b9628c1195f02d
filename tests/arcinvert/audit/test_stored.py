"""Databases whose templates are not the attacked network's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit
from arcinvert.audit.stored import above_strangers
from recognition.errors import InputError


def test_by_hand() -> None:
    own = np.eye(3)
    stored = np.array([[2.0, 0, 0], [0, 0, 1], [1, 1, 1]])
    strangers = np.array([[0, 0], [0, 1], [1 / np.sqrt(3)] * 2])
    expected = (np.array([1, 0, 1 / np.sqrt(3)]) - strangers.mean(1)) / strangers.std()
    assert above_strangers(stored, own) == pytest.approx(expected)


@pytest.mark.parametrize("people", [8, 20, 100])
def test_noise_and_another_order_are_told_from_the_right_templates(people: int) -> None:
    generator = np.random.default_rng(0)
    found = {"right": 0, "noise": 0, "order": 0}
    for _ in range(200):
        person = generator.normal(size=(people, 64))
        stored, own = (person + generator.normal(size=person.shape) for _ in range(2))
        for name, templates in (
            ("right", stored),
            ("noise", generator.normal(size=person.shape)),
            ("order", np.roll(stored, 1, axis=0)),
        ):
            found[name] += above_strangers(templates, own).mean() * np.sqrt(people) >= 2.5
    assert found["right"] == 200
    assert max(found["noise"], found["order"]) <= 6


@pytest.mark.usefixtures("cheap_judge")
def test_an_audit_of_other_templates_is_refused(options: AuditOptions, tmp_path: Path) -> None:
    names = sorted(path.name for path in Path(str(options.images)).iterdir())
    rows = np.random.default_rng(0).normal(size=(len(names), 32)).astype(np.float32)
    np.savez(tmp_path / "noise.npz", identity=names, template=rows)
    noise = replace(options, templates=str(tmp_path / "noise.npz"), photos=options.images, images=None)
    with pytest.raises(InputError, match=r"templates: expected those of tiny, got others: .* check --model"):
        run_audit(noise, tmp_path / "out")
    # Neither a report nor, of the photographs that were embedded, any work.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise.npz"]

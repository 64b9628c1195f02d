"""Panels: which attacks are made, where their pictures are, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert import Attacker, panel
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.scores import Verdict
from arcinvert.inversion.result import Step
from arcinvert.output.contact_sheet import TILE
from arcinvert.panel import make_panel, subject_of
from arcinvert.templates.options import TemplateOptions
from recognition.errors import InputError
from recognition.images import read_image
from tests.arcinvert.support import NO_VERDICT


@pytest.fixture
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(str(tiny_model), device="cpu", precision="float32")


def test_a_panel_is_one_attack_in_poses_by_expressions(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[object] = []

    def observed(_judge: object, images: list[NDArray[np.uint8]], *_: object) -> list[Verdict]:
        judged.extend(images)
        return [NO_VERDICT] * len(images)

    monkeypatch.setattr(panel, "judge_images", observed)
    steps: list[Step] = []
    out = tmp_path / "panel.png"
    picture = make_panel(
        attacker,
        "class",
        1,
        out=out,
        yaws=(-20.0, 20.0),
        expressions=("smile", "neutral", "open-mouth"),
        on_step=steps.append,
        steps=1,
        pitch=5.0,
    )
    np.testing.assert_array_equal(read_image(out), picture)
    # One step of the attack, and ten after each pose and expression.
    assert [step.number for step in steps] == list(range(1, 62))
    assert {step.steps for step in steps} == {61}
    # The cells are what the options give one by one.
    wanted = [(-20.0, "smile"), (20.0, "smile"), (-20.0, "neutral")]
    for cell, (yaw, expression) in zip(judged, wanted, strict=False):
        run = attacker.generate(class_id=1, yaw=yaw, pitch=5.0, expression=expression, steps=1)
        np.testing.assert_array_equal(cell, to_crop_size(run.images[0][None])[0])
    assert len(judged) == 6
    assert picture.shape[0] > 3 * TILE
    assert picture.shape[1] > 2 * TILE


def test_a_panel_of_ages(attacker: Attacker, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[object] = []

    def observed(_judge: object, images: list[NDArray[np.uint8]], *_: object) -> list[Verdict]:
        judged.extend(images)
        return [NO_VERDICT] * len(images)

    monkeypatch.setattr(panel, "judge_images", observed)
    make_panel(attacker, "class", 1, ages=(30.0, 60.0), expressions=("smile",), steps=1)
    for cell, age in zip(judged, (30.0, 60.0), strict=True):
        run = attacker.generate(class_id=1, age=age, expression="smile", steps=1)
        np.testing.assert_array_equal(cell, to_crop_size(run.images[0][None])[0])


def test_wrong_values_are_refused_before_the_first_attack(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("an attack was made")

    monkeypatch.setattr(attacker, "reconstruct", never)
    with pytest.raises(InputError, match="yaw: expected"):
        make_panel(attacker, "class", 1, yaws=(0.0, 99.0))
    with pytest.raises(InputError, match="at least one yaw and one expression"):
        make_panel(attacker, "class", 1, yaws=())
    with pytest.raises(InputError, match="at least one age and one expression"):
        make_panel(attacker, "class", 1, ages=())
    with pytest.raises(InputError, match="expected yaws or ages, got both"):
        make_panel(attacker, "class", 1, ages=(30.0,), yaws=(0.0,))
    with pytest.raises(InputError, match="age: expected"):
        make_panel(attacker, "class", 1, ages=(5.0,))
    templates = tmp_path / "templates.npy"
    np.save(templates, np.eye(attacker.recogniser.embedding_size, dtype=np.float32)[:2])
    with pytest.raises(InputError, match="panel: expected one identity, got 2; make a panel of each"):
        make_panel(attacker, "template", templates)
    # One of them is chosen.
    subject = subject_of(attacker, "template", templates, TemplateOptions(identities=("1",)))
    assert subject.name == "templates.npy[1]"
    assert subject.template[1] == 1

"""Panels: which attacks are made, where their pictures are, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from arcinvert import Attacker, panel
from arcinvert.output.contact_sheet import TILE
from arcinvert.panel import make_panel
from arcinvert.plan import AttackPlan
from recognition.errors import InputError
from recognition.images import read_image
from tests.arcinvert.support import NO_VERDICT


@pytest.fixture
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(str(tiny_model), device="cpu", precision="float32")


def test_a_panel_is_poses_by_expressions(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel, "judge_images", lambda judge, images, *_: [NO_VERDICT] * len(images))
    plans: list[AttackPlan] = []
    reconstruct = attacker.reconstruct

    def observed(subjects: object, plan: AttackPlan) -> object:
        plans.append(plan)
        return reconstruct(subjects, plan)  # type: ignore[arg-type]

    monkeypatch.setattr(attacker, "reconstruct", observed)
    done: list[tuple[int, int]] = []
    out = tmp_path / "panel.png"
    picture = make_panel(
        attacker,
        "class",
        1,
        out=out,
        yaws=(-20.0, 20.0),
        expressions=("smile", "neutral", "open-mouth"),
        on_cell=lambda *cells: done.append(cells),
        steps=1,
        pitch=5.0,
    )
    np.testing.assert_array_equal(read_image(out), picture)
    wanted = [(plan.appearance.expression, plan.appearance.yaw, plan.appearance.pitch) for plan in plans]
    assert wanted == [
        (expression, yaw, 5.0) for expression in ("smile", "neutral", "open-mouth") for yaw in (-20.0, 20.0)
    ]
    assert {plan.steps for plan in plans} == {1}
    assert done == [(number, 6) for number in range(1, 7)]
    assert picture.shape[0] > 3 * TILE
    assert picture.shape[1] > 2 * TILE


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
    templates = tmp_path / "templates.npy"
    np.save(templates, np.eye(attacker.recogniser.embedding_size, dtype=np.float32)[:2])
    with pytest.raises(InputError, match="panel: expected one identity, got 2; make a panel of each"):
        make_panel(attacker, "template", templates)

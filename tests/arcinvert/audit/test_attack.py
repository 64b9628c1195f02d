"""The attack of an audit: one plan for all rows, of which a defence changes only what it must."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from arcinvert.attacked import network_digest
from arcinvert.attacker import Attacker
from arcinvert.audit.attack import BATCH, NetworkAttack, batches, load_attack, plan_differences
from arcinvert.audit.defences import DEFENCES
from arcinvert.audit.defences.base import NetworkDefence, TemplateDefence
from arcinvert.audit.defences.folded_batchnorm import FoldedBatchNorm
from arcinvert.audit.options import AuditOptions
from arcinvert.knowledge.first_use import cached_path
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan, length_text
from arcinvert.recipes import RecipeName, TargetKind
from recognition.errors import InputError
from tests.conftest import TINY_NAMES
from tests.recognition.loading.files import linear_model

pytestmark = pytest.mark.usefixtures("cheap_judge")


def differing(first: AttackPlan, second: AttackPlan) -> set[str]:
    return {
        entry.name
        for entry in fields(AttackPlan)
        if getattr(first, entry.name) != getattr(second, entry.name)
    }


@pytest.fixture
def attack(options: AuditOptions) -> NetworkAttack:
    return load_attack(options)


@pytest.fixture
def class_attack(options: AuditOptions) -> NetworkAttack:
    return load_attack(replace(options, target="centres"))


def test_batches_are_of_nearly_one_size() -> None:
    assert batches(16, 1) == [slice(0, 16)]
    assert [part.stop - part.start for part in batches(33, 1)] == [11, 11, 11]
    assert [part.stop - part.start for part in batches(5, 8)] == [2, 1, 2]
    assert [part.stop - part.start for part in batches(2, 40)] == [1, 1]
    assert batches(0, 2) == []


def test_an_attack_repeats_itself(attack: NetworkAttack) -> None:
    templates = np.random.default_rng(0).normal(size=(2, 32))
    once, again = (attack.invert(["a", "b"], templates, 3) for _ in range(2))
    assert np.array_equal(once.images, again.images)
    assert once.images.shape == (2, 1, 112, 112, 3)
    # Random numbers follow from the batch's number, the length of a template means nothing.
    assert not np.array_equal(once.images, attack.invert(["a", "b"], templates, 4).images)
    assert np.array_equal(once.images, attack.invert(["a", "b"], 7 * templates, 3).images)


@pytest.mark.parametrize("recipe", ["arcinvert", "paper"])
@pytest.mark.parametrize("target", ["templates", "centres"])
@pytest.mark.parametrize("samples", [1, 2])
def test_an_audit_by_the_weights_is_the_attack_of_as_many_steps(
    options: AuditOptions, recipe: RecipeName, target: Literal["templates", "centres"], samples: int
) -> None:
    """It is never weaker than the tool's own attack: the plans are equal, with their restarts."""
    chosen = AttackOptions(recipe=recipe, knowledge="weights")
    audit = load_attack(replace(options, attack=chosen, target=target, samples=samples, steps=50)).plan
    kind: TargetKind = "class" if target == "centres" else "template"
    own = {"recipe": recipe, "knowledge": "weights", "samples": samples, "seed": options.seed, "steps": 50}
    assert audit == Attacker(options.model).plan(kind, **own)
    restarts = (12, 25) if recipe == "arcinvert" else (1, 50)
    assert (audit.steps, audit.restarts, audit.restart_steps) == (50, *restarts)


def test_an_audit_with_public_faces_restarts_as_the_attack_does(options: AuditOptions) -> None:
    audit = load_attack(replace(options, attack=None, steps=9)).plan
    assert audit == Attacker(options.model).plan("template", samples=1, seed=options.seed, steps=9)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        ((50, 1, 50), "50 steps"),
        ((50, 3, 50), "the best of 3 restarts of 50 steps"),
        ((50, 8, 25), "the best of 8 restarts of 25 steps and 25 more steps"),
    ],
)
def test_restarts_are_said(length: tuple[int, int, int], text: str) -> None:
    assert length_text(*length) == text


def test_a_template_defence_leaves_the_attack_alone(attack: NetworkAttack) -> None:
    assert attack.against_template_defence(["a"], np.ones((1, 32))) is attack


def test_a_defence_of_centres_changes_the_attacked_centres_alone(class_attack: NetworkAttack) -> None:
    centres = class_attack.recogniser.centres
    assert centres is not None
    names, estimates = list(TINY_NAMES[1:3]), np.random.default_rng(1).normal(size=(2, 32))
    against = class_attack.against_template_defence(names, estimates)
    assert against.plan is class_attack.plan
    changed = against.recogniser.centres
    assert changed is not None
    wanted = estimates / np.linalg.norm(estimates, axis=1, keepdims=True)
    assert changed[1:3].numpy() == pytest.approx(wanted, abs=1e-6)
    assert torch.equal(changed[[0, 3, 4]], centres[[0, 3, 4]])
    # The same centres, rounded once more, make the same attack.
    same = class_attack.against_template_defence(names, centres[1:3].numpy())
    images = [one.invert(names, centres[1:3].numpy(), 0).images for one in (class_attack, same)]
    assert np.abs(images[0].astype(int) - images[1]).max() <= 1


def test_a_network_defence_changes_what_penalties_use_alone(options: AuditOptions) -> None:
    attack = load_attack(replace(options, attack=AttackOptions(penalty={"bn": 1.0})))
    defence = FoldedBatchNorm()
    images = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    hardened = defence.harden(attack.recogniser)
    assert torch.allclose(hardened(images), attack.recogniser(images), atol=1e-5)
    against = attack.against_network_defence(hardened, defence.measure(hardened, images))
    assert differing(attack.plan, against.plan) <= {"knowledge_used"}
    assert against.plan.knowledge_used["statistics"] == "3 public faces"
    assert np.array_equal(against.mean_face, attack.mean_face)
    assert against.invert(["a"], np.ones((1, 32)), 0).images.shape == (1, 1, 112, 112, 3)


@pytest.mark.parametrize("target", ["templates", "centres"])
@pytest.mark.parametrize("name", list(DEFENCES))
def test_a_row_differs_from_the_baseline_in_the_defence_alone(
    name: str, target: Literal["templates", "centres"], options: AuditOptions
) -> None:
    attack, defence = load_attack(replace(options, target=target)), DEFENCES[name]()
    if isinstance(defence, TemplateDefence):
        assert defence.changes == frozenset()
        against = attack.against_template_defence(TINY_NAMES[:2], np.ones((2, 32)))
    else:
        assert isinstance(defence, NetworkDefence)
        hardened = defence.harden(attack.recogniser)
        measured = defence.measure(hardened, torch.rand(2, 3, 112, 112))
        against = attack.against_network_defence(hardened, measured)
    found = set(plan_differences(against.plan, attack.plan))
    assert found == differing(attack.plan, against.plan)
    assert found <= defence.changes


def test_differences_say_what_is_done_in_place_of_what(attack: NetworkAttack) -> None:
    changed = replace(attack.plan, initialisation="noise", steps=7)
    assert plan_differences(changed, attack.plan) == {
        "initialisation": f"noise in place of {attack.plan.initialisation}",
        "steps": "7 in place of 3",
    }
    assert plan_differences(attack.plan, attack.plan) == {}


def test_an_attacker_without_public_faces_measures_nothing(options: AuditOptions) -> None:
    attack = load_attack(replace(options, attack={"knowledge": "weights", "initialisation": "noise"}))
    defence = FoldedBatchNorm()
    hardened = defence.harden(attack.recogniser)
    against = attack.against_network_defence(hardened, defence.measure(hardened, torch.rand(2, 3, 112, 112)))
    assert differing(attack.plan, against.plan) == {"penalties", "notes"}
    names = [{penalty.name for penalty in plan.penalties} for plan in (attack.plan, against.plan)]
    assert names[0] - names[1] == {"bn"}
    assert "bn" in against.plan.notes[0]


def test_the_speed_is_measured_without_the_whole_attack(attack: NetworkAttack) -> None:
    step = attack.seconds_per_step()
    assert 0 < step.of(1) <= step.of(BATCH) < 60


def test_a_model_may_state_its_preprocessing(options: AuditOptions, tiny_model: Path) -> None:
    attack = load_attack(replace(options, preset="channels=BGR"))
    assert attack.recogniser.preprocessing.channels == "BGR"


def test_a_network_with_several_outputs_is_attacked_by_the_chosen_one(
    options: AuditOptions, tmp_path: Path
) -> None:
    model = linear_model()
    model.graph.node.append(helper.make_node("Neg", ["y"], ["other"]))
    model.graph.output.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ("batch", 4)))
    path = tmp_path / "two.onnx"
    onnx.save(model, path)
    with pytest.raises(InputError, match="give --output NAME"):
        load_attack(replace(options, model=str(path)))
    images = torch.rand(2, 3, 8, 8)
    chosen = [load_attack(replace(options, model=str(path), output=name)) for name in ("y", "other")]
    first, second = (one.recogniser(images) for one in chosen)
    torch.testing.assert_close(first, -second)
    # What is cached for one output is not read for the other.
    assert network_digest(chosen[0].recogniser) != network_digest(chosen[1].recogniser)
    assert cached_path(chosen[0].recogniser) != cached_path(chosen[1].recogniser)

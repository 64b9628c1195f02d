"""What the adversary of defended templates knows: the network's centres, and at their level public faces."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert.attacker import Attacker
from arcinvert.audit.adversary import MOST, adversary_of, other_centres
from arcinvert.audit.attack import NetworkAttack, load_attack
from arcinvert.audit.defences import make_defence
from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit
from arcinvert.knowledge.activation_statistics import FaceKind, MeasuredStatistics
from arcinvert.knowledge.calibrate import calibrate
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS, NearestNeighbours
from arcinvert.options import AttackOptions
from recognition.errors import InputError
from recognition.loading import UNDISTILLED, load
from recognition.recogniser import Recogniser
from tests.conftest import TINY_NAMES

Floats = NDArray[np.float64]


def faces(count: int, dim: int = 32) -> Floats:
    return unit_norm(np.random.default_rng(0).normal(size=(count, dim)))


def measured(attack: NetworkAttack, of: FaceKind, options: AuditOptions) -> NetworkAttack:
    """The same attack with seven faces in its statistics."""
    rows = torch.from_numpy(faces(7)).half()
    known = MeasuredStatistics(
        (), "", "", 7, NearestNeighbours(rows, torch.zeros(7, COEFFICIENTS)), template_faces=of
    )
    attacker = Attacker(attack.recogniser, knowledge=replace(attack.knowledge, statistics=known))
    return NetworkAttack(attacker, attack.plan, options)


def test_an_adversary_has_what_its_level_allows(options: AuditOptions) -> None:
    attack = load_attack(options)
    found = adversary_of(attack, ["Bob Baker", "Somebody"], faces(4))
    assert np.array_equal(found.public, faces(4))
    centres = attack.recogniser.centres
    assert centres is not None
    assert found.centres is not None
    # Nobody's own centre says what their template is.
    assert found.centres == pytest.approx(centres.numpy()[[0, 2, 3, 4]], abs=1e-6)
    weights = load_attack(replace(options, attack=AttackOptions(knowledge="weights", initialisation="noise")))
    alone = adversary_of(weights, [], faces(4))
    assert alone.public.shape == (0, 32)
    assert alone.centres is not None
    assert len(alone.centres) == len(TINY_NAMES)
    # The recipe of the paper knows the weights alone.
    assert load_attack(replace(options, attack=AttackOptions(recipe="paper"))).level == "weights"


@pytest.mark.parametrize(("of", "count"), [("public faces", 11), ("synthetic faces", 4)])
def test_photographs_of_the_statistics_are_public_faces(
    of: FaceKind, count: int, options: AuditOptions
) -> None:
    attack = measured(load_attack(options), of, options)
    found = adversary_of(attack, [], faces(4)).public
    assert len(found) == count
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(count))


def test_many_centres_are_drawn_from() -> None:
    rows = torch.nn.functional.normalize(torch.randn(MOST + 5, 3, generator=torch.Generator().manual_seed(0)))
    network = Recogniser(torch.nn.Identity(), name="many", centres=rows)
    found = other_centres(network)
    assert found is not None
    assert len(np.unique(found, axis=0)) == MOST


@pytest.mark.parametrize("text", ["projection:0.25", "biohashing:0.25", "noise:1"])
def test_few_people_outside_do_not_make_a_defence_look_safer(text: str, options: AuditOptions) -> None:
    """With twenty people outside, what is recovered is what all of the network's centres give."""
    defence = make_defence(text)
    assert isinstance(defence, TemplateDefence)
    attack = load_attack(replace(options, model=UNDISTILLED))
    names = list(load(UNDISTILLED).class_names or ())
    rows = other_centres(attack.recogniser)
    assert rows is not None
    attacked, outside, keys = rows[:10], rows[10:30], list(range(10))
    protected = defence.protect(attacked, keys)

    def recovered(adversary: Adversary) -> float:
        return float((defence.recover(protected, keys, adversary) * attacked).sum(1).mean())

    known = adversary_of(attack, names[:10], outside)
    dim = rows.shape[1]
    assert recovered(known) == pytest.approx(recovered(Adversary(dim, rows[10:])), abs=0.01)
    assert recovered(known) > recovered(Adversary(dim, outside)) + 0.04


@pytest.mark.usefixtures("cheap_judge")
@pytest.mark.parametrize(("defence", "refused"), [("projection", True), ("folded-batchnorm", False)])
def test_the_attacked_are_not_in_the_prior(
    defence: str,
    refused: bool,
    options: AuditOptions,
    people: Path,
    tiny_model: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    statistics, _ = calibrate(tiny_model, people, out=tmp_path / "s.safetensors", device="cpu")
    # The attack without a defence uses nothing of the file: it starts at noise and optimises pixels.
    plain = AttackOptions(initialisation="noise", parametrisation="pixels")
    audit = replace(
        options, statistics=statistics, defences=(defence,), defence_people=2, steps=1, attack=plain
    )
    if refused:
        with pytest.raises(InputError, match=r"^overlap: .*--allow-overlap"):
            run_audit(audit, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        # The same audit with --allow-overlap goes on from there.
        assert "out-work/ keeps templates and faces" in caplog.text
        assert (tmp_path / "out-work").exists()
    else:
        assert run_audit(audit, tmp_path / "out")["people"]["overlap"] is None

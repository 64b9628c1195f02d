"""Attacks on devices that this machine lacks: no double precision, no tensor left on the CPU, graphs."""

from typing import Any

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.inversion.engine import invert
from arcinvert.inversion.graphs import WARM_UP
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.penalties import WeightedPenalty
from arcinvert.inversion.penalties.bn_relative import RelativeStatistics
from arcinvert.inversion.penalties.total_variation import ColourVariation, TotalVariation
from arcinvert.inversion.progress import StepCounter
from arcinvert.inversion.result import Inversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.targets.arcface import ClassTarget
from arcinvert.inversion.targets.cosine import CosineTarget
from arcinvert.knowledge.regression import RegressionSums
from arcinvert.knowledge.whitening import whitening_of
from recognition.recogniser import Recogniser
from tests.arcinvert.inversion.devices import OtherTensor, RecordedGraphs, other_device
from tests.arcinvert.inversion.networks import recogniser_with_statistics, start, templates

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "scaled": {"flip": True, "shift": 3, "scale": 0.1, "feature_dropout": 0.3},
    "shifted": {"flip": True, "shift": 2},
    "wrapped": {"flip": True, "shift": 2, "wrap": True},
    "wrapped and scaled": {"shift": 2, "scale": 0.1, "wrap": True},
}


def inverted(recogniser: Recogniser, kind: str, device: str | torch.device, **settings: Any) -> Inversion:
    images, wanted = start().to(device), templates().to(device)
    penalties = [TotalVariation(), ColourVariation(), RelativeStatistics()]
    return invert(
        recogniser,
        CosineTarget(wanted),
        PARAMETRISATIONS[settings.pop("parametrisation", "pixels")](images),
        Schedule(steps=settings.pop("steps", 3)),
        penalties=[WeightedPenalty(type(one).__name__, 0.1, one) for one in penalties],
        augmentation=Augmentation(**AUGMENTATIONS[kind], generator=torch.Generator().manual_seed(1)),
        **settings,
    )


def test_the_other_device_has_no_double_precision_and_its_own_memory() -> None:
    with other_device() as device:
        there = torch.ones(2, 2).to(device)
        assert isinstance(there + 1, OtherTensor)
        assert torch.equal((there @ there).cpu(), torch.full((2, 2), 2.0))
        assert torch.zeros(2, device=device).cpu().tolist() == [0.0, 0.0]
        for wrong in (lambda: there.double(), lambda: torch.zeros(2, dtype=torch.float64, device=device)):
            with pytest.raises(TypeError, match="no double precision"):
                wrong()
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            there + torch.ones(2, 2)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
@pytest.mark.parametrize("parametrisation", ["pixels", "face-pca"])
def test_an_attack_runs_on_another_device_and_ends_as_on_the_cpu(kind: str, parametrisation: str) -> None:
    here = inverted(recogniser_with_statistics(), kind, "cpu", parametrisation=parametrisation)
    with other_device() as device:
        there = inverted(
            recogniser_with_statistics().to(device), kind, device, parametrisation=parametrisation
        )
    assert type(there.images) is Tensor
    assert float((here.images - here.start).abs().max()) > 1e-3
    torch.testing.assert_close(there.images, here.images, rtol=0, atol=1e-4)
    torch.testing.assert_close(there.similarity, here.similarity, rtol=0, atol=1e-4)


def test_whitened_classes_on_another_device() -> None:
    recogniser = recogniser_with_statistics()
    labels = torch.tensor([1, 0])
    with other_device() as device:
        centres = torch.nn.functional.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(3)))
        there = centres.to(device)
        found = whitening_of(there)
        assert isinstance(found.matrix, OtherTensor)
        torch.testing.assert_close(found.matrix.cpu(), whitening_of(centres).matrix)
        target = ClassTarget(there, labels.to(device), scale=8.0, margin=0.3, whitening=found)
        losses = target(there[:2]).cpu()
    expected = ClassTarget(centres, labels, scale=8.0, margin=0.3, whitening=whitening_of(centres))
    torch.testing.assert_close(losses, expected(centres[:2]))
    assert recogniser.centres is None or len(recogniser.centres)


def test_sums_of_a_regression_are_made_on_the_cpu() -> None:
    images, found = start(), templates(len(start()))
    here, there = RegressionSums(), RegressionSums()
    here.add(found, images)
    with other_device() as device:
        there.add(found.to(device), images.to(device))
    assert here.fit() is None
    assert there.fit() is None


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_a_captured_step_takes_the_steps_of_one_that_is_not(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = RecordedGraphs()
    graphs.install(monkeypatch)
    with other_device() as device:
        plain = inverted(recogniser_with_statistics().to(device), kind, device, steps=7)
        assert graphs.replays == 0
        graphed = inverted(recogniser_with_statistics().to(device), kind, device, steps=7, graphs=True)
    assert graphs.replays == 7 - WARM_UP
    assert torch.equal(graphed.images, plain.images)
    assert graphed.losses == plain.losses


def test_losses_of_a_captured_step_are_not_written_by_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    RecordedGraphs().install(monkeypatch)
    read: list[list[dict[str, float]]] = []
    for graphs in (False, True):
        kept: list[Any] = []
        counter = StepCounter(6, lambda step, kept=kept: kept.append(step.losses))
        with other_device() as device:
            recogniser = recogniser_with_statistics().to(device)
            inverted(recogniser, "scaled", device, steps=6, graphs=graphs, counter=counter)
            # Only now, after the last step.
            read.append([dict(one) for one in kept])
    assert read[0] == read[1]
    assert len({one["identity"] for one in read[0]}) == 6

"""The loop, on networks that are simple enough to know what it must reach."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.inversion.early_stopping import WINDOW
from arcinvert.inversion.engine import invert
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.parametrisations.decoder import DecodedCodes
from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.penalties import WeightedPenalty
from arcinvert.inversion.penalties.base import Penalty
from arcinvert.inversion.penalties.bn_published import ArcFaceStatistics
from arcinvert.inversion.penalties.bn_relative import RelativeStatistics
from arcinvert.inversion.penalties.l2 import SquaredNorm
from arcinvert.inversion.penalties.total_variation import ColourVariation, TotalVariation, total_variation
from arcinvert.inversion.progress import StepCounter
from arcinvert.inversion.result import Inversion, Step, StopInversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.targets.arcface import ClassTarget
from arcinvert.inversion.targets.base import Target
from arcinvert.inversion.targets.cosine import CosineTarget
from arcinvert.inversion.targets.euclidean import EuclideanTarget
from tests.arcinvert.inversion.initialisation.knowledge import random_decoder
from tests.arcinvert.inversion.networks import (
    SIZE,
    NoTarget,
    hooked_modules,
    linear_recogniser,
    recogniser_with_statistics,
    start,
    templates,
)

VARIATION = WeightedPenalty("tv", 1.0, TotalVariation())


def parametrised(name: str, images: torch.Tensor) -> Parametrisation:
    """Return a parametrisation of initial images, with a decoder for the one that takes it."""
    if name == "decoder":
        return DecodedCodes(images, random_decoder(), templates(len(images)))
    return PARAMETRISATIONS[name](images)


def with_statistics(weight: float = 1.0) -> WeightedPenalty:
    return WeightedPenalty("statistics", weight, ArcFaceStatistics())


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
@pytest.mark.parametrize("loss", ["arcface", "cosine", "euclidean"])
def test_a_linear_recogniser_is_inverted(parametrisation: str, loss: str) -> None:
    recogniser = linear_recogniser()
    assert recogniser.centres is not None
    labels = torch.tensor([4, 0, 2])
    wanted = recogniser.centres[labels]
    target: Target = {
        # A small scale, so that the loss goes on falling up to the centre.
        "arcface": ClassTarget(recogniser.centres, labels, scale=4.0, margin=0.5),
        "cosine": CosineTarget(wanted),
        "euclidean": EuclideanTarget(wanted),
    }[loss]
    inversion = invert(recogniser, target, parametrised(parametrisation, start()), Schedule(steps=80))
    reached = F.cosine_similarity(recogniser(inversion.images), wanted)
    before = F.cosine_similarity(recogniser(start()), wanted)
    assert float(before.mean()) < 0.5
    assert float(reached.min()) > 0.99
    torch.testing.assert_close(inversion.similarity, reached, rtol=0, atol=1e-5)


def test_the_result_has_images_in_range_and_the_initial_ones() -> None:
    inversion = invert(linear_recogniser(), CosineTarget(templates()), Pixels(start()), Schedule(steps=3))
    assert isinstance(inversion, Inversion)
    assert inversion.images.shape == (3, 3, SIZE, SIZE)
    assert not inversion.images.requires_grad
    assert float(inversion.images.min()) >= 0
    assert float(inversion.images.max()) <= 1
    assert torch.equal(inversion.start, start())
    assert not torch.equal(inversion.images, inversion.start)


def test_every_step_is_reported_with_its_losses() -> None:
    recogniser = recogniser_with_statistics()
    reported: list[Step] = []
    inversion = invert(
        recogniser,
        CosineTarget(templates()),
        Pixels(start()),
        Schedule(steps=5),
        penalties=[
            WeightedPenalty("tv", 2.0, TotalVariation()),
            WeightedPenalty("l2", 0.5, SquaredNorm()),
            with_statistics(0.25),
        ],
        counter=StepCounter(5, reported.append),
    )
    assert [(step.number, step.steps) for step in reported] == [(number, 5) for number in range(1, 6)]
    assert all(list(step.losses) == ["identity", "tv", "l2", "statistics"] for step in reported)
    assert dict(reported[-1].losses) == inversion.losses
    # The first step sees the initial images, whose losses can be computed by hand.
    prior = ArcFaceStatistics()
    with prior.observing(recogniser):
        recogniser(start())
        statistics = float(prior(start()).detach())
    embeddings = recogniser(start())
    assert dict(reported[0].losses) == pytest.approx(
        {
            "identity": float(1 - (embeddings * templates()).sum(1).mean()),
            "tv": 2 * float(total_variation(start()).mean()),
            "l2": 0.5 * float((start() - 0.5).square().mean()),
            "statistics": 0.25 * statistics,
        },
        rel=1e-5,
    )


class LastStepError(Exception):
    """The last step of a loop was made."""


@pytest.fixture(scope="module")
def _adam_without_values() -> Iterator[None]:
    """Let Adam's kernel, which PyTorch lacks on the meta device, move nothing there."""
    library = torch.library.Library("aten", "IMPL")
    library.impl("_fused_adam_.tensor_lr", lambda *tensors, **settings: None, "Meta")
    yield
    library._destroy()


@pytest.mark.usefixtures("_adam_without_values")
@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
@pytest.mark.parametrize("loss", ["arcface", "cosine"])
@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_the_loop_reads_nothing_of_the_device(parametrisation: str, loss: str, scale: float) -> None:
    """On the meta device tensors have no values, so that any read of one raises an error."""
    recogniser = recogniser_with_statistics().to("meta")
    assert recogniser.centres is not None
    labels = torch.tensor([4, 0, 2], device="meta")

    def watch(step: Step) -> None:
        assert set(step.losses) == {"identity", "tv", "colour-tv", "l2", "bn"}
        if step.number == 3:
            raise LastStepError

    with pytest.raises(LastStepError):
        invert(
            recogniser,
            ClassTarget(recogniser.centres, labels, scale=64.0, margin=0.5)
            if loss == "arcface"
            else CosineTarget(templates().to("meta")),
            parametrised(parametrisation, start().to("meta")),
            Schedule(steps=3, average=0.9, early_stopping=0.1),
            augmentation=Augmentation(
                flip=True, shift=2, scale=scale, feature_dropout=0.2, generator=torch.Generator()
            ),
            penalties=[
                WeightedPenalty("tv", 2.0, TotalVariation()),
                WeightedPenalty("colour-tv", 2.0, ColourVariation()),
                WeightedPenalty("l2", 0.5, SquaredNorm()),
                WeightedPenalty("bn", 1.0, RelativeStatistics()),
            ],
            counter=StepCounter(3, watch),
        )
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        invert(
            recogniser,
            CosineTarget(templates().to("meta")),
            Pixels(start().to("meta")),
            Schedule(steps=3),
            counter=StepCounter(3, lambda step: print(step.losses["identity"])),
        )


def test_an_exception_in_the_callback_ends_the_loop() -> None:
    recogniser = recogniser_with_statistics()
    numbers: list[int] = []

    def interrupt(step: Step) -> None:
        numbers.append(step.number)
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invert(
            recogniser,
            CosineTarget(templates()),
            Pixels(start()),
            Schedule(steps=9),
            penalties=[with_statistics()],
            augmentation=Augmentation(feature_dropout=0.2),
            counter=StepCounter(9, interrupt),
        )
    assert numbers == [1, 2]
    assert hooked_modules(recogniser) == []


def test_a_callback_may_stop_it_and_keep_the_images() -> None:
    seen: list[Tensor] = []

    def stop(step: Step) -> None:
        seen.append(step.images())
        if step.number == 4:
            raise StopInversion

    arguments = linear_recogniser(), CosineTarget(templates())
    inversion = invert(*arguments, Pixels(start()), Schedule(steps=9), counter=StepCounter(9, stop))
    assert inversion.stopped
    assert len(seen) == inversion.steps == 4
    # After the last step, the callback sees the result itself.
    assert torch.equal(seen[-1], inversion.images)
    assert not torch.equal(seen[-2], seen[-1])
    assert not seen[-1].requires_grad
    reached = (linear_recogniser()(inversion.images) * templates()).sum(1)
    torch.testing.assert_close(inversion.similarity, reached, rtol=0, atol=1e-5)
    assert not invert(*arguments, Pixels(start()), Schedule(steps=2)).stopped


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_the_same_seed_gives_the_same_bits(parametrisation: str) -> None:
    def run(seed: int) -> Inversion:
        return invert(
            recogniser_with_statistics(),
            CosineTarget(templates()),
            parametrised(parametrisation, start()),
            Schedule(steps=6),
            augmentation=Augmentation(flip=True, shift=2, generator=torch.Generator().manual_seed(seed)),
            penalties=[VARIATION, with_statistics(0.1)],
        )

    first, second, other = run(0), run(0), run(1)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.similarity, second.similarity)
    assert first.losses == second.losses
    assert not torch.equal(first.images, other.images)


def test_total_variation_alone_flattens() -> None:
    inversion = invert(
        linear_recogniser(), NoTarget(), Pixels(start()), Schedule(steps=100), penalties=[VARIATION]
    )
    before, after = total_variation(inversion.start), total_variation(inversion.images)
    assert float((after / before).max()) < 0.01
    # Smoothing an image keeps its brightness in the middle of the range, rather than at a bound.
    assert float((inversion.images.mean((1, 2, 3)) - 0.5).abs().max()) < 0.15


def test_the_squared_norm_alone_ends_at_grey() -> None:
    penalty = WeightedPenalty("l2", 1.0, SquaredNorm())
    inversion = invert(
        linear_recogniser(), NoTarget(), Pixels(start()), Schedule(steps=100), penalties=[penalty]
    )
    assert float((inversion.images - 0.5).abs().max()) < 0.02


def test_a_penalty_on_statistics_brings_activations_to_their_statistics() -> None:
    recogniser = recogniser_with_statistics()

    def penalty_of(images: Tensor) -> float:
        penalty = ArcFaceStatistics()
        with penalty.observing(recogniser):
            recogniser(images)
            return float(penalty(images).detach())

    inversion = invert(
        recogniser, NoTarget(), Pixels(start()), Schedule(steps=60), penalties=[with_statistics()]
    )
    assert penalty_of(inversion.images.requires_grad_()) < 0.3 * penalty_of(inversion.start.requires_grad_())


def test_the_recogniser_is_left_as_it_was() -> None:
    recogniser = recogniser_with_statistics()
    before = {name: value.clone() for name, value in recogniser.state_dict().items()}
    target = CosineTarget(templates())
    invert(recogniser, target, Pixels(start()), Schedule(steps=3), penalties=[with_statistics()])
    after = recogniser.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in recogniser.parameters())
    assert not recogniser.training
    assert hooked_modules(recogniser) == []


class Mirror(Augmentation):
    """Mirrors every image, and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []
        self.networks: list[nn.Module] = []

    def apply(self, images: Tensor) -> Tensor:
        self.given.append(images.detach().clone())
        return images.flip(-1)

    @contextlib.contextmanager
    def attached(self, network: nn.Module) -> Iterator[None]:
        self.networks.append(network)
        yield


class Recording(Penalty):
    """A penalty of zero, which keeps the images that it was given and what it was attached to."""

    def __init__(self) -> None:
        self.given: list[Tensor] = []
        self.attachments: list[Any] = []

    @contextlib.contextmanager
    def attached(self, recogniser: Any, parametrisation: Any) -> Iterator[None]:
        self.attachments.append((recogniser, parametrisation))
        yield
        self.attachments.append("left")

    def __call__(self, images: Tensor) -> Tensor:
        self.given.append(images.detach().clone())
        return images.sum((1, 2, 3)) * 0


def test_the_network_sees_augmented_images_and_the_penalties_the_images() -> None:
    recogniser, parametrisation = linear_recogniser(), Pixels(start())
    mirror, recording = Mirror(), Recording()
    inversion = invert(
        recogniser,
        CosineTarget(templates()),
        parametrisation,
        Schedule(steps=80),
        augmentation=mirror,
        penalties=[WeightedPenalty("nothing", 1.0, recording)],
    )
    assert len(mirror.given) == 80
    assert torch.equal(mirror.given[0], start())
    assert all(torch.equal(*pair) for pair in zip(mirror.given, recording.given, strict=True))
    assert recording.attachments == [(recogniser, parametrisation), "left"]
    assert mirror.networks == [recogniser]
    # Only the mirror image was ever shown to the network, so only it has the identity.
    mirrored = (recogniser(inversion.images.flip(-1)) * templates()).sum(1)
    assert float(mirrored.min()) > 0.99
    assert float(inversion.similarity.min()) < 0.9


@pytest.mark.parametrize(
    ("fraction", "kept"), [(0.0, [10]), (0.04, [10]), (0.3, [8, 9, 10]), (0.99, list(range(1, 11)))]
)
def test_the_last_images_are_averaged(fraction: float, kept: list[int]) -> None:
    seen: dict[int, Tensor] = {}
    recogniser = linear_recogniser()
    inversion = invert(
        recogniser,
        CosineTarget(templates()),
        Pixels(start()),
        Schedule(steps=10, average=fraction),
        counter=StepCounter(10, lambda step: seen.update({step.number: step.images()})),
    )
    by_hand = torch.stack([seen[number] for number in kept]).sum(0) / len(kept)
    torch.testing.assert_close(inversion.images, by_hand)
    similarity = F.cosine_similarity(recogniser(by_hand), templates())
    torch.testing.assert_close(inversion.similarity, similarity)
    assert inversion.steps == 10
    assert torch.equal(inversion.images, seen[10]) == (kept == [10])


def test_a_stop_among_the_averaged_steps_keeps_those_before() -> None:
    seen: list[Tensor] = []

    def stop(step: Step) -> None:
        seen.append(step.images())
        if step.number == 8:
            raise StopInversion

    schedule = Schedule(steps=10, average=0.4)
    target = CosineTarget(templates())
    inversion = invert(linear_recogniser(), target, Pixels(start()), schedule, counter=StepCounter(10, stop))
    torch.testing.assert_close(inversion.images, (seen[6] + seen[7]) / 2)


def test_early_stopping_leaves_out_the_middle_and_runs_the_end_of_the_schedule() -> None:
    numbers: list[int] = []
    schedule = Schedule(steps=100, early_stopping=2.0)
    inversion = invert(
        linear_recogniser(),
        CosineTarget(templates()),
        Pixels(start()),
        schedule,
        counter=StepCounter(100, lambda step: numbers.append(step.number)),
    )
    # A gain of at most 2 is certain, so two windows decide; the last fifth still runs.
    assert numbers == [*range(1, 2 * WINDOW + 1), *range(81, 101)]
    assert inversion.steps == len(numbers)
    assert not inversion.stopped


def test_pixels_stay_in_range_at_every_step() -> None:
    mirror = Mirror()
    schedule = Schedule(steps=8, learning_rate=0.5)
    invert(linear_recogniser(), CosineTarget(templates()), Pixels(start()), schedule, augmentation=mirror)
    assert all(float(images.min()) >= 0 and float(images.max()) <= 1 for images in mirror.given)
    assert any(float(images.min()) == 0 and float(images.max()) == 1 for images in mirror.given)


def test_half_precision_reaches_the_same_optimum() -> None:
    target, schedule = CosineTarget(templates()), Schedule(steps=80)
    inversion = invert(linear_recogniser(), target, Pixels(start()), schedule, dtype=torch.bfloat16)
    assert inversion.images.dtype == torch.float32
    assert float(inversion.similarity.min()) > 0.98

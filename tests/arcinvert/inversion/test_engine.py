"""The loop, on networks simple enough to know what it must reach."""

import pytest
import torch
import torch.nn.functional as F
from arcinvert.inversion.penalties.batchnorm import PaperPrior, ScaleFreePrior
from arcinvert.inversion.penalties.image import colour_variation, squared_norm, total_variation
from torch import Tensor, nn

from arcinvert.inversion.augmentation import FeatureDropout, RandomAugmentation
from arcinvert.inversion.engine import invert
from arcinvert.inversion.parametrisations import PARAMETRISATIONS, Pixels
from arcinvert.inversion.result import Inversion, Step, StopInversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.targets import ClassTarget, CosineTarget, EuclideanTarget, Target
from recognition.recogniser import Preprocessing, Recogniser

SIZE, DIM = 8, 4


def linear_recogniser() -> Recogniser:
    """A fixed linear map of the pixels: every template in its range can be met exactly."""
    linear = nn.Linear(3 * SIZE * SIZE, DIM, bias=False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(linear.weight.shape, generator=generator))
    network = nn.Sequential(nn.Flatten(), linear)
    # A centre and its opposite on every axis: by symmetry the ArcFace loss is lowest at the centre.
    centres = torch.cat([torch.eye(DIM), -torch.eye(DIM)])
    return Recogniser(
        network, name="linear", preprocessing=Preprocessing(input_size=SIZE), centres=centres
    ).freeze()


def network_with_statistics() -> Recogniser:
    torch_state = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.PReLU(4),
        nn.Flatten(),
        nn.Linear(4 * (SIZE - 2) ** 2, DIM),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch_state) * 0.3)
    centres = torch.cat([torch.eye(DIM), -torch.eye(DIM)])
    preprocessing = Preprocessing(input_size=SIZE, mean=(0.5, 0.4, 0.5))
    return Recogniser(network, name="conv", preprocessing=preprocessing, centres=centres).freeze()


def templates(batch: int = 3) -> Tensor:
    return F.normalize(torch.randn(batch, DIM, generator=torch.Generator().manual_seed(2)))


def start(batch: int = 3) -> Tensor:
    return torch.rand(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))


class NoTarget:
    """Aims at nothing, so that the priors alone decide."""

    templates = templates()

    def __call__(self, embeddings: Tensor) -> Tensor:
        return embeddings.sum(1) * 0


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
    inversion = invert(recogniser, target, PARAMETRISATIONS[parametrisation](start()), Schedule(steps=80))
    reached = F.cosine_similarity(recogniser(inversion.images), wanted)
    begun = F.cosine_similarity(recogniser(start()), wanted)
    assert float(begun.mean()) < 0.5
    assert float(reached.min()) > 0.99
    torch.testing.assert_close(inversion.similarity, reached, rtol=0, atol=1e-5)


def test_the_result_holds_possible_images_and_their_start() -> None:
    inversion = invert(linear_recogniser(), CosineTarget(templates()), Pixels(start()), Schedule(steps=3))
    assert isinstance(inversion, Inversion)
    assert inversion.images.shape == (3, 3, SIZE, SIZE)
    assert not inversion.images.requires_grad
    assert float(inversion.images.min()) >= 0
    assert float(inversion.images.max()) <= 1
    assert torch.equal(inversion.start, start())
    assert not torch.equal(inversion.images, inversion.start)


def test_every_step_is_told_with_its_parts() -> None:
    recogniser = network_with_statistics()
    heard: list[Step] = []
    inversion = invert(
        recogniser,
        CosineTarget(templates()),
        Pixels(start()),
        Schedule(steps=5),
        image_priors=[("variation", 2.0, total_variation), ("l2", 0.5, squared_norm)],
        statistics_prior=(0.25, PaperPrior()),
        callback=heard.append,
    )
    assert [(step.number, step.steps) for step in heard] == [(number, 5) for number in range(1, 6)]
    assert all(set(step.parts) == {"identity", "variation", "l2", "statistics"} for step in heard)
    assert heard[-1].parts == inversion.parts
    # The first step sees the start: its parts can be worked out.
    prior = PaperPrior()
    with prior.listening(recogniser):
        recogniser(start())
        statistics = float(prior().detach())
    embeddings = recogniser(start())
    assert heard[0].parts == pytest.approx(
        {
            "identity": float(1 - (embeddings * templates()).sum(1).mean()),
            "variation": 2 * float(total_variation(start()).mean()),
            "l2": 0.5 * float(squared_norm(start()).mean()),
            "statistics": 0.25 * statistics,
        },
        rel=1e-5,
    )


class LastStepError(Exception):
    """The last step of a loop was made."""


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
@pytest.mark.parametrize("loss", ["arcface", "cosine"])
@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_the_loop_reads_nothing_of_the_device(parametrisation: str, loss: str, scale: float) -> None:
    """On the meta device tensors have no values: whatever reads one raises."""
    recogniser = network_with_statistics().to("meta")
    assert recogniser.centres is not None
    labels = torch.tensor([4, 0, 2], device="meta")
    generator = torch.Generator().manual_seed(0)

    def watch(step: Step) -> None:
        assert set(step.parts) >= {"identity", "variation", "colour", "statistics"}
        if step.number == 3:
            raise LastStepError

    with pytest.raises(LastStepError):
        invert(
            recogniser,
            ClassTarget(recogniser.centres, labels, scale=64.0, margin=0.5)
            if loss == "arcface"
            else CosineTarget(templates().to("meta")),
            PARAMETRISATIONS[parametrisation](start().to("meta")),
            Schedule(steps=3, average=0.9),
            view=RandomAugmentation(flip=True, shift=2, scale=scale, generator=generator),
            dropout=FeatureDropout(0.2, generator),
            image_priors=[
                ("variation", 2.0, total_variation),
                ("colour", 2.0, colour_variation),
                ("l2", 0.5, squared_norm),
            ],
            statistics_prior=(1.0, ScaleFreePrior()),
            coordinate_weight=0.1,
            callback=watch,
        )
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        invert(
            recogniser,
            CosineTarget(templates().to("meta")),
            Pixels(start().to("meta")),
            Schedule(steps=3),
            callback=lambda step: print(step.parts["identity"]),
        )


def test_an_exception_in_the_callback_ends_the_loop() -> None:
    recogniser = network_with_statistics()
    heard: list[int] = []

    def stop(step: Step) -> None:
        heard.append(step.number)
        if step.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invert(
            recogniser,
            CosineTarget(templates()),
            Pixels(start()),
            Schedule(steps=9),
            statistics_prior=(1.0, PaperPrior()),
            callback=stop,
        )
    assert heard == [1, 2]
    assert not any("forward" in vars(module) for module in recogniser.modules())


def test_a_callback_may_stop_it_and_keep_what_there_is() -> None:
    seen: list[torch.Tensor] = []

    def stop(step: Step) -> None:
        seen.append(step.images())
        if step.number == 4:
            raise StopInversion

    arguments = linear_recogniser(), CosineTarget(templates())
    inversion = invert(*arguments, Pixels(start()), Schedule(steps=9), callback=stop)
    assert inversion.stopped
    assert len(seen) == inversion.steps == 4
    # What a callback sees is what there is: after the last step, the result itself.
    assert torch.equal(seen[-1], inversion.images)
    assert not torch.equal(seen[-2], seen[-1])
    assert not seen[-1].requires_grad
    reached = (linear_recogniser()(inversion.images) * templates()).sum(1)
    torch.testing.assert_close(inversion.similarity, reached, rtol=0, atol=1e-5)
    assert not invert(*arguments, Pixels(start()), Schedule(steps=2)).stopped


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_the_same_seed_gives_the_same_bits(parametrisation: str) -> None:
    def run(seed: int) -> Inversion:
        generator = torch.Generator().manual_seed(seed)
        return invert(
            network_with_statistics(),
            CosineTarget(templates()),
            PARAMETRISATIONS[parametrisation](start()),
            Schedule(steps=6),
            view=RandomAugmentation(flip=True, shift=2, scale=0.0, generator=generator),
            image_priors=[("variation", 1.0, total_variation)],
            statistics_prior=(0.1, PaperPrior()),
        )

    first, second, other = run(0), run(0), run(1)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.similarity, second.similarity)
    assert first.parts == second.parts
    assert not torch.equal(first.images, other.images)


def test_an_image_prior_alone_flattens() -> None:
    inversion = invert(
        linear_recogniser(),
        NoTarget(),
        Pixels(start()),
        Schedule(steps=100),
        image_priors=[("variation", 1.0, total_variation)],
    )
    before, after = total_variation(inversion.start), total_variation(inversion.images)
    assert float((after / before).max()) < 0.01
    # Smoothing an image keeps its brightness in the middle of the range, rather than at a bound.
    assert float((inversion.images.mean((1, 2, 3)) - 0.5).abs().max()) < 0.15


def test_the_norm_prior_alone_ends_at_grey() -> None:
    inversion = invert(
        linear_recogniser(),
        NoTarget(),
        Pixels(start()),
        Schedule(steps=100),
        image_priors=[("l2", 1.0, squared_norm)],
    )
    assert float((inversion.images - 0.5).abs().max()) < 0.02


def test_the_statistics_prior_brings_activations_to_their_statistics() -> None:
    recogniser = network_with_statistics()

    def penalty(images: Tensor) -> float:
        prior = PaperPrior()
        with prior.listening(recogniser):
            recogniser(images)
            return float(prior().detach())

    inversion = invert(
        recogniser, NoTarget(), Pixels(start()), Schedule(steps=60), statistics_prior=(1.0, PaperPrior())
    )
    assert penalty(inversion.images.requires_grad_()) < 0.3 * penalty(inversion.start.requires_grad_())


def test_the_recogniser_is_left_as_it_was() -> None:
    recogniser = network_with_statistics()
    before = {name: value.clone() for name, value in recogniser.state_dict().items()}
    invert(
        recogniser,
        CosineTarget(templates()),
        Pixels(start()),
        Schedule(steps=3),
        statistics_prior=(1.0, PaperPrior()),
    )
    after = recogniser.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in recogniser.parameters())
    assert not recogniser.training


def test_the_network_sees_the_view_and_the_priors_the_image() -> None:
    viewed: list[Tensor] = []
    weighed: list[Tensor] = []

    def mirror(images: Tensor) -> Tensor:
        viewed.append(images.detach().clone())
        return images.flip(-1)

    def weigh(images: Tensor) -> Tensor:
        weighed.append(images.detach().clone())
        return images.sum((1, 2, 3)) * 0

    recogniser = linear_recogniser()
    inversion = invert(
        recogniser,
        CosineTarget(templates()),
        Pixels(start()),
        Schedule(steps=80),
        view=mirror,
        image_priors=[("nothing", 1.0, weigh)],
    )
    assert len(viewed) == 80
    assert torch.equal(viewed[0], start())
    assert all(torch.equal(*pair) for pair in zip(viewed, weighed, strict=True))
    # Only the mirror image was ever shown to the network, so only it has the identity.
    mirrored = (recogniser(inversion.images.flip(-1)) * templates()).sum(1)
    assert float(mirrored.min()) > 0.99
    assert float(inversion.similarity.min()) < 0.9


@pytest.mark.parametrize(
    ("share", "kept"), [(0.0, [10]), (0.04, [10]), (0.3, [8, 9, 10]), (0.99, list(range(1, 11)))]
)
def test_the_last_images_are_averaged(share: float, kept: list[int]) -> None:
    seen: dict[int, Tensor] = {}
    recogniser = linear_recogniser()

    def run(average: float) -> Inversion:
        return invert(
            recogniser,
            CosineTarget(templates()),
            Pixels(start()),
            Schedule(steps=10, average=average),
            callback=lambda step: seen.update({step.number: step.images()}),
        )

    inversion = run(share)
    by_hand = sum(seen[number] for number in kept) / len(kept)
    torch.testing.assert_close(inversion.images, by_hand)
    similarity = F.cosine_similarity(recogniser(by_hand), templates())
    torch.testing.assert_close(inversion.similarity, similarity)
    assert inversion.steps == 10
    assert torch.equal(inversion.images, seen[10]) == (kept == [10])


def test_a_stop_among_the_averaged_steps_keeps_those_there_were() -> None:
    seen: list[Tensor] = []

    def stop(step: Step) -> None:
        seen.append(step.images())
        if step.number == 8:
            raise StopInversion

    schedule = Schedule(steps=10, average=0.4)
    target = CosineTarget(templates())
    inversion = invert(linear_recogniser(), target, Pixels(start()), schedule, callback=stop)
    torch.testing.assert_close(inversion.images, (seen[6] + seen[7]) / 2)


def test_pixels_stay_possible_at_every_step() -> None:
    seen: list[Tensor] = []

    def watch(images: Tensor) -> Tensor:
        seen.append(images.detach().clone())
        return images

    invert(
        linear_recogniser(),
        CosineTarget(templates()),
        Pixels(start()),
        Schedule(steps=8, learning_rate=0.5),
        view=watch,
    )
    assert all(float(images.min()) >= 0 and float(images.max()) <= 1 for images in seen)
    assert any(float(images.min()) == 0 and float(images.max()) == 1 for images in seen)


def test_half_precision_reaches_the_same_place() -> None:
    recogniser = linear_recogniser()
    inversion = invert(
        recogniser, CosineTarget(templates()), Pixels(start()), Schedule(steps=80), dtype=torch.bfloat16
    )
    assert inversion.images.dtype == torch.float32
    assert float(inversion.similarity.min()) > 0.98

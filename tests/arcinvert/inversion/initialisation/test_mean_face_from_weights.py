"""The mean face from the weights: symmetric, the network's own, and formed where the network looks."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.inversion.initialisation import mean_face_from_weights as module
from arcinvert.inversion.initialisation.mean_face_from_weights import (
    ROUNDS,
    TEMPLATES,
    FacesFromWeights,
    MeanFaceFromWeights,
    faces_from_weights,
    sketch,
)
from arcinvert.inversion.penalties import WeightedPenalty
from arcinvert.inversion.penalties.bn_relative import RelativeStatistics
from arcinvert.inversion.penalties.l2 import SquaredNorm
from arcinvert.inversion.progress import StepCounter
from arcinvert.inversion.result import Step, StopInversion
from recognition.detection.alignment import REFERENCE_POINTS
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.initialisation.knowledge import request
from tests.arcinvert.inversion.networks import recogniser_with_statistics, templates

SIZE = 32


class Looking(nn.Module):
    """Reads the contrast of one square alone: nothing elsewhere can change its embedding."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = nn.Parameter(torch.randn(6, 3 * 8 * 8, generator=generator), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        square = images[:, :, 12:20, 12:20].flatten(1)
        return F.linear(square + square.square(), self.weights)


def looking(centres: Tensor | None = None) -> Recogniser:
    preprocessing = Preprocessing(input_size=SIZE)
    return Recogniser(Looking(), name="looking", preprocessing=preprocessing, centres=centres).freeze()


def found_in(recogniser: Recogniser, counter: StepCounter | None = None) -> FacesFromWeights:
    return faces_from_weights(request(recogniser, counter=counter or StepCounter(0)), [])


def face_of(recogniser: Recogniser, counter: StepCounter | None = None) -> Tensor:
    return found_in(recogniser, counter).mean_face


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUNDS", (8, 3, 2))


@pytest.mark.parametrize("size", [112, 160])
def test_the_sketch_is_dark_where_aligned_faces_have_their_parts(size: int) -> None:
    face = sketch(size)
    assert face.shape == (3, size, size)
    torch.testing.assert_close(face, face.flip(-1))
    brightness = face[0]
    left_eye, right_eye, nose, *corners = (
        [min(size - 1, int(value * size / 112)) for value in point] for point in REFERENCE_POINTS
    )
    mouth = [(corners[0][0] + corners[1][0]) // 2, corners[0][1]]
    for x, y in (left_eye, right_eye, nose, mouth):
        assert brightness[y, x] < 0.45
    # All else is grey: the edges, between the eyes, the cheeks.
    for x, y in ((0, 0), (size // 2, 0), (size // 2, left_eye[1]), (left_eye[0], nose[1] + size // 20)):
        assert brightness[y, x] > 0.47


@pytest.mark.usefixtures("_short")
def test_it_is_a_symmetric_image_of_the_network_alone() -> None:
    face = face_of(looking())
    assert face.shape == (3, SIZE, SIZE)
    assert float(face.min()) >= 0
    assert float(face.max()) <= 1
    torch.testing.assert_close(face, face.flip(-1), rtol=0, atol=1e-5)
    torch.manual_seed(5)
    assert torch.equal(face, face_of(looking()))


def test_it_forms_where_the_network_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for total variation to smooth what the network does not hold.
    monkeypatch.setattr(module, "ROUNDS", (40, 30, 30))
    monkeypatch.setattr(module, "sketch", lambda size: torch.full((3, size, size), 0.5))
    face = face_of(looking())
    contrast = (face - face.mean((1, 2), keepdim=True)).abs().mean(0)
    # Augmentation moves the square by up to three pixels.
    elsewhere = torch.ones(SIZE, SIZE, dtype=torch.bool)
    elsewhere[6:26, 6:26] = False
    assert contrast[12:20, 12:20].mean() > 3 * contrast[elsewhere].mean()


@pytest.mark.usefixtures("_short")
def test_steps_are_counted_through() -> None:
    numbers: list[tuple[int, int]] = []
    face_of(looking(), StepCounter(13, lambda step: numbers.append((step.number, step.steps))))
    assert numbers == [(number, 13) for number in range(1, 14)]


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("at", [2, 10])
def test_stopping_ends_it_and_nothing_is_kept(at: int) -> None:
    def stop(step: Step) -> None:
        if step.number == at:
            raise StopInversion

    initialisation = MeanFaceFromWeights()
    with pytest.raises(StopInversion):
        initialisation.prepare(request(looking(), counter=StepCounter(13, stop)))
    assert initialisation.pending_steps == sum(ROUNDS)


@pytest.mark.usefixtures("_short")
def test_the_preparation_is_made_once() -> None:
    initialisation, counter = MeanFaceFromWeights(), StepCounter(13)
    face = initialisation.prepare(request(looking(), counter=counter))
    again = initialisation.prepare(request(looking(), counter=counter))
    assert again is face
    assert counter.number == 13
    assert torch.equal(initialisation.faces(torch.zeros(2, 6), request(looking()), 0)[1], face)


@pytest.mark.usefixtures("_short")
def test_the_others_are_images_with_what_the_network_makes_of_them() -> None:
    recogniser = looking()
    found = found_in(recogniser)
    assert found.others.shape == (TEMPLATES, 3, SIZE, SIZE)
    assert float(found.others.min()) >= 0
    assert float(found.others.max()) <= 1
    torch.testing.assert_close(found.embeddings, recogniser(found.others))
    # They differ, or restarts from them would not.
    assert float((found.others[0] - found.others[1]).abs().max()) > 0.01


@pytest.mark.usefixtures("_short")
def test_every_second_restart_starts_from_the_nearest_of_the_others() -> None:
    recogniser, initialisation = looking(), MeanFaceFromWeights()
    asked = request(recogniser, counter=StepCounter(13))
    found = found_in(recogniser)
    # The template of one of them: that one is the nearest, and the second restart from others has another.
    template = found.embeddings[[5]]
    starts = [initialisation.faces(template, asked, restart)[0] for restart in range(6)]
    assert torch.equal(starts[1], found.others[5])
    similarity = found.embeddings @ template[0]
    assert torch.equal(starts[3], found.others[similarity.argsort(descending=True)[1]])
    for restart in (0, 2, 4):
        assert torch.equal(starts[restart], found.mean_face)


@pytest.mark.usefixtures("_short")
def test_later_restarts_are_far_from_each_other() -> None:
    # From one face with little noise an attack ends at the same wrong face each time.
    initialisation, asked = MeanFaceFromWeights(), request(looking(), counter=StepCounter(13))
    target = torch.ones(1, 6) / 6**0.5

    def spread(restart: int) -> float:
        images = initialisation.images(target.expand(20, -1), asked, seeds=range(20), restart=restart)
        return float(images.std(0).mean())

    assert spread(2) > 3 * spread(0)
    assert spread(1) > 1.5 * spread(0)


@pytest.mark.usefixtures("_short")
def test_class_centres_are_the_targets_where_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    targets: list[Tensor] = []

    class Recording(module.CosineTarget):
        def __init__(self, templates: Tensor) -> None:
            targets.append(templates)
            super().__init__(templates)

    monkeypatch.setattr(module, "CosineTarget", Recording)
    centres = F.normalize(torch.randn(20, 6, generator=torch.Generator().manual_seed(2)))
    face_of(looking(centres))
    for chosen in targets:
        matches = (chosen @ centres.T > 0.9999).sum(1)
        assert torch.equal(matches, torch.ones(TEMPLATES, dtype=matches.dtype))
    assert not torch.equal(targets[0], targets[1])


@pytest.mark.usefixtures("_short")
def test_each_round_starts_from_one_image_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[Tensor] = []

    class Recording(module.Pixels):
        def __init__(self, start: Tensor) -> None:
            starts.append(start.clone())
            super().__init__(start)

    monkeypatch.setattr(module, "Pixels", Recording)
    face_of(looking())
    assert [len(start) for start in starts] == [TEMPLATES] * 3
    assert not torch.equal(starts[0][0], starts[0][1])
    for start in starts[1:]:
        assert torch.equal(start[0], start[-1])


@pytest.mark.usefixtures("_short_preparation")
def test_of_the_attacks_penalties_it_uses_those_on_activations() -> None:
    names: list[set[str]] = []
    counter = StepCounter(3, lambda step: names.append(set(step.losses)))
    penalties = (
        WeightedPenalty("l2", 1.0, SquaredNorm()),
        WeightedPenalty("bn", 1.0, RelativeStatistics()),
    )
    asked = request(recogniser_with_statistics(), penalties=penalties, counter=counter)
    MeanFaceFromWeights().images(templates(1), asked, seeds=[0])
    assert names == [{"identity", "tv", "colour-tv", "bn"}] * 3

"""The face in the weights: symmetric, the network's own, and where the network looks."""

import pytest
import torch
import torch.nn.functional as F
from arcinvert.inversion.mean_face_from_weights import TEMPLATES, mean_face_from_weights, sketch
from torch import Tensor, nn

from arcinvert.inversion import mean_face_from_weights as dream
from arcinvert.inversion.result import Step, StopInversion
from recognition.detection.alignment import REFERENCE_POINTS
from recognition.recogniser import Preprocessing, Recogniser

SIZE = 32


class Looking(nn.Module):
    """Reads contrast at one place alone: nothing elsewhere can move its embedding."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = nn.Parameter(torch.randn(6, 3 * 8 * 8, generator=generator), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        place = images[:, :, 12:20, 12:20].flatten(1)
        return F.linear(place + place.square(), self.weights)


def looking() -> Recogniser:
    return Recogniser(Looking(), name="looking", preprocessing=Preprocessing(input_size=SIZE)).freeze()


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dream, "ROUNDS", (8, 3, 2))


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
    # Dark spots alone, on grey: at the edges, between the eyes, on the cheeks.
    for x, y in ((0, 0), (size // 2, 0), (size // 2, left_eye[1]), (left_eye[0], nose[1] + size // 20)):
        assert brightness[y, x] > 0.47


@pytest.mark.usefixtures("_short")
def test_a_dream_is_a_symmetric_image_of_its_network_alone() -> None:
    face = mean_face_from_weights(looking(), None)
    assert face.shape == (3, SIZE, SIZE)
    assert float(face.min()) >= 0
    assert float(face.max()) <= 1
    torch.testing.assert_close(face, face.flip(-1), rtol=0, atol=1e-5)
    torch.manual_seed(5)
    assert torch.equal(face, mean_face_from_weights(looking(), None))


def test_it_forms_where_the_network_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough that variation's weight has smoothed what nothing holds.
    monkeypatch.setattr(dream, "ROUNDS", (40, 30, 30))
    monkeypatch.setattr(dream, "sketch", lambda size: torch.full((3, size, size), 0.5))
    face = mean_face_from_weights(looking(), None)
    contrast = (face - face.mean((1, 2), keepdim=True)).abs().mean(0)
    # The views move the place by up to three pixels.
    elsewhere = torch.ones(SIZE, SIZE, dtype=torch.bool)
    elsewhere[6:26, 6:26] = False
    assert contrast[12:20, 12:20].mean() > 3 * contrast[elsewhere].mean()


@pytest.mark.usefixtures("_short")
def test_steps_are_counted_through() -> None:
    heard: list[tuple[int, int]] = []
    mean_face_from_weights(looking(), None, callback=lambda step: heard.append((step.number, step.steps)))
    assert heard == [(number, 13) for number in range(1, 14)]


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("at", [2, 10])
def test_stopping_ends_it(at: int) -> None:
    def stop(step: Step) -> None:
        if step.number == at:
            raise StopInversion

    with pytest.raises(StopInversion):
        mean_face_from_weights(looking(), None, callback=stop)


@pytest.mark.usefixtures("_short")
def test_class_centres_are_dreamt_of_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    targets: list[Tensor] = []

    class Recording(dream.CosineTarget):
        def __init__(self, templates: Tensor) -> None:
            targets.append(templates)
            super().__init__(templates)

    monkeypatch.setattr(dream, "CosineTarget", Recording)
    centres = F.normalize(torch.randn(20, 6, generator=torch.Generator().manual_seed(2)))
    network = Recogniser(
        Looking(), name="looking", preprocessing=Preprocessing(input_size=SIZE), centres=centres
    )
    mean_face_from_weights(network.freeze(), None)
    for chosen in targets:
        matches = (chosen @ centres.T > 0.9999).sum(1)
        assert torch.equal(matches, torch.ones(TEMPLATES, dtype=matches.dtype))
    assert not torch.equal(targets[0], targets[1])


@pytest.mark.usefixtures("_short")
def test_each_round_begins_at_one_image_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[Tensor] = []

    class Recording(dream.Pixels):
        def __init__(self, start: Tensor) -> None:
            starts.append(start.clone())
            super().__init__(start)

    monkeypatch.setattr(dream, "Pixels", Recording)
    mean_face_from_weights(looking(), None)
    assert [len(start) for start in starts] == [TEMPLATES] * 3
    assert not torch.equal(starts[0][0], starts[0][1])
    for start in starts[1:]:
        assert torch.equal(start[0], start[-1])

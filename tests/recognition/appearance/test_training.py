"""Training of the guide on pictures whose numbers follow from where a spot is."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from recognition.appearance.training import LabelledFaces, drawn_faces, labelled, train_guide
from recognition.errors import InputError
from tests.recognition.conftest import write_people

SIDE = 56


def spots(count: int) -> LabelledFaces:
    """Return pictures of a bright spot: yaw is its place to the right, pitch its place upwards."""
    generator = torch.Generator().manual_seed(0)
    places = 2 * torch.rand(count, 2, generator=generator) - 1
    axis = torch.linspace(-1, 1, SIDE)
    across = (axis[None, None] - 0.6 * places[:, :1, None]) ** 2
    down = (axis[None, :, None] + 0.6 * places[:, 1:, None]) ** 2
    pictures = (-(across + down) / 0.05).exp()[:, None]
    noise = torch.randn(count, 3, generator=generator)
    values = torch.cat([30 * places[:, :1], 10 * places[:, 1:], noise], 1)
    return LabelledFaces(pictures, values, [f"person {index // 4}" for index in range(count)])


def test_what_can_be_learned_is_learned_for_other_people() -> None:
    faces = spots(400)
    before = torch.random.get_rng_state()
    guide, validation = train_guide(faces, epochs=6, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert validation.faces == 40
    assert validation.correlation["yaw"] > 0.9
    assert validation.correlation["pitch"] > 0.9
    # Noise cannot be predicted.
    assert abs(validation.correlation["eyes"]) < 0.6
    images = faces.pictures.expand(-1, 3, -1, -1)
    error = (guide.values(images)[:, 0] - faces.values[:, 0]).abs().mean()
    assert float(error) < 6
    assert float(guide.labels.mean[0]) == pytest.approx(0, abs=1e-5)


def test_the_same_seed_gives_the_same_guide() -> None:
    faces = spots(120)

    def weights(seed: int) -> list[Tensor]:
        return list(train_guide(faces, epochs=1, seed=seed)[0].state_dict().values())

    first = weights(0)
    assert all(map(torch.equal, first, weights(0)))
    assert not all(map(torch.equal, first, weights(1)))


def test_people_and_photographs_that_are_kept_out_are_not_drawn(tmp_path: Path) -> None:
    folder = write_people(tmp_path / "faces", [f"P{number:02}" for number in range(12)], 10)
    drawn = drawn_faces(folder, 500, seed=0, without=["P03"], reserved={"P05": "P05_0010.png"})
    assert len(drawn) == len(set(drawn)) == 109
    names = {path.parent.name for path in drawn}
    assert len(names) == 11
    assert "P03" not in names
    assert folder / "P05" / "P05_0010.png" not in drawn
    assert drawn_faces(folder, 20, seed=0, without=["P03"], reserved={"P05": "P05_0010.png"}) == drawn[:20]
    assert drawn_faces(folder, 20, seed=1) != drawn_faces(folder, 20, seed=0)


def test_too_few_faces_are_refused(people: Path) -> None:
    with pytest.raises(InputError, match=r"expected at least 100 faces to train a guide on, found 28"):
        drawn_faces(people, 500, seed=0)


def test_labels_come_from_landmarks(people: Path) -> None:
    paths = sorted(people.rglob("*.png"))[:2]
    faces = labelled(paths)
    assert faces.pictures.shape == (2, 1, SIDE, SIDE)
    assert faces.values.shape == (2, 5)
    assert faces.people == ["Person_00", "Person_00"]
    assert bool(faces.values.isfinite().all())

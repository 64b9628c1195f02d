"""Sub-centres: which is dominant, and which photographs are nearest to each."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.clusters import cluster_photographs
from recognition.data.sources import FaceSource, open_source
from recognition.errors import InputError
from recognition.images import write_png
from recognition.recogniser import Recogniser
from recognition.subcentres import (
    SubCentres,
    one_centre_each,
    subcentres_of_centres,
    subcentres_of_weights,
)


def test_the_longest_is_dominant_and_stands_for_the_class() -> None:
    weights = torch.tensor([[[3.0, 0], [0, 1], [1, 1]], [[0.5, 0], [0, 0.2], [0, -4]]])
    found = subcentres_of_weights(weights)
    assert found.count == 3
    assert found.dominant is not None
    assert found.dominant.tolist() == [0, 2]
    torch.testing.assert_close(found.directions.norm(dim=2), torch.ones(2, 3))
    assert one_centre_each(weights).tolist() == [[3, 0], [0, -4]]


def test_of_equally_long_ones_none_is_known_to_be_dominant() -> None:
    weights = F.normalize(torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0)), dim=2)
    assert subcentres_of_weights(weights).dominant is None
    torch.testing.assert_close(one_centre_each(weights), weights.mean(1))


def test_the_centre_of_a_class_says_which_is_dominant() -> None:
    directions = F.normalize(torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(1)), dim=2)
    dominant = torch.tensor([2, 0, 1, 1, 2])
    centres = directions[torch.arange(5), dominant]
    # As in a file of half precision.
    found = subcentres_of_centres(directions.half().float(), centres.half().float())
    assert found.dominant is not None
    assert torch.equal(found.dominant, dominant)


class Colour(nn.Module):
    """The mean red and green of a prepared image."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))[:, :2]


@pytest.fixture
def colours(tmp_path: Path) -> FaceSource:
    """Photographs of one colour each, of two people; one file is damaged."""
    faces = {"Ann": {"a": (255, 128), "b": (255, 200), "c": (128, 255), "d": (0, 128)}, "Bob": {"e": (1, 1)}}
    for person, photographs in faces.items():
        (tmp_path / person).mkdir()
        for name, (red, green) in photographs.items():
            picture = np.full((112, 112, 3), (red, green, 0), dtype=np.uint8)
            write_png(tmp_path / person / f"{name}.png", picture)
    (tmp_path / "Ann" / "z.png").write_bytes(b"not a picture")
    return open_source(tmp_path)


def test_photographs_are_at_their_nearest_centre_by_their_angle(colours: FaceSource) -> None:
    recogniser = Recogniser(
        Colour(), name="colour", centres=torch.eye(2), class_names=("Ann", "Bob")
    ).freeze()
    axes = torch.tensor([[1.0, 0], [0, 1], [0, -1]])
    found = cluster_photographs(recogniser, SubCentres(torch.stack([axes, axes]), None), colours, 0)
    red = [near.key.stem for near in found[0]]
    assert red == ["a", "b"]
    # 128 is 0.5 / 255 above the middle, 200 is 72.5 / 127.5.
    assert found[0][0].angle == pytest.approx(math.degrees(math.atan2(0.5, 127.5)), abs=1e-3)
    assert found[0][1].angle == pytest.approx(math.degrees(math.atan2(72.5, 127.5)), abs=1e-3)
    # A photograph at the opposite of the first axis is nearest to the axis that it is least away from.
    assert [near.key.stem for near in found[1]] == ["c", "d"]
    assert found[1][1].angle == pytest.approx(math.degrees(math.acos(0.5 / math.hypot(0.5, 127.5))), abs=1e-3)
    assert found[2] == []


def test_a_class_without_photographs_or_names_is_refused(colours: FaceSource) -> None:
    named = Recogniser(Colour(), name="colour", centres=torch.eye(2), class_names=("Ann", "Cat")).freeze()
    subcentres = SubCentres(torch.eye(2).expand(2, 2, 2), None)
    with pytest.raises(InputError, match="expected training photographs of Cat, found none"):
        cluster_photographs(named, subcentres, colours, 1)
    nameless = Recogniser(Colour(), name="colour", centres=torch.eye(2)).freeze()
    with pytest.raises(InputError, match="network with class names, got colour"):
        cluster_photographs(nameless, subcentres, colours, 0)

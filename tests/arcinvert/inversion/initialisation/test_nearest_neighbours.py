"""Initial images from the nearest public faces, another number of them in each restart."""

import pytest
import torch

from arcinvert.inversion.initialisation.nearest_neighbours import NearestNeighbourFaces
from arcinvert.knowledge.nearest_neighbours import NEAREST
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge, request
from tests.arcinvert.inversion.networks import templates


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("restart", [0, 1, 2, 3])
def test_a_restart_averages_its_number_of_neighbours(restart: int, whiten: bool) -> None:
    knowledge = full_knowledge()
    neighbours = knowledge.nearest_neighbours
    assert neighbours is not None
    asked = request(knowledge=knowledge, whiten=whiten)
    faces = NearestNeighbourFaces().faces(templates(2), asked, restart)
    expected = neighbours.mean_faces(templates(2), NEAREST[restart % 5], whiten=whiten)
    assert torch.equal(faces, expected)


def test_restarts_begin_at_means_of_other_numbers_of_neighbours() -> None:
    assert NearestNeighbourFaces.restarts == len(set(NEAREST)) == 5
    assert NearestNeighbourFaces.near

"""The mean of public faces, for everyone the same."""

import torch

from arcinvert.inversion.initialisation.mean_face import MeanFace
from tests.arcinvert.inversion.initialisation.knowledge import mean_face, request
from tests.arcinvert.inversion.networks import templates


def test_it_is_the_known_mean_for_every_template() -> None:
    faces = MeanFace().faces(templates(3), request(), restart=1)
    assert torch.equal(faces, mean_face().expand(3, -1, -1, -1))

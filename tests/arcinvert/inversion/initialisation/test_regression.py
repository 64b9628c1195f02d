"""Initial images from the regression, the same in each restart but for their noise."""

import torch

from arcinvert.inversion.initialisation.regression import RegressionFaces
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge, request
from tests.arcinvert.inversion.networks import templates


def test_it_is_the_regressions_face_in_every_restart() -> None:
    knowledge = full_knowledge()
    assert knowledge.regression is not None
    expected = knowledge.regression.faces(templates(2))
    for restart in range(2):
        faces = RegressionFaces().faces(templates(2), request(knowledge=knowledge), restart)
        assert torch.equal(faces, expected)
    assert not torch.equal(expected[0], expected[1])

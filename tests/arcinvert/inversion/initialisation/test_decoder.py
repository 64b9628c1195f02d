"""Initial images from a decoder: its faces, the same in each restart but for their noise."""

import torch

from arcinvert.inversion.initialisation.decoder import DecodedFaces
from recognition.images import resized
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge, request
from tests.arcinvert.inversion.networks import SIZE, templates


def test_it_is_the_decoders_face_in_every_restart() -> None:
    knowledge = full_knowledge()
    assert knowledge.decoder is not None
    expected = resized(knowledge.decoder(templates(2)).clamp(0, 1), SIZE)
    for restart in range(2):
        faces = DecodedFaces().faces(templates(2), request(knowledge=knowledge), restart)
        torch.testing.assert_close(faces, expected)
    assert not torch.equal(expected[0], expected[1])


def test_by_the_weights_alone_there_is_none() -> None:
    assert full_knowledge().at("weights").decoder is None
    assert full_knowledge().at("public-faces").decoder is not None

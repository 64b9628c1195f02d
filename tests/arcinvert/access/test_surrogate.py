"""The surrogate in the embedding space of a black box."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arcinvert.access.black_box import BlackBox, embedding_function, function_ask
from arcinvert.access.faces import PublicFaces
from arcinvert.access.meter import QueryMeter
from arcinvert.access.surrogate import MappedRecogniser, embedded_faces, queried, with_faces
from arcinvert.knowledge.embedding_map import EmbeddingMap
from arcinvert.knowledge.knowledge import Knowledge
from recognition.errors import InputError
from recognition.recogniser import Recogniser


def faces(count: int, size: int = 112) -> PublicFaces:
    """Return images of noise as faces."""
    crops = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return PublicFaces(crops, "public faces")


def test_a_mapped_recogniser_is_the_surrogate_then_the_map(tiny: Recogniser) -> None:
    draw = np.random.default_rng(0)
    between = EmbeddingMap(draw.normal(size=(32, 7)), draw.normal(size=7), 0.5, 10)
    mapped = MappedRecogniser(tiny, between, name="mapped").freeze()
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = mapped(images)
    own = tiny(images).detach().double().numpy()
    expected = F.normalize(torch.from_numpy(own @ between.matrix + between.offset)).float()
    torch.testing.assert_close(found.detach(), expected, atol=1e-5, rtol=0)
    assert mapped.embedding_size == 7
    found.sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    # The names of layers are those of the surrogate, by which its statistics are found.
    assert {name for name, _ in tiny.named_modules()} == {name for name, _ in mapped.named_modules()}


def test_each_face_is_shown_once_and_no_more_than_asked(tiny: Recogniser) -> None:
    meter = QueryMeter(1000)
    box = BlackBox(function_ask(embedding_function(tiny), "embeddings"), "embeddings", meter, name="tiny")
    answers = queried(box, faces(20), 15)
    assert meter.count == len(answers) == 15
    np.testing.assert_allclose(answers, embedded_faces(tiny, faces(20))[:15], atol=1e-5)
    more = queried(box, faces(20), 18, answers)
    assert meter.count == len(more) == 18
    np.testing.assert_allclose(more, embedded_faces(tiny, faces(20))[:18], atol=1e-5)


def test_too_few_faces_are_refused(tiny: Recogniser) -> None:
    ask = function_ask(embedding_function(tiny), "embeddings")
    box = BlackBox(ask, "embeddings", QueryMeter(8), name="tiny")
    with pytest.raises(InputError, match="queries: expected 10 public faces"):
        queried(box, faces(20), 20)


def test_faces_are_known_with_their_templates(tiny: Recogniser) -> None:
    shown = faces(12)
    templates = np.random.default_rng(0).normal(size=(12, 32)) * 3
    knowledge = Knowledge("public-faces", torch.zeros(3, 112, 112), "nobody")
    found = with_faces(knowledge, tiny, shown, templates, exact=6)
    neighbours = found.nearest_neighbours
    assert neighbours is not None
    unit = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    np.testing.assert_allclose(neighbours.templates.float().numpy(), unit, atol=2e-3)
    # Six faces are too few for a regression on 32 dimensions.
    assert found.regression is None
    assert found.statistics is not None
    assert found.statistics.template_faces == "public faces"

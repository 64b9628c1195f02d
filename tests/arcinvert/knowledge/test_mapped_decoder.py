"""The bundled decoder behind a map: templates give the faces of those that they are mapped to, and a map is
fitted once."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.parametrisations.decoder import DecodedCodes
from arcinvert.knowledge import mapped_decoder
from arcinvert.knowledge.decoder_file import find_decoder
from arcinvert.knowledge.embedding_map import FEWEST_FACES, EmbeddingMap
from arcinvert.knowledge.face_pca import faces_of, pca_coefficients_of
from arcinvert.knowledge.mapped_decoder import MappedDecoder, map_bundled_decoder
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS, NearestNeighbours
from arcinvert.knowledge.synthetic_faces import draw_faces
from recognition.images import resized
from recognition.loading import BUNDLED, load
from recognition.recogniser import Recogniser
from tests.arcinvert.inversion.initialisation.knowledge import random_decoder
from tests.arcinvert.inversion.networks import DIM, templates

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path / "cache"))


def rotated_and_doubled(dim: int = DIM) -> tuple[MappedDecoder, Tensor]:
    """Return a decoder behind a map that rotates and doubles, and the rotation."""
    rotation = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(0)))[0]
    between = EmbeddingMap(2 * rotation.double().numpy(), np.zeros(dim), 0.5, 60)
    return MappedDecoder(random_decoder(dim), between, "another"), rotation


def test_it_decodes_the_mapped_template_at_unit_norm() -> None:
    mapped, rotation = rotated_and_doubled()
    wanted = templates(3) @ rotation
    torch.testing.assert_close(mapped.mapped(templates(3)), wanted)
    torch.testing.assert_close(mapped.decoded(templates(3), 20), mapped.decoder.decoded(wanted, 20))
    torch.testing.assert_close(mapped.codes(templates(3)), mapped.decoder.codes(wanted))
    assert mapped.faces == "60 faces of nobody"
    assert mapped.shows_people
    assert mapped.photographs is mapped.decoder.photographs


def test_it_is_a_parametrisation_that_begins_at_the_initial_images() -> None:
    mapped, rotation = rotated_and_doubled()
    start = resized(faces_of(torch.zeros(2, 5)), 32).clamp(0, 1)
    found = DecodedCodes(start, mapped, templates(2)).images()
    torch.testing.assert_close(found, DecodedCodes(start, mapped.decoder, templates(2) @ rotation).images())


class Linear(Recogniser):
    """In place of the bundled network: embeddings are a linear function of a few pixels."""

    def __init__(self, like: Recogniser) -> None:
        super().__init__(torch.nn.Identity(), name=like.name, preprocessing=like.preprocessing)
        self.source = like.source
        generator = torch.Generator().manual_seed(1)
        self._dim = like.embedding_size
        self.register_buffer("weight", torch.randn(3 * 8 * 8, self._dim, generator=generator))
        self.calls = 0

    @property
    def embedding_size(self) -> int:
        return self._dim

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return F.normalize((resized(images, 8) - 0.5).flatten(1) @ self.weight)


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch) -> Linear:
    """Put a network of no cost in the place of the bundled one, whose decoder it keeps."""
    linear = Linear(load(BUNDLED)).freeze()
    monkeypatch.setattr(mapped_decoder, "load", lambda name: {BUNDLED: linear}[name])
    assert find_decoder(linear) is not None
    return linear


def neighbours_of(images: Tensor, dim: int = 64) -> NearestNeighbours:
    """Return faces with templates that are others' pixels: what another linear network would say of them."""
    weight = torch.randn(3 * 8 * 8, dim, generator=torch.Generator().manual_seed(2))
    rows = F.normalize((resized(images, 8) - 0.5).flatten(1) @ weight)
    return NearestNeighbours(rows.half(), pca_coefficients_of(images, COEFFICIENTS).half())


def test_the_map_of_synthetic_faces_is_fitted_on_the_faces_themselves(bundled: Linear) -> None:
    images = torch.cat(list(draw_faces(320, size=112)))
    mapped = map_bundled_decoder(neighbours_of(images), CPU)
    assert mapped is not None
    assert mapped.between.faces == 320
    assert mapped.network == BUNDLED
    assert mapped.between.explained > 0.8
    others = torch.cat(list(draw_faces(16, size=112, seed=9)))
    found = mapped.mapped(neighbours_of(others).templates.float())
    assert F.cosine_similarity(found, bundled(others)).min() > 0.85
    assert f"explains {mapped.between.explained:.2f} of the variance" in mapped.described("linear")


def test_photographs_are_shown_by_their_coefficients(bundled: Linear) -> None:
    """The map is that of the faces which the coefficients show, each with its mirror image."""
    coefficients = torch.randn(80, COEFFICIENTS, generator=torch.Generator().manual_seed(3)).half()
    images = resized(faces_of(coefficients.float()).clamp(0, 1), 112)
    wanted = F.normalize(bundled(images) + bundled(images.flip(-1)))
    bundled.calls = 0
    # Templates that are those very embeddings: the map is the identity but for its ridge.
    mapped = map_bundled_decoder(NearestNeighbours(wanted.half(), coefficients), CPU)
    assert mapped is not None
    assert bundled.calls == 4
    assert F.cosine_similarity(mapped.mapped(wanted), wanted).min() > 0.99


def test_a_map_is_kept_and_a_damaged_one_fitted_again(
    bundled: Linear, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    neighbours = neighbours_of(torch.cat(list(draw_faces(30, size=112))))
    first = map_bundled_decoder(neighbours, CPU)
    calls = bundled.calls
    again = map_bundled_decoder(neighbours, CPU)
    assert first is not None
    assert again is not None
    assert bundled.calls == calls > 0
    assert np.array_equal(first.between.matrix, again.between.matrix)
    assert first.between.explained == again.between.explained
    (file,) = (tmp_path / "cache").iterdir()
    # Other templates have a map of their own.
    other = NearestNeighbours(neighbours.templates.flip(1), neighbours.pca_coefficients)
    map_bundled_decoder(other, CPU)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    file.write_bytes(file.read_bytes()[:-40])
    calls = bundled.calls
    with caplog.at_level(logging.WARNING):
        third = map_bundled_decoder(neighbours, CPU)
    assert third is not None
    assert "mapping again" in caplog.text
    assert bundled.calls > calls
    assert np.array_equal(first.between.matrix, third.between.matrix)


def test_a_cache_that_cannot_be_written_is_no_error(
    bundled: Linear, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path / "file"))
    assert map_bundled_decoder(neighbours_of(torch.cat(list(draw_faces(12, size=112)))), CPU) is not None


def test_too_few_faces_have_no_map(bundled: Linear) -> None:
    few = neighbours_of(torch.cat(list(draw_faces(FEWEST_FACES - 1, size=112))))
    assert map_bundled_decoder(few, CPU) is None

"""Synthetic faces: drawn by a seed, symmetric, with the variances of people, and nobody's."""

import itertools

import numpy as np
import pytest
import torch

from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import Judge
from arcinvert.knowledge.face_pca import load_face_pca
from arcinvert.knowledge.synthetic_faces import (
    OTHER_DEVIATION,
    PEOPLE_VARIANCE,
    draw_coefficients,
    draw_faces,
    draw_people,
    load_identity_directions,
)
from arcinvert.subjects.references import shipped_references
from recognition.images import to_uint8
from recognition.loading import load


def faces(count: int, seed: int = 0, size: int = 32) -> torch.Tensor:
    """Return synthetic faces in one tensor."""
    return torch.cat(list(draw_faces(count, size=size, seed=seed)))


def test_faces_follow_from_the_seed() -> None:
    torch.manual_seed(7)
    first, other = faces(70), faces(5, seed=1)
    torch.manual_seed(8)
    assert torch.equal(first, faces(70))
    # Fewer faces are the first ones of more.
    assert torch.equal(first[:5], faces(5))
    assert not torch.equal(first[:5], other)
    assert len({face.numpy().tobytes() for face in first}) == 70


def test_faces_are_symmetric_images() -> None:
    batches = list(draw_faces(70, size=20))
    assert [batch.shape for batch in batches] == [(64, 3, 20, 20), (6, 3, 20, 20)]
    for batch in batches:
        assert torch.equal(batch, batch.flip(-1))
        assert 0 <= float(batch.min()) < float(batch.max()) <= 1


def test_directions_are_orthonormal_symmetric_and_sorted() -> None:
    variances, directions = load_identity_directions()
    torch.testing.assert_close(directions @ directions.T, torch.eye(len(variances)), rtol=0, atol=2e-3)
    assert (variances.diff() <= 0).all()
    assert (variances > 0).all()
    _, components, _ = load_face_pca()
    antisymmetric = (
        (components[: directions.shape[1]] != components[: directions.shape[1]].flip(-1)).flatten(1).any(1)
    )
    assert 0 < int(antisymmetric.sum()) < len(antisymmetric)
    assert not directions[:, antisymmetric].any()


def test_coefficients_have_the_variances_of_people() -> None:
    drawn = draw_coefficients(4000, torch.Generator().manual_seed(0))
    variances, directions = load_identity_directions()
    found = (drawn[:, : directions.shape[1]] @ directions.T).var(0)
    # The standard error of a variance of 4,000 is 2 %.
    torch.testing.assert_close(found, PEOPLE_VARIANCE * variances, rtol=0.1, atol=0)
    _, components, _ = load_face_pca()
    beyond = torch.arange(len(components)) >= directions.shape[1]
    symmetric = (components == components.flip(-1)).flatten(1).all(1)
    others = drawn[:, beyond & symmetric].std(0)
    torch.testing.assert_close(others, torch.full_like(others, OTHER_DEVIATION), rtol=0.1, atol=0)
    assert not drawn[:, ~symmetric].any()


def test_no_face_is_nearer_to_a_person_than_strangers_are(judge: Judge) -> None:
    references = shipped_references(load().class_names or ())
    photographs = [one.reference for one in references.values()]
    known = np.stack([one.source if one.second is None else one.second for one in photographs])
    crops = to_crop_size(to_uint8(torch.cat(list(itertools.islice(draw_faces(24, size=112), 1)))))
    distances = np.linalg.norm(judge.embed(list(crops))[:, None] - known, axis=-1)
    for point in thresholds():
        # The share of strangers' photographs beyond the threshold is the false match rate.
        assert (1 - distances > point.similarity).mean() <= point.fmr


def test_photographs_of_a_person_share_what_people_differ_in() -> None:
    faces = draw_people(3, 2, size=112)
    assert faces.shape == (6, 3, 112, 112)
    assert 0 <= float(faces.min()) < float(faces.max()) <= 1
    assert torch.equal(faces, draw_people(3, 2, size=112))
    assert not torch.equal(faces, draw_people(3, 2, size=112, seed=1))
    # Photographs of one person differ, and are turned.
    assert not torch.allclose(faces[0], faces[1], atol=0.01)
    assert not torch.allclose(faces[0], faces[0].flip(-1), atol=0.01)


def test_synthetic_people_agree_along_the_directions_of_people(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[torch.Tensor] = []

    def record(coefficients: torch.Tensor) -> torch.Tensor:
        drawn.append(coefficients)
        return torch.zeros(len(coefficients), 3, 8, 8)

    monkeypatch.setattr("arcinvert.knowledge.synthetic_faces.faces_of", record)
    draw_people(400, 2, size=8)
    variances, directions = load_identity_directions()
    places = (drawn[0][:, : directions.shape[1]] @ directions.T).reshape(400, 2, -1)
    torch.testing.assert_close(places[:, 0], places[:, 1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(places[:, 0].var(0), PEOPLE_VARIANCE * variances, rtol=0.35, atol=0)

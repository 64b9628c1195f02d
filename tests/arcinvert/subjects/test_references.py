"""References of the judge: shipped with the package for one list of classes alone."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from arcinvert.evaluation.judges import Judge
from arcinvert.subjects import class_list_digest, class_subjects, references, shipped_references
from recognition.loading import load
from recognition.recogniser import Recogniser


def test_shipped_references_are_of_one_class_list_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Recogniser, judge: Judge
) -> None:
    names = ("Ann Able", "Bob Baker", "Cat Charlie", "Dan Dog", "Eve Easy")
    (tmp_path / "data").mkdir()
    embeddings = np.random.default_rng(0).normal(size=(5, 128)).astype(np.float32)
    save_file(
        {"embeddings": embeddings, "ceilings": np.array([0.5, np.nan, 0.7, 0.6, np.nan], dtype=np.float32)},
        tmp_path / "data" / "references.safetensors",
        {"classes_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest()},
    )
    monkeypatch.setattr(references, "files", lambda package: tmp_path)
    shipped_references.cache_clear()
    try:
        shipped = shipped_references(names)
        others = shipped_references(names[::-1])
        fewer = shipped_references(names[:4])
        subjects = class_subjects(tiny, [2, 1], judge)
    finally:
        shipped_references.cache_clear()
    assert sorted(shipped) == sorted(names)
    assert shipped["Bob Baker"].second == pytest.approx(embeddings[1])
    assert shipped["Ann Able"].ceiling == pytest.approx(0.5)
    assert shipped["Bob Baker"].ceiling is None
    assert shipped["Cat Charlie"].source is None
    assert others == fewer == {}
    assert subjects[0].reference.second == pytest.approx(embeddings[2])
    assert subjects[1].reference.second == pytest.approx(embeddings[1])


def test_the_shipped_references_are_of_the_bundled_classes() -> None:
    names = load().class_names
    assert names is not None
    shipped = shipped_references(names)
    assert len(shipped) == len(names)
    embeddings = np.stack(
        [reference.second for reference in shipped.values() if reference.second is not None]
    )
    assert embeddings.shape == (len(names), 128)
    assert np.isfinite(embeddings).all()
    ceilings = [reference.ceiling for reference in shipped.values() if reference.ceiling is not None]
    assert len(ceilings) > 1000
    assert 0.3 < np.median(ceilings) < 0.9


def test_a_list_of_classes_has_a_digest_of_its_order() -> None:
    assert class_list_digest(["a", "b"]) == class_list_digest(("a", "b"))
    assert len({class_list_digest(names) for names in (["a", "b"], ["b", "a"], ["ab"], ["a"])}) == 4

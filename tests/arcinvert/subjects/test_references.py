"""References of the judge: shipped with the package for one list of classes alone."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from arcinvert.evaluation.judges import Judge
from arcinvert.subjects import (
    class_list_digest,
    class_subjects,
    references,
    shipped_references,
    training_notes,
    training_photographs,
)
from benchmarks.make_references import training_counts
from recognition.checkpoint import load_notes
from recognition.loading import bundled_path, load
from recognition.recogniser import Recogniser


def test_shipped_references_are_of_one_class_list_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Recogniser, judge: Judge
) -> None:
    names = ("Ann Able", "Bob Baker", "Cat Charlie", "Dan Dog", "Eve Easy")
    (tmp_path / "data").mkdir()
    embeddings = np.random.default_rng(0).normal(size=(5, 128)).astype(np.float32)
    save_file(
        {
            "embeddings": embeddings,
            "ceilings": np.array([0.5, np.nan, 0.7, 0.6, np.nan], dtype=np.float32),
            "trained_on": np.array([9, 1, 12, 3, 1], dtype=np.int32),
            "held_out": np.array([1, 0, 1, 0, 0], dtype=np.uint8),
        },
        tmp_path / "data" / "references.safetensors",
        {"classes_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest()},
    )
    monkeypatch.setattr(references, "files", lambda package: tmp_path)
    shipped_references.cache_clear()
    try:
        shipped = shipped_references(names)
        others = shipped_references(names[::-1])
        fewer = shipped_references(names[:4])
        counts = training_photographs(tiny)
        subjects = class_subjects(tiny, [2, 1, 3], judge)
    finally:
        shipped_references.cache_clear()
    assert sorted(shipped) == sorted(names)
    assert counts == (9, 1, 12, 3, 1)
    # Kept out of training: Type II. One of those that the class was trained on: Type I.
    assert shipped["Ann Able"].reference.second == pytest.approx(embeddings[0])
    assert shipped["Ann Able"].reference.source is None
    assert shipped["Ann Able"].reference.ceiling == pytest.approx(0.5)
    assert shipped["Bob Baker"].reference.source == pytest.approx(embeddings[1])
    assert shipped["Bob Baker"].reference.second is None
    assert shipped["Bob Baker"].reference.ceiling is None
    assert others == fewer == {}
    assert subjects[0].reference.second == pytest.approx(embeddings[2])
    assert subjects[1].reference.source == pytest.approx(embeddings[1])
    assert [subject.photographs for subject in subjects] == [12, 1, 3]
    assert training_notes(subjects, photos=False) == [
        "Class 2: Cat Charlie, trained on 12 photographs; the judge compares with another one, kept out of "
        "training (Type II).",
        "Class 1: Bob Baker, trained on 1 photograph; the judge compares with that same photograph (Type I).",
        "Class 3: Dan Dog, trained on 3 photographs; the judge compares with one of them (Type I).",
    ]
    assert "only if they did not train" in training_notes(subjects, photos=True)[0]
    assert (
        "Of 6 classes, 4 are judged by a photograph that trained"
        in training_notes(subjects * 2, photos=False)[-1]
    )


def test_photographs_of_a_class_of_another_network_are_not_known(tiny: Recogniser, judge: Judge) -> None:
    subjects = class_subjects(tiny, [0], judge)
    assert training_photographs(tiny) is None
    assert subjects[0].photographs is None
    assert training_notes(subjects, photos=False) == []


def test_counts_are_those_of_the_split(tmp_path: Path) -> None:
    folders = {name: [tmp_path / f"{name}{i}.png" for i in range(n)] for name, n in (("a", 1), ("b", 11))}
    split = {"reserved": {"b": "b10.png"}, "train_images": 11}
    counts = training_counts(("b", "a"), folders, split)
    assert counts["trained_on"].tolist() == [10, 1]
    assert counts["held_out"].tolist() == [1, 0]
    with pytest.raises(SystemExit, match="expected the 12 photographs"):
        training_counts(("b", "a"), folders, split | {"train_images": 12})


def test_the_shipped_references_are_of_the_bundled_classes() -> None:
    names = load().class_names
    assert names is not None
    shipped = shipped_references(names)
    assert len(shipped) == len(names)
    references_of = [one.reference for one in shipped.values()]
    counts = training_photographs(load())
    assert counts is not None
    notes = load_notes(bundled_path())["split"]
    # What the network's own file says of its training.
    assert sum(counts) == notes["train_images"]
    held_out = {name for name, one in shipped.items() if one.reference.second is not None}
    assert held_out == set(notes["reserved"])
    assert all((one.reference.source is None) == (name in held_out) for name, one in shipped.items())
    embeddings = np.stack([one.second if one.source is None else one.source for one in references_of])
    assert embeddings.shape == (len(names), 128)
    assert np.isfinite(embeddings).all()
    ceilings = [one.ceiling for one in references_of if one.ceiling is not None]
    assert len(ceilings) > 1000
    assert 0.3 < np.median(ceilings) < 0.9


def test_a_list_of_classes_has_a_digest_of_its_order() -> None:
    assert class_list_digest(["a", "b"]) == class_list_digest(("a", "b"))
    assert len({class_list_digest(names) for names in (["a", "b"], ["b", "a"], ["ab"], ["a"])}) == 4

"""Distillation: the loss by hand, the cache, and students that approach their teacher."""

import dataclasses
import os
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recognition.checkpoint import load_notes, load_recogniser, sha256
from recognition.data.dataset import epoch_order
from recognition.errors import InputError
from recognition.images import resized
from recognition.loading import ModelChoice, load
from recognition.training.batches import UNLABELLED
from recognition.training.dry_run import dry_run
from recognition.training.teacher import CACHE, RELATION_WEIGHT, Teacher, distillation_loss
from recognition.training.trainer import Trainer
from tests.recognition.conftest import write_people
from tests.recognition.training.helpers import OPTIONS, log_of, run

STUDENT = dataclasses.replace(OPTIONS, teacher_weight=10.0, epochs=2)


@pytest.fixture(scope="session")
def teacher(trained):
    """A trained network of the same people, as a file."""
    return trained / "model.safetensors"


def test_the_loss_is_that_of_a_naive_loop():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    targets = F.normalize(torch.randn(4, 3, generator=generator, dtype=torch.float64))
    own, relations = 0.0, 0.0
    rows = [row / row.norm() for row in embeddings]
    for first in range(4):
        own += (1 - float(rows[first] @ targets[first])) / 4
        for second in range(4):
            difference = float(rows[first] @ rows[second]) - float(targets[first] @ targets[second])
            relations += difference**2 / 16
    assert float(distillation_loss(embeddings, targets)) == pytest.approx(own + RELATION_WEIGHT * relations)
    assert float(distillation_loss(3 * targets, targets)) == pytest.approx(0, abs=1e-12)
    embeddings.requires_grad_()
    assert torch.autograd.gradcheck(lambda values: distillation_loss(values, targets), embeddings)


def test_each_photograph_is_embedded_once_and_by_its_number(people, teacher, tmp_path, monkeypatch):
    trainer = Trainer(people, STUDENT, device="cpu", precision="float32", teacher=teacher)
    trainer.prepare_teacher(tmp_path, resumed=False)
    embeddings = trainer.teacher.embed(tmp_path)
    network = load(teacher)
    key, _ = trainer.data.dataset.samples[5]
    with torch.no_grad():
        image = trainer.data.read(key)[None]
        expected = F.normalize(network(image) + network(image.flip(-1)))
    torch.testing.assert_close(embeddings[5:6], expected, atol=1e-5, rtol=0)
    assert (tmp_path / CACHE).is_file()

    def never(*_, **__):
        raise AssertionError("embedded again")

    monkeypatch.setattr("recognition.training.batches.embed_readable", never)
    again = Trainer(people, STUDENT, device="cpu", precision="float32", teacher=teacher)
    torch.testing.assert_close(again.teacher.embed(tmp_path), embeddings)


def test_batches_carry_the_numbers_of_their_images(people):
    trainer = Trainer(people, OPTIONS, device="cpu", precision="float32")
    labels = np.array([label for _, label in trainer.data.dataset.samples])
    for _, batch_labels, indices in trainer.batches(1):
        assert batch_labels.tolist() == labels[indices.numpy()].tolist()


def test_a_student_approaches_its_teacher_without_labels(people, teacher, tmp_path):
    options = dataclasses.replace(
        STUDENT,
        epochs=50,
        head_weight=0.0,
        teacher_weight=1.0,
        augmentation="flip",
        dropout=0.0,
        start_size=64,
        image_size=64,
    )
    network = load(teacher)
    data = Trainer(people, OPTIONS, device="cpu", precision="float32").data
    images = torch.stack([data.read(key) for key, _ in data.dataset.samples])

    def similarity(student):
        with torch.no_grad():
            return float((student.eval()(resized(images, 64)) * network(images)).sum(1).mean())

    untrained = Trainer(people, options, device="cpu", precision="float32", teacher=teacher).recogniser()
    student = load_recogniser(run(people, tmp_path, options, teacher=teacher))
    assert abs(similarity(untrained)) < 0.3
    assert similarity(student) > 0.6
    # Nothing trained class centres.
    assert student.centres is None


def test_a_student_with_a_head_has_centres_and_notes_its_teacher(people, teacher, tmp_path):
    path = run(people, tmp_path, dataclasses.replace(STUDENT, epochs=1), teacher=teacher)
    assert load_recogniser(path).centres is not None
    assert load_notes(path)["teacher"] == {"name": load(teacher).name, "sha256": sha256(teacher)}


def test_class_centres_start_as_the_mean_directions_of_the_teachers_embeddings(people, teacher, tmp_path):
    trainer = Trainer(people, STUDENT, device="cpu", precision="float32", teacher=teacher)
    trainer.prepare_teacher(tmp_path, resumed=False)
    embeddings, labels = trainer.teacher.embed().numpy(), trainer.data.labels
    for label in np.unique(labels):
        mean = np.mean([row for row, own in zip(embeddings, labels, strict=True) if own == label], axis=0)
        expected = torch.from_numpy(mean / np.linalg.norm(mean))
        torch.testing.assert_close(trainer.head.centres[label].detach(), expected, atol=1e-5, rtol=0)


def test_trained_centres_of_a_warm_start_are_kept(people, teacher, tmp_path):
    trainer = Trainer(people, STUDENT, device="cpu", precision="float32", teacher=teacher, start_from=teacher)
    trainer.prepare_teacher(tmp_path, resumed=False)
    torch.testing.assert_close(trainer.head.centres.detach(), load(teacher).centres)


def test_a_resumed_student_is_the_uninterrupted_one(people, teacher, tmp_path):
    whole = run(people, tmp_path / "whole", STUDENT, teacher=teacher)
    run(people, tmp_path / "parts", STUDENT, teacher=teacher, stop_after=1)
    parts = run(people, tmp_path / "parts", STUDENT, teacher=teacher)
    first, second = (load_recogniser(path).state_dict() for path in (whole, parts))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert [line["loss"] for line in log_of(whole.parent)] == [line["loss"] for line in log_of(parts.parent)]
    with pytest.raises(InputError, match="another training's"):
        run(people, tmp_path / "parts", dataclasses.replace(STUDENT, teacher_weight=1.0), teacher=teacher)


@pytest.fixture
def unlabelled(tmp_path):
    """Faces of people without names that count, one of them in a folder deeper than the others."""
    folder = write_people(tmp_path / "more", ["x", "y"], 4)
    (folder / "x" / "deeper").mkdir()
    (folder / "x" / "x_0001.png").rename(folder / "x" / "deeper" / "x_0001.png")
    return folder


def test_unlabelled_faces_are_taught_by_the_teacher_and_not_by_the_head(people, teacher, unlabelled):
    options = dataclasses.replace(STUDENT, dropout=0.0, augmentation="flip")
    with_more = Trainer(
        people, options, device="cpu", precision="float32", teacher=teacher, unlabelled=unlabelled
    )
    without = Trainer(people, options, device="cpu", precision="float32", teacher=teacher)
    assert with_more.data.class_names == without.data.class_names
    assert with_more.data.class_photographs == without.data.class_photographs
    assert with_more.data.unlabelled == 8
    assert len(with_more.data.dataset) == len(without.data.dataset) + 8
    torch.testing.assert_close(with_more.data.mean_face, without.data.mean_face)
    # The teacher's embeddings of the labelled photographs and their classes are what they are without.
    labels = with_more.data.labels
    more, plain = with_more.teacher.embed(), without.teacher.embed()
    torch.testing.assert_close(more[labels >= 0], plain)
    torch.testing.assert_close(
        with_more.teacher.class_centres(labels), without.teacher.class_centres(without.data.labels)
    )
    # The loss of a mixed batch is the head's of the labelled rows and the teacher's of all.
    with_more.backbone.eval()
    indices = torch.tensor([0, 1, len(plain), len(plain) + 7])
    images = torch.stack(
        [with_more.data.read(with_more.data.dataset.samples[int(one)][0]) for one in indices]
    )
    given = torch.as_tensor(labels)[indices]
    assert given.tolist()[2:] == [UNLABELLED, UNLABELLED]
    loss, angles = with_more.loss(images, given, indices, 1.0)
    with torch.no_grad():
        embeddings = with_more.backbone((images - 0.5) / 0.5)
        head = with_more.head.loss(embeddings[:2], given[:2], 1.0)
        taught = distillation_loss(embeddings, more[indices])
    torch.testing.assert_close(loss, options.head_weight * head + options.teacher_weight * taught)
    # Of these four faces the angles of the two with a class are counted.
    assert angles.sum() == 2
    alone, angles = with_more.loss(images[2:], given[2:], indices[2:], 1.0)
    torch.testing.assert_close(
        alone, options.teacher_weight * distillation_loss(embeddings[2:], more[indices[2:]])
    )
    assert angles.sum() == 0


def test_a_training_notes_its_unlabelled_faces(people, teacher, unlabelled, tmp_path):
    options = dataclasses.replace(STUDENT, epochs=1, images_per_identity=2)
    (unlabelled / "y" / "y_0001.png").write_bytes(b"no image")
    path = run(people, tmp_path / "run", options, teacher=teacher, unlabelled=unlabelled)
    assert load_notes(path)["unlabelled_images"] == 7
    with pytest.raises(InputError, match="1 of 8 faces cannot be read"):
        run(people, tmp_path / "stop", options, teacher=teacher, unlabelled=unlabelled, on_unreadable="stop")
    with pytest.raises(InputError, match="unlabelled faces: expected a teacher"):
        run(people, tmp_path / "alone", OPTIONS, unlabelled=unlabelled)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found no image"):
        run(people, tmp_path / "none", options, teacher=teacher, unlabelled=tmp_path / "empty")


def test_faces_without_a_class_are_not_kept_together():
    labels = np.array([0, 0, 1, 1] + [UNLABELLED] * 40)
    order = epoch_order(labels, seed=0, epoch=0, images_per_identity=2)
    assert sorted(order) == list(range(44))
    position = {index: place for place, index in enumerate(order)}
    assert abs(position[0] - position[1]) == abs(position[2] - position[3]) == 1
    together = sum(abs(position[one] - position[one + 1]) == 1 for one in range(4, 43))
    assert together < 10


def test_a_dry_run_does_not_embed_the_data(people, teacher, monkeypatch):
    monkeypatch.setattr("recognition.training.dry_run.STEPS", 4)
    monkeypatch.setattr(Teacher, "embed", lambda self, folder=None: self._embeddings)
    assert dry_run(people, STUDENT, device="cpu", precision="float32", teacher=teacher).images_per_second > 0


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"teacher_weight": 1.0}, False, "teacher weight: expected it with --teacher MODEL, got no teacher"),
        (
            {"teacher_weight": 0.0, "head_weight": 0.5},
            False,
            "head weight: expected 1 without --teacher and --aux-loss, got 0.5; another loss must take part",
        ),
        ({"teacher_weight": 0.0}, True, "teacher weight: expected a positive number with --teacher, got 0"),
        (
            {"embedding_size": 8},
            True,
            "embedding size: expected the teacher's 16, got 8; use --embedding-size 16",
        ),
    ],
)
def test_contradictions_are_refused(people, teacher, changes, given, message):
    options = dataclasses.replace(STUDENT, **changes)
    with pytest.raises(InputError) as refused:
        Trainer(people, options, device="cpu", precision="float32", teacher=teacher if given else None)
    assert str(refused.value) == message


def test_another_embedding_size_starts_with_all_but_the_last_layer(people, teacher):
    options = dataclasses.replace(OPTIONS, embedding_size=8)
    trainer = Trainer(people, options, device="cpu", precision="float32", start_from=teacher)
    old, new = load(teacher).backbone.state_dict(), trainer.backbone.state_dict()
    for key, value in new.items():
        if key.startswith(("fc.", "features.")):
            assert value.shape != old[key].shape or key == "features.num_batches_tracked"
        else:
            assert torch.equal(value, old[key]), key
    assert trainer.started_from["centres"] is False


def test_a_teacher_is_embedded_with_its_preset_and_anew_with_another(people, teacher, tmp_path):
    found = {}
    for name in (f"{teacher}@channels=BGR", str(teacher), f"{teacher}@channels=BGR"):
        trainer = Trainer(people, STUDENT, device="cpu", precision="float32", teacher=name)
        embeddings = trainer.teacher.embed(tmp_path)
        torch.testing.assert_close(found.setdefault(name, embeddings), embeddings)
        described = trainer.identity()["teacher"]
        assert described.get("preset") == ("channels=BGR" if "@" in name else None)
        image = trainer.data.read(trainer.data.dataset.samples[5][0])[None]
        network = load(ModelChoice(teacher, preset=described.get("preset")))
        with torch.no_grad():
            expected = F.normalize(network(image) + network(image.flip(-1)))
        torch.testing.assert_close(embeddings[5:6], expected, atol=1e-5, rtol=0)
    assert len(found) == 2


def test_another_face_under_a_name_is_embedded_anew(people, teacher, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(people, data)
    name = os.fsdecode(b"no-t\xe9xt.png")
    first = min(data.rglob("*.png"))
    first = first.rename(first.with_name(name))

    def embeddings():
        trainer = Trainer(data, STUDENT, device="cpu", precision="float32", teacher=teacher)
        keys = [key for key, _ in trainer.data.dataset.samples]
        return trainer.teacher.embed(tmp_path), keys.index(first)

    before, place = embeddings()
    first.write_bytes(max(data.rglob("*.png")).read_bytes())
    after, _ = embeddings()
    changed = (before != after).any(1)
    assert changed.nonzero().flatten().tolist() == [place]


def test_a_face_that_could_not_be_read_is_embedded_once_it_can(people, teacher, tmp_path, monkeypatch):
    trainer = Trainer(people, STUDENT, device="cpu", precision="float32", teacher=teacher)
    expected = trainer.teacher.embed()
    lost, _ = trainer.data.dataset.samples[3]
    read = trainer.data.read

    def fails(key):
        if key == lost:
            raise InputError("for a moment")
        return read(key)

    def fresh(reader):
        trainer = Trainer(people, STUDENT, device="cpu", precision="float32", teacher=teacher)
        trainer.data.read = reader
        return trainer.teacher.embed(tmp_path)

    without = fresh(fails)
    assert not without[3].any()
    torch.testing.assert_close(fresh(fails), without)
    torch.testing.assert_close(fresh(read), expected)

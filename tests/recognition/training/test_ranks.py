"""Two ranks compute what one process does: heads, batch normalisation, and whole trainings."""

import copy
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from recognition.errors import InputError
from recognition.heads import HEADS as HEAD_NAMES
from recognition.heads import build_head
from recognition.training.batch_norm import share_statistics
from recognition.training.group import Group
from recognition.training.optimiser import Optimiser
from recognition.training.sharded_head import ShardedHead, can_be_divided, sample_classes
from recognition.training.trainer import Trainer
from tests.recognition.training.helpers import OPTIONS, log_of, run, stop_at
from tests.recognition.training.ranks import on_ranks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ranks are forked processes")

#: Two epochs of four steps, without dropout, whose random numbers differ between ranks.
TRAINING = replace(OPTIONS, epochs=2, start_size=32, image_size=32, dropout=0.0)
CLASSES, DIM, BATCH = 11, 6, 8
HEADS = ["arcface", "cosface", "norm-softmax", "sphereface", "cm1", "adaface", "magface"]


def batch():
    generator = torch.Generator().manual_seed(1)
    embeddings = 20 * torch.randn(BATCH, DIM, generator=generator)
    return embeddings, torch.tensor([0, 10, 3, 3, 5, 6, 9, -1])


def head_of(name, smoothing=0.0):
    torch.manual_seed(2)
    head = build_head(name, DIM, CLASSES, scale=8.0)
    nn.init.normal_(head.weight)
    head.label_smoothing = smoothing
    return head


def sharded_loss(group, name, smoothing, rate=1.0):
    head = head_of(name, smoothing)
    sharded = ShardedHead(head, group, rate=rate, seed=4)
    embeddings, labels = (part.chunk(group.size)[group.rank].clone() for part in batch())
    embeddings.requires_grad_()
    sharded.start(labels, 5)
    share, cosines = sharded.loss(embeddings, embeddings, labels, 0.7)
    share.backward()
    weights = head.weight if sharded.values is None else sharded.values
    return {
        "share": share.detach(),
        "weight": weights.grad,
        "embeddings": embeddings.grad,
        "cosines": cosines,
        "buffers": dict(head.named_buffers()),
    }


@pytest.mark.parametrize("smoothing", [0.0, -0.05])
@pytest.mark.parametrize("name", HEADS)
def test_a_head_divided_over_ranks_has_the_loss_and_gradients_of_the_whole(name, smoothing):
    """At rate 1."""
    head = head_of(name, smoothing)
    embeddings, labels = batch()
    embeddings.requires_grad_()
    loss = head.loss(embeddings[:-1], labels[:-1], 0.7)
    loss.backward()
    cosines = (F.normalize(embeddings[:-1]) * head.centres[labels[:-1]]).sum(1).detach()
    for size in (1, 2) if name != "arcface" else (1, 2, 4):
        if size == 1:
            found = [sharded_loss(Group(torch.device("cpu")), name, smoothing)]
        else:
            found = on_ranks(size, sharded_loss, name, smoothing)
        torch.testing.assert_close(sum(one["share"] for one in found), loss.detach())
        for key, whole in (("weight", head.weight.grad), ("embeddings", embeddings.grad)):
            torch.testing.assert_close(torch.cat([one[key] for one in found]), whole, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(torch.cat([one["cosines"] for one in found]).sort()[0], cosines.sort()[0])
        for one in found:
            torch.testing.assert_close(one["buffers"], dict(head.named_buffers()))


def test_a_sample_of_classes_is_the_loss_over_those_classes_alone():
    embeddings, labels = batch()
    seen = labels[:-1]
    (alone,) = [sharded_loss(Group(torch.device("cpu")), "arcface", 0.0, 0.7)]
    pair = on_ranks(2, sharded_loss, "arcface", 0.0, 0.7)
    head = head_of("arcface")
    # The draw is known from its own test; the classes that got a gradient are counted.
    assert len(alone["weight"]) == 8
    torch.testing.assert_close(sum(one["share"] for one in pair), alone["share"])
    torch.testing.assert_close(torch.cat([one["weight"] for one in pair]), alone["weight"])
    losses = []
    for dropped in torch.combinations(torch.tensor([k for k in range(CLASSES) if k not in seen]), 3):
        kept = torch.tensor([k for k in range(CLASSES) if k not in dropped])
        part = build_head("arcface", DIM, len(kept), scale=8.0)
        part.weight.data = head.weight.data[kept]
        losses.append(part.loss(embeddings[:-1], torch.searchsorted(kept, seen), 0.7).detach())
    # One of the ways to leave out three of the classes without an image.
    assert min(abs(float(one - alone["share"])) for one in losses) < 1e-5


def test_classes_are_drawn_with_those_of_the_images_and_evenly():
    labels = torch.tensor([3, 3, 90])
    counts = torch.zeros(100)
    for seed in range(400):
        found = sample_classes(labels, 100, 0.1, seed)
        assert len(found) == 10
        assert {3, 90} <= set(found.tolist())
        assert (found.diff() > 0).all()
        counts[found] += 1
    others = counts[[k for k in range(100) if k not in (3, 90)]]
    # 400 draws of 8 in 98 each: 32.7 on average, with a standard deviation of 5.5.
    assert 10 < others.min() < others.max() < 60
    assert len(sample_classes(torch.arange(50), 100, 0.1, 0)) == 50


def overflowing(group):
    head = head_of("arcface")
    sharded = ShardedHead(head, group)
    optimiser = Optimiser([], sharded, [], TRAINING, group=group, dtype=torch.float16)
    found = []
    for overflows in (True, False):
        before = head.weight.detach().clone()
        optimiser.start(0.1)
        embeddings, labels = (part.chunk(2)[group.rank] for part in batch())
        optimiser.backward(sharded.loss(embeddings, embeddings, labels, 1.0)[0])
        if overflows and group.rank == 1:
            head.weight.grad[0, 0] = torch.inf
        optimiser.finish()
        found.append((bool((head.weight != before).any()), optimiser.scaler.get_scale()))
    return found


def test_all_ranks_leave_out_a_step_that_overflows_on_one():
    assert on_ranks(2, overflowing) == [[(False, 2.0**15), (True, 2.0**15)]] * 2


def normalised(group):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.BatchNorm1d(20)).double()
    share_statistics(layers, group)
    images = (10 + torch.randn(6, 3, 4, 4)).double().requires_grad_()
    weights = torch.randn(6, 20).double()
    output = layers(images.chunk(group.size)[group.rank])
    (output * weights.chunk(group.size)[group.rank]).tanh().sum().backward()
    parameters = {name: group.sum_(one.grad) for name, one in layers.named_parameters()}
    return {
        "output": group.gather_plain(output),
        "images": group.sum_(images.grad),
        "parameters": parameters,
        "buffers": dict(layers.named_buffers()),
        "evaluated": layers.eval()(images).detach(),
    }


def test_batch_normalisation_is_over_the_images_of_all_ranks():
    whole = normalised(Group(torch.device("cpu")))
    whole["output"] = whole["output"].detach()
    for one in on_ranks(2, normalised):
        torch.testing.assert_close(one, whole, atol=1e-9, rtol=1e-7)


def trained(group, data, out, options, **rest):
    del group
    run(Path(data), Path(out), options, **rest)


def assert_equal_networks(first, second, atol):
    one, other = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert one.keys() == other.keys()
    for key, value in one.items():
        torch.testing.assert_close(value.float(), other[key].float(), atol=atol, rtol=0, msg=key)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sample_rate": 0.5, "ema": 0.9, "accumulate": 3, "batch_size": 12},
        {"head": "subcentre", "aux_losses": ("contrastive", "dependence"), "images_per_identity": 2},
    ],
    ids=["plain", "sampled", "whole head"],
)
def test_two_ranks_train_what_one_process_trains(options, people, tmp_path):
    """With batch normalisation, whose statistics are those of all ranks."""
    options = replace(TRAINING, learning_rate=0.01, **options)
    run(people, tmp_path / "one", options)
    on_ranks(2, trained, people, tmp_path / "two", options)
    assert_equal_networks(tmp_path / "one", tmp_path / "two", 2e-3)
    for first, second in zip(*(log_of(tmp_path / name) for name in ("one", "two")), strict=True):
        assert first["loss"] == pytest.approx(second["loss"], abs=2e-4)
    angles = [(tmp_path / name / "angles.json").read_text() for name in ("one", "two")]
    assert len(angles[0]) == len(angles[1])


def killed(group, data, out, options):
    whole = Trainer.step

    def step(self, *given):
        if group.rank == 1 and given[:2] == (1, 2):
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, *given)

    Trainer.step = step
    run(Path(data), Path(out), options, save_every=1)


def test_a_training_resumes_after_a_rank_was_killed(people, tmp_path):
    """Bit for bit, dropout included."""
    options = replace(TRAINING, dropout=0.1, sample_rate=0.5, ema=0.5)
    on_ranks(2, trained, people, tmp_path / "whole", options)
    on_ranks(2, killed, people, tmp_path / "again", options)
    assert len(log_of(tmp_path / "again")) == 1
    state = torch.load(tmp_path / "again" / "state.pt", weights_only=True)
    assert state["progress"]["steps"] == 2
    assert len(state["random"]) == 2
    assert state["head"]["weight"].shape == state["average"]["head.weight"].shape
    on_ranks(2, trained, people, tmp_path / "again", options)
    assert_equal_networks(tmp_path / "whole", tmp_path / "again", 0.0)


def test_a_training_goes_on_with_another_number_of_ranks(people, tmp_path, monkeypatch):
    options = replace(TRAINING, learning_rate=0.01)
    run(people, tmp_path / "whole", options)
    with monkeypatch.context() as stopped:
        stop_at(stopped, 1, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(people, tmp_path / "moved", options, save_every=1)
    on_ranks(2, trained, people, tmp_path / "moved", options)
    assert_equal_networks(tmp_path / "whole", tmp_path / "moved", 2e-3)


def test_what_ranks_cannot_do_is_refused(people):
    with pytest.raises(InputError, match="sample rate: expected 1 with head softmax, which needs all class"):
        Trainer(people, replace(TRAINING, head="softmax", margin=None, sample_rate=0.5), device="cpu")
    with pytest.raises(InputError, match="expected 1 with the auxiliary loss intra"):
        Trainer(people, replace(TRAINING, aux_losses=("intra",), sample_rate=0.5), device="cpu")
    group = Group(torch.device("cpu"), 0, 4)
    with pytest.raises(InputError, match="batch size: expected a multiple of 1 parts times 4 ranks, got 6"):
        Trainer(people, TRAINING, device="cpu", group=group, skipped=())
    with pytest.raises(InputError, match="ranks: expected at most the 2 classes, got 4"):
        ShardedHead(build_head("arcface", 4, 2, scale=8.0), group)
    for name in ("subcentre", "a-softmax"):
        with pytest.raises(InputError, match="one centre per class and a fixed scale"):
            ShardedHead(copy.deepcopy(build_head(name, 4, 9, scale=8.0)), group)


@pytest.mark.parametrize("name", HEAD_NAMES)
def test_a_head_is_divided_only_if_the_parts_have_its_loss(name):
    torch.manual_seed(0)
    head = build_head(name, DIM, CLASSES, scale=8.0)
    embeddings, labels = 3 * torch.randn(6, DIM), torch.arange(6) % CLASSES
    whole = head.loss(embeddings, labels, 0.7)
    try:
        sharded = ShardedHead(copy.deepcopy(head), Group(torch.device("cpu")))
    except InputError:
        assert not can_be_divided(head)
        return
    sharded.start(labels, 0)
    torch.testing.assert_close(sharded.loss(embeddings, embeddings, labels, 0.7)[0], whole)

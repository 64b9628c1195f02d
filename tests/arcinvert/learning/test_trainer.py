"""The training of a decoder: reproducible, on faces that are not held out, and better from epoch to epoch."""

from typing import Any

import pytest
import torch
from torch import Tensor

from arcinvert.learning.trainer import DecoderTrainer, running_mean
from recognition.errors import InputError
from tests.arcinvert.learning.trainings import CHANNELS, COUNT, faces, network, options, templates, trainer


def weights(of: DecoderTrainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.result.state_dict().items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_before_training_it_is_the_regression() -> None:
    figures = trainer().validate()
    assert figures["decoder_similarity"] == figures["regression_similarity"]
    assert figures["decoder_pixel_difference"] == figures["regression_pixel_difference"]


def test_training_lowers_the_losses() -> None:
    training = trainer(learning_rate=0.01)
    training.epochs = 8
    totals = [[step.total for step in training.train_epoch(epoch)] for epoch in range(8)]
    assert sum(totals[-1]) < 0.95 * sum(totals[0])


def test_equal_seeds_give_equal_decoders_and_others_another() -> None:
    decoders = []
    for seed in (0, 0, 1):
        training = trainer(seed=seed)
        torch.manual_seed(len(decoders))
        list(training.train_epoch(0))
        decoders.append(weights(training))
    assert same(decoders[0], decoders[1])
    assert not same(decoders[0], decoders[2])


def test_the_network_stays_as_it_is() -> None:
    training = trainer()
    before = {name: value.clone() for name, value in training.recogniser.state_dict().items()}
    list(training.train_epoch(0))
    assert same(before, training.recogniser.state_dict())
    for module in training.recogniser.modules():
        assert not module._forward_hooks
        assert "forward" not in vars(module)


def test_each_epoch_shows_the_training_faces_in_another_order() -> None:
    training = trainer()
    assert len(training.validation) == round(0.1 * COUNT)
    assert sorted([*training.training.tolist(), *training.validation.tolist()]) == list(range(COUNT))
    epochs = [torch.cat([indices for indices, _ in training.batches(epoch)]) for epoch in (0, 1)]
    # 36 faces are four batches of 8, and four faces are left out.
    for seen in epochs:
        assert len(seen) == 32
        assert len(set(seen.tolist())) == 32
        assert not set(seen.tolist()) & set(training.validation.tolist())
    assert not torch.equal(*epochs)


def test_losses_are_weighted_and_those_without_weight_are_left_out() -> None:
    step = next(trainer(pixel_weight=2.0, perceptual_weight=3.0, identity_weight=5.0).train_epoch(0))
    assert step.total == pytest.approx(2 * step.pixel + 3 * step.perceptual + 5 * step.identity, rel=1e-5)
    assert min(step.pixel, step.perceptual, step.identity) > 0
    alone = next(trainer(perceptual_weight=0.0, identity_weight=0.0).train_epoch(0))
    assert (alone.perceptual, alone.identity) == (0, 0)
    unseen = next(trainer(network_fraction=0.0).train_epoch(0))
    assert (unseen.perceptual, unseen.identity) == (0, 0)


def test_the_rate_rises_then_falls_to_zero() -> None:
    training = trainer(epochs=2, learning_rate=0.5)
    training.epochs = 25
    rates = [training.learning_rate(step) for step in range(100)]
    assert rates[:3] == pytest.approx([0.25, 0.5, 0.5], rel=1e-3)
    assert rates[51] == pytest.approx(0.25, rel=1e-6)
    assert rates[-1] < 0.001
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_mirrored_faces_have_the_templates_of_mirror_images(monkeypatch: pytest.MonkeyPatch) -> None:
    training = trainer()
    shown: list[Tensor] = []
    decode = training.decoder.forward

    def recorded(given: Tensor) -> Tensor:
        shown.append(given.clone())
        return decode(given)

    monkeypatch.setattr(training.decoder, "forward", recorded)
    list(training.train_epoch(0))
    batches = list(training.batches(0))
    for given, (indices, mirrored) in zip(shown, batches, strict=True):
        assert 0 < int(mirrored.sum()) < len(mirrored)
        for row, index, side in zip(given, indices, mirrored, strict=True):
            assert torch.equal(row, training.templates[index, 1 if side else 0])


def test_pictures_are_three_rows() -> None:
    training = trainer()
    side = training.decoder.side
    assert training.pictures().shape == (3, 3 * side, 4 * side)


def test_too_few_faces_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"^images: expected at least 14 faces for templates of 3 dimensions, got 12"
    ):
        DecoderTrainer(network(), faces(12), templates(12), options(), channels=CHANNELS)


def test_a_loss_that_is_not_finite_ends_it() -> None:
    training = trainer()
    with torch.no_grad():
        training.decoder.first.weight.fill_(float("inf"))
        training.decoder.levels[-1].enlarge.weight.fill_(1.0)
    with pytest.raises(InputError, match=r"^loss: expected a finite number"):
        list(training.train_epoch(0))


def test_the_running_mean_is_faster_in_the_first_steps() -> None:
    mean, current = torch.zeros(1), torch.ones(1)
    move = running_mean(0.5)
    move([mean], [current], 2)
    # The decay after two steps is 3 / 12.
    assert float(mean) == pytest.approx(0.75)
    move([mean], [current], torch.tensor(1000))
    assert float(mean) == pytest.approx(0.875)

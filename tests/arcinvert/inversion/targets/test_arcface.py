"""The ArcFace loss against a naive recomputation, angle by angle."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from arcinvert.inversion.targets.arcface import ClassTarget
from arcinvert.inversion.targets.base import TargetRequest
from arcinvert.knowledge.whitening import whitening_of
from recognition.errors import InputError
from tests.arcinvert.inversion.networks import linear_recogniser, templates
from tests.arcinvert.inversion.targets.vectors import unit

SCALE, MARGIN = 16.0, 0.5


def naive_arcface(
    embeddings: NDArray[np.float64],
    centres: NDArray[np.float64],
    labels: list[int],
    scale: float,
    margin: float,
) -> list[float]:
    """Return the cross-entropy of ArcFace logits of each embedding."""
    losses = []
    for embedding, label in zip(embeddings, labels, strict=True):
        cosines = [float(np.dot(embedding, centre)) for centre in centres]
        theta = math.acos(cosines[label])
        if theta + margin < math.pi:
            target = math.cos(theta + margin)
        else:
            target = cosines[label] - margin * math.sin(margin)
        logits = [scale * cosine for cosine in cosines]
        logits[label] = scale * target
        highest = max(logits)
        total = sum(math.exp(logit - highest) for logit in logits)
        losses.append(math.log(total) + highest - logits[label])
    return losses


def test_it_is_the_cross_entropy_of_arcface_logits() -> None:
    centres, embeddings = unit(7, 5, seed=0), unit(6, 5, seed=1)
    labels = [0, 3, 6, 3, 1, 5]
    losses = ClassTarget(centres, torch.tensor(labels), scale=SCALE, margin=MARGIN)(embeddings)
    expected = naive_arcface(embeddings.numpy(), centres.numpy(), labels, SCALE, MARGIN)
    assert losses.tolist() == pytest.approx(expected, rel=1e-9)


def test_it_compares_whitened_templates() -> None:
    centres, embeddings = unit(9, 5, seed=0), unit(3, 5, seed=1)
    whitening, labels = whitening_of(centres), [0, 3, 6]
    target = ClassTarget(centres, torch.tensor(labels), scale=SCALE, margin=MARGIN, whitening=whitening)
    whitened = [whitening(vectors).numpy() for vectors in (embeddings, centres)]
    expected = naive_arcface(whitened[0], whitened[1], labels, SCALE, MARGIN)
    assert target(embeddings).tolist() == pytest.approx(expected, rel=1e-9)
    # The similarity of an image is still that to the plain centre.
    assert torch.equal(target.templates, centres[labels])


@pytest.mark.parametrize("whiten", [False, True])
def test_one_of_several_centres_stands_for_the_class_of_its_image(whiten: bool) -> None:
    centres, embeddings, own = unit(9, 5, seed=0), unit(3, 5, seed=1), unit(3, 5, seed=2)
    # Two centres of one class in a batch: each image has its own.
    labels = [4, 4, 0]
    whitening = whitening_of(centres) if whiten else None
    target = ClassTarget(
        centres, torch.tensor(labels), templates=own, scale=SCALE, margin=MARGIN, whitening=whitening
    )
    expected = []
    for embedding, label, template in zip(embeddings, labels, own, strict=True):
        rows = centres.clone()
        rows[label] = template
        one, compared = embedding[None], rows
        if whitening is not None:
            one, compared = whitening(one), whitening(compared)
        expected += naive_arcface(one.numpy(), compared.numpy(), [label], SCALE, MARGIN)
    assert target(embeddings).tolist() == pytest.approx(expected, rel=1e-9)
    assert torch.equal(target.templates, own)


def test_templates_stand_for_their_classes_where_a_request_says_so() -> None:
    network, labels = linear_recogniser(), torch.tensor([1, 1])
    own = templates(2)
    plain, apart = (
        ClassTarget.build(TargetRequest(network, own, labels, SCALE, MARGIN, own_templates=apart))
        for apart in (False, True)
    )
    assert network.centres is not None
    assert torch.equal(plain.templates, network.centres[labels])
    assert torch.equal(apart.templates, own)


def test_beyond_the_half_turn() -> None:
    centres = unit(4, 5, seed=2)
    # Nearly opposite to its centre: theta + margin is over pi.
    embeddings = F.normalize(-centres[:1] + 0.05 * unit(1, 5, seed=3), dim=-1)
    assert math.acos(float(embeddings[0] @ centres[0])) + MARGIN > math.pi
    losses = ClassTarget(centres, torch.tensor([0]), scale=SCALE, margin=MARGIN)(embeddings)
    expected = naive_arcface(embeddings.numpy(), centres.numpy(), [0], SCALE, MARGIN)
    assert losses.tolist() == pytest.approx(expected, rel=1e-9)


def test_without_margin_it_is_softmax() -> None:
    centres, embeddings = unit(4, 3, seed=4), unit(3, 3, seed=5)
    labels = torch.tensor([2, 0, 3])
    losses = ClassTarget(centres, labels, scale=8.0, margin=0.0)(embeddings)
    expected = F.cross_entropy(8.0 * embeddings @ centres.T, labels, reduction="none")
    torch.testing.assert_close(losses, expected)


def test_it_falls_towards_the_centre() -> None:
    centres = unit(5, 8, seed=6)
    labels = torch.tensor([2, 2, 2, 2])
    away = unit(1, 8, seed=7)
    weights = torch.tensor([0.0, 0.4, 0.8, 1.0], dtype=torch.float64)[:, None]
    embeddings = F.normalize(weights * centres[2] + (1 - weights) * away, dim=-1)
    losses = ClassTarget(centres, labels, scale=SCALE, margin=MARGIN)(embeddings)
    assert (losses.diff() < 0).all()


def test_its_templates_are_the_centres_of_the_labels() -> None:
    centres = unit(5, 4, seed=13)
    target = ClassTarget(centres, torch.tensor([3, 0]), scale=1.0, margin=0.0)
    assert torch.equal(target.templates, centres[[3, 0]])


def test_templates_without_classes_are_refused() -> None:
    request = TargetRequest(linear_recogniser(), templates(), None, scale=SCALE, margin=MARGIN)
    with pytest.raises(
        InputError, match=r"^loss: expected classes of a network .* for arcface, got templates$"
    ):
        ClassTarget.build(request)

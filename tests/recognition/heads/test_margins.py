import math

import pytest
import torch
import torch.nn.functional as F

from recognition.errors import InputError
from recognition.heads.fixed_margin import ArcFaceHead, CombinedMarginHead
from recognition.heads.margins import additive_angular_margin, arcface_logits


def cosines_between(low: float, high: float, count: int = 25) -> torch.Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5, 1.0])
def test_margin_is_added_to_the_angle(margin):
    cosines = cosines_between(-math.cos(margin) + 1e-3, 1 - 1e-4)
    expected = torch.cos(torch.arccos(cosines) + margin)
    torch.testing.assert_close(additive_angular_margin(cosines, margin), expected, atol=1e-12, rtol=0)


def test_margin_beyond_pi_is_the_authors_line():
    cosines = cosines_between(-1, -math.cos(0.5) - 1e-3)
    expected = cosines - 0.5 * math.sin(0.5)
    torch.testing.assert_close(additive_angular_margin(cosines, 0.5), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0])
def test_gradient_is_the_analytic_derivative(margin):
    cosines = cosines_between(-math.cos(margin) + 1e-3, 0.999).requires_grad_()
    additive_angular_margin(cosines, margin).sum().backward()
    angles = torch.arccos(cosines.detach())
    torch.testing.assert_close(
        cosines.grad, torch.sin(angles + margin) / torch.sin(angles), atol=1e-9, rtol=1e-9
    )


@pytest.mark.parametrize(("low", "high"), [(-0.8, 0.99), (-0.999, -0.9)])
def test_gradcheck_of_both_branches(low, high):
    cosines = cosines_between(low, high, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: additive_angular_margin(values, 0.5), cosines)


def test_gradient_is_finite_on_the_centre_and_opposite_it():
    cosines = torch.tensor([1.0, -1.0], requires_grad=True)
    additive_angular_margin(cosines, 0.5).sum().backward()
    assert torch.isfinite(cosines.grad).all()


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
def test_logit_of_every_accepted_margin_falls_with_the_angle(margin):
    try:
        ArcFaceHead(2, 2, margin=margin)
    except InputError:
        assert margin > 1, "a margin in use is refused"
        return
    angles = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    values = additive_angular_margin(torch.cos(angles), margin)
    assert (values.diff() < 0).all()


def test_logits_equal_a_double_loop():
    generator = torch.Generator().manual_seed(0)
    cosines = 2 * torch.rand(6, 4, dtype=torch.float64, generator=generator) - 1
    cosines[0, 1] = -0.99
    labels = torch.tensor([1, 0, 3, 2, 2, 0])
    expected = torch.empty_like(cosines)
    for row in range(6):
        for column in range(4):
            cosine = float(cosines[row, column])
            if column == labels[row]:
                angle = math.acos(cosine) + 0.4
                cosine = math.cos(angle) if angle < math.pi else cosine - 0.4 * math.sin(0.4)
            expected[row, column] = 30 * cosine
    logits = arcface_logits(cosines, labels, scale=30, margin=0.4)
    torch.testing.assert_close(logits, expected, atol=1e-11, rtol=0)


def test_head_normalises_embeddings_and_centres():
    torch.manual_seed(0)
    head = ArcFaceHead(5, 3, scale=8.0, margin=0.3).double()
    embeddings, labels = torch.randn(4, 5, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    expected = torch.empty(4, 3, dtype=torch.float64)
    for row, embedding in enumerate(embeddings):
        for column, weight in enumerate(head.weight.detach()):
            angle = math.acos(float(embedding @ weight) / float(embedding.norm() * weight.norm()))
            expected[row, column] = 8 * math.cos(angle + (0.3 if column == labels[row] else 0))
    torch.testing.assert_close(head(embeddings, labels).detach(), expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(head(7 * embeddings, labels).detach(), expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(head.centres.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_gradcheck_of_the_loss_through_the_head():
    torch.manual_seed(1)
    head = ArcFaceHead(4, 3, scale=4.0).double()
    labels = torch.tensor([0, 1, 2, 0, 1])

    def loss(embeddings: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        cosines = F.linear(F.normalize(embeddings), F.normalize(weight))
        return F.cross_entropy(arcface_logits(cosines, labels, scale=4.0, margin=0.5), labels)

    embeddings = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (embeddings, weight))
    head.weight.data = weight.data
    torch.testing.assert_close(
        F.cross_entropy(head(embeddings, labels), labels), loss(embeddings, weight), atol=1e-12, rtol=0
    )


def test_a_margin_fraction_of_zero_is_no_margin():
    torch.manual_seed(0)
    head, plain = ArcFaceHead(4, 3, scale=2.0, margin=0.5), ArcFaceHead(4, 3, scale=2.0, margin=0.0)
    plain.load_state_dict(head.state_dict())
    embeddings, labels = torch.randn(2, 4), torch.tensor([0, 2])
    assert torch.equal(head(embeddings, labels, margin_fraction=0.0), plain(embeddings, labels))
    assert not torch.equal(head(embeddings, labels), plain(embeddings, labels))


@pytest.mark.parametrize("labels", [[0, 3], [-1, 2]])
def test_labels_out_of_range_are_refused(labels):
    head = ArcFaceHead(4, 3)
    with pytest.raises(InputError, match=r"labels: expected class indices in 0\.\.2, got "):
        head(torch.ones(2, 4), torch.tensor(labels))


def test_an_empty_batch_gives_empty_logits():
    head = ArcFaceHead(4, 3)
    assert head(torch.ones(0, 4), torch.zeros(0, dtype=torch.long)).shape == (0, 3)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_scale_out_of_range_is_refused(scale):
    with pytest.raises(InputError, match="scale: expected a positive number"):
        ArcFaceHead(4, 3, scale=scale)


@pytest.mark.parametrize("margin", [-0.1, math.pi, math.nan])
def test_margin_out_of_range_is_refused(margin):
    with pytest.raises(InputError, match=r"margin: expected radians in \[0"):
        ArcFaceHead(4, 3, margin=margin)


@pytest.mark.parametrize("margins", [(1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.35, 0.0, 0.0), (4.0, 0.0, 0.0)])
def test_combined_margins_fall_with_the_angle(margins):
    angles = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    head = CombinedMarginHead(2, 2, m1=margins[0], m2=margins[1], m3=margins[2])
    values = head.with_margin(torch.cos(angles), torch.ones(1), 1.0)
    assert (values.diff() <= 1e-7).all()

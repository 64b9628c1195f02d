import math

import pytest
import torch
from torch.nn.functional import normalize

from recognition.errors import InputError
from recognition.losses import (
    AUXILIARY_LOSSES,
    build_auxiliary_loss,
)
from recognition.losses.centre import CentreLoss
from recognition.losses.contrastive import ContrastiveLoss
from recognition.losses.triplet import TripletLoss


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Nine embeddings of four classes, none on its centre, and the centres, in float64."""
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(9, 5, dtype=torch.float64, generator=generator)
    centres = normalize(torch.randn(4, 5, dtype=torch.float64, generator=generator))
    return embeddings, torch.tensor([0, 1, 2, 3, 0, 1, 2, 0, 0]), centres


def angle(first: torch.Tensor, second: torch.Tensor) -> float:
    return math.acos(float(first @ second) / float(first.norm() * second.norm()))


def naive_intra(embeddings, labels, centres):
    angles = [angle(x, centres[label]) for x, label in zip(embeddings, labels, strict=True)]
    return sum(angles) / len(angles) / math.pi


def naive_inter(embeddings, labels, centres):
    total = 0.0
    for label in labels.tolist():
        total += sum(angle(centres[label], centres[other]) for other in range(4) if other != label)
    return -total / (len(labels) * 3 * math.pi)


def naive_centre(embeddings, labels, centres):
    # The centres are zero at first.
    return sum(float(x @ x) / 2 for x in embeddings) / len(embeddings)


def naive_triplet(embeddings, labels, centres, margin=0.35):
    losses = []
    for a, p, n in torch.cartesian_prod(*[torch.arange(len(labels))] * 3).tolist():
        if a != p and labels[a] == labels[p] != labels[n]:
            positive, negative = angle(embeddings[a], embeddings[p]), angle(embeddings[a], embeddings[n])
            if positive < negative < positive + margin:
                losses.append(positive + margin - negative)
    assert losses, "the batch has no such pairs"
    return sum(losses) / len(losses)


def naive_contrastive(embeddings, labels, centres, margin=1.0):
    mated, nonmated = [], []
    for first in range(len(labels)):
        for second in range(first):
            distance = float(
                (normalize(embeddings, dim=1)[first] - normalize(embeddings, dim=1)[second]).norm()
            )
            if labels[first] == labels[second]:
                mated.append(distance**2 / 2)
            else:
                nonmated.append(max(0, margin - distance) ** 2 / 2)
    assert any(nonmated), "the batch has no such pairs"
    return sum(mated) / len(mated) + sum(nonmated) / len(nonmated)


def naive_dependence(embeddings, labels, centres):
    # Without images: the labels' part alone, as Kornblith's centred kernel alignment.
    count = len(labels)
    unit = [x / x.norm() for x in embeddings]
    kernel = [[math.exp(-float((x - y) @ (x - y)) / (2 * 0.5)) for y in unit] for x in unit]
    same = [[float(x == y) for y in labels.tolist()] for x in labels.tolist()]

    def centred(matrix):
        rows = [sum(row) / count for row in matrix]
        whole = sum(rows) / count
        return [[matrix[i][j] - rows[i] - rows[j] + whole for j in range(count)] for i in range(count)]

    def product(one, other):
        return sum(one[i][j] * other[i][j] for i in range(count) for j in range(count))

    one, other = centred(kernel), centred(same)
    return -product(one, other) / math.sqrt(product(one, one) * product(other, other))


def naive_tuplet(embeddings, labels, centres, scale=32.0, margin=0.1):
    losses = []
    count = len(labels)
    for a in range(count):
        for p in range(count):
            if a == p or labels[a] != labels[p]:
                continue
            drawn = math.cos(angle(embeddings[a], embeddings[p]) - margin)
            total = sum(
                math.exp(scale * (math.cos(angle(embeddings[a], embeddings[n])) - drawn))
                for n in range(count)
                if labels[n] != labels[a]
            )
            losses.append(math.log(1 + total))
    return sum(losses) / len(losses)


NAIVE = {
    "centre": naive_centre,
    "intra": naive_intra,
    "inter": naive_inter,
    "triplet": naive_triplet,
    "tuplet": naive_tuplet,
    "contrastive": naive_contrastive,
    "dependence": naive_dependence,
}


def test_every_loss_has_an_oracle():
    assert NAIVE.keys() == AUXILIARY_LOSSES.keys()


@pytest.mark.parametrize("name", AUXILIARY_LOSSES)
def test_a_loss_is_what_a_loop_computes(name, batch):
    loss = build_auxiliary_loss(name, 5, 4).double()
    assert float(loss(*batch)) == pytest.approx(NAIVE[name](*batch), rel=1e-9)


@pytest.mark.parametrize("name", AUXILIARY_LOSSES)
def test_gradcheck(name, batch):
    embeddings, labels, centres = batch
    loss = build_auxiliary_loss(name, 5, 4).double().eval()
    embeddings.requires_grad_()
    # Centres have unit norm, so that their gradient passes through the normalisation, as a head's does.
    raw = (2 * centres).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, c: loss(x, labels, normalize(c)), (embeddings, raw))


@pytest.mark.parametrize("name", AUXILIARY_LOSSES)
def test_duplicates_and_single_images_have_finite_gradients(name):
    embeddings = torch.ones(4, 5, requires_grad=True)
    centres = normalize(torch.ones(4, 5)).requires_grad_()
    for labels in (torch.tensor([0, 0, 1, 1]), torch.arange(4), torch.zeros(4, dtype=torch.long)):
        loss = build_auxiliary_loss(name, 5, 4)(embeddings, labels, centres)
        gradients = torch.autograd.grad(
            loss, (embeddings, centres), allow_unused=True, materialize_grads=True
        )
        assert torch.isfinite(loss)
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("kind", [torch.int32, torch.int16, torch.uint8])
@pytest.mark.parametrize("name", AUXILIARY_LOSSES)
def test_labels_may_be_of_any_integer_type(name, kind, batch):
    embeddings, labels, centres = batch
    expected = build_auxiliary_loss(name, 5, 4).double()(*batch)
    found = build_auxiliary_loss(name, 5, 4).double()(embeddings, labels.to(kind), centres)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", [name for name in AUXILIARY_LOSSES if name != "triplet"])
def test_a_loss_compiles_as_one_graph(name, batch):
    torch.compiler.reset()
    loss = build_auxiliary_loss(name, 5, 4).double().eval()
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    embeddings, _, centres = batch
    torch.testing.assert_close(compiled(*batch), loss(*batch))
    # The same graph serves other labels: none and all of them mated.
    for other in (torch.arange(9) % 4, torch.zeros(9, dtype=torch.long)):
        torch.testing.assert_close(compiled(embeddings, other, centres), loss(embeddings, other, centres))


def test_running_centres_move_as_in_the_paper(batch):
    embeddings, labels, centres = batch
    loss = CentreLoss(5, 4, rate=0.3).double()
    expected = torch.zeros(4, 5, dtype=torch.float64)
    for _ in range(2):
        loss(embeddings, labels, centres)
        moved = expected.clone()
        for label in range(4):
            own = [x for x, y in zip(embeddings, labels, strict=True) if y == label]
            moved[label] -= 0.3 * sum(expected[label] - x for x in own) / (1 + len(own))
        expected = moved
    torch.testing.assert_close(loss.own_centres, expected)
    loss.eval()(embeddings, labels, centres)
    torch.testing.assert_close(loss.own_centres, expected)


def test_the_triplet_loss_is_the_librarys(batch):
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import TripletMarginMiner

    class Angle(distances.BaseDistance):
        def compute_mat(self, query, reference):
            return (query @ reference.T).clamp(-1 + 1e-12, 1 - 1e-12).acos()

        def pairwise_distance(self, query, reference):
            return (query * reference).sum(1).acos()

    embeddings, labels, centres = batch
    miner = TripletMarginMiner(margin=0.35, type_of_triplets="semihard", distance=Angle())
    loss = TripletMarginLoss(margin=0.35, distance=Angle())
    expected = loss(embeddings, labels, miner(embeddings, labels))
    torch.testing.assert_close(TripletLoss(5, 4)(embeddings, labels, centres), expected)


def test_the_contrastive_loss_is_the_librarys_squared(batch):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    from pytorch_metric_learning.reducers import DoNothingReducer

    embeddings, labels, centres = batch
    parts = losses.ContrastiveLoss(pos_margin=0, neg_margin=0.9, reducer=DoNothingReducer())(
        embeddings, labels
    )
    expected = sum(parts[name]["losses"].square().mean() / 2 for name in ("pos_loss", "neg_loss"))
    torch.testing.assert_close(ContrastiveLoss(5, 4, margin=0.9)(embeddings, labels, centres), expected)


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
def test_the_tuplet_loss_is_the_librarys(batch):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    embeddings, labels, centres = batch
    library = losses.TupletMarginLoss(margin=math.degrees(0.2), scale=16)
    ours = build_auxiliary_loss("tuplet:scale=16,margin=0.2", 5, 4)
    torch.testing.assert_close(ours(embeddings, labels, centres), library(embeddings, labels))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "island",
            "expected one of centre, intra, inter, triplet, tuplet, contrastive, dependence, got 'island'",
        ),
        ("triplet:margin=4", "margin: expected above 0 to below 3.14159, got 4"),
        ("tuplet:margin=-1", "margin: expected from 0 to below 3.14159, got -1"),
        ("tuplet:scale=0", "scale: expected a positive number, got 0"),
        ("contrastive:margin=0", "margin: expected above 0 to below 2, got 0"),
        ("centre:rate=2", "rate: expected above 0 to below 1, got 2"),
        ("intra:weight=-1", "weight: expected 0 or more, got -1"),
        ("intra:weight=nan", "weight: expected 0 or more, got nan"),
    ],
)
def test_options_out_of_range_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        build_auxiliary_loss(spec, 5, 4)

import math

import pytest
import torch
import torch.nn.functional as F

from recognition.errors import InputError
from recognition.heads import HEADS, build_head
from recognition.heads.adaptive_margin import AdaFaceHead, MagFaceHead
from recognition.heads.subcentre import SubCentreArcFaceHead


def psi(angle: float) -> float:
    turns = math.floor(angle / math.pi)
    return (-1) ** turns * math.cos(angle) - 2 * turns


def arc(cosine: float, margin: float) -> float:
    angle = math.acos(cosine) + margin
    return math.cos(angle) if angle < math.pi else cosine - margin * math.sin(margin)


def magnitude_margin(norm: float) -> float:
    return 0.45 + (0.8 - 0.45) / (110 - 10) * (min(max(norm, 10), 110) - 10)


NAIVE_TARGETS = {
    "norm-softmax": lambda cosine, norm: cosine,
    "sphereface": lambda cosine, norm: psi(1.35 * math.acos(cosine)),
    "cosface": lambda cosine, norm: cosine - 0.35,
    "arcface": lambda cosine, norm: arc(cosine, 0.5),
    "combined": lambda cosine, norm: psi(math.acos(cosine) + 0.3) - 0.2,
    "cm1": lambda cosine, norm: psi(math.acos(cosine) + 0.3) - 0.2,
    "cm2": lambda cosine, norm: psi(0.9 * math.acos(cosine) + 0.4) - 0.15,
    "magface": lambda cosine, norm: arc(cosine, magnitude_margin(norm)),
}


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Eight embeddings of norms from 5 to 120, and labels below 3, in float64."""
    generator = torch.Generator().manual_seed(5)
    directions = F.normalize(torch.randn(8, 5, dtype=torch.float64, generator=generator))
    norms = torch.tensor([5.0, 12, 20, 30, 40, 60, 100, 120], dtype=torch.float64)
    return directions * norms[:, None], torch.tensor([0, 1, 2, 0, 1, 2, 2, 1])


def head_of(spec: str) -> torch.nn.Module:
    torch.manual_seed(7)
    head = build_head(spec, 5, 3, scale=8.0, margin=0.5).double().eval()
    with torch.no_grad():
        head.weight.normal_()
    return head


def naive_loss(logits: list[list[float]], labels: list[int]) -> float:
    losses = [
        math.log(sum(math.exp(value) for value in row)) - row[label]
        for row, label in zip(logits, labels, strict=True)
    ]
    return sum(losses) / len(losses)


def naive_cosines(embeddings, weight) -> list[list[float]]:
    return [[float(x @ w) / (float(x.norm()) * float(w.norm())) for w in weight.detach()] for x in embeddings]


@pytest.mark.parametrize("name", NAIVE_TARGETS)
def test_a_head_is_what_a_loop_computes(name, batch):
    embeddings, labels = batch
    head = head_of(name)
    # One image is opposite to its centre, where the angle plus the margin exceeds pi.
    embeddings[3] = -30 * head.centres[0].detach() + 0.3
    cosines = naive_cosines(embeddings, head.weight)
    logits = [
        [
            8 * (NAIVE_TARGETS[name](cosine, float(x.norm())) if label == column else cosine)
            for column, cosine in enumerate(row)
        ]
        for row, label, x in zip(cosines, labels.tolist(), embeddings, strict=True)
    ]
    torch.testing.assert_close(
        head(embeddings, labels).detach(), torch.tensor(logits, dtype=torch.float64), atol=1e-9, rtol=0
    )
    expected = naive_loss(logits, labels.tolist())
    if name == "magface":
        norms = [min(max(float(x.norm()), 10), 110) for x in embeddings]
        expected += 35 * sum(a / 110**2 + 1 / a for a in norms) / len(norms)
    assert float(head.loss(embeddings, labels).detach()) == pytest.approx(expected, abs=1e-9)


def test_the_softmax_head_is_what_a_loop_computes(batch):
    embeddings, labels = batch
    head = head_of("softmax")
    with torch.no_grad():
        head.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
    logits = [
        [
            sum(a * b for a, b in zip(x.tolist(), w.tolist(), strict=True)) + float(bias.detach())
            for w, bias in zip(head.weight, head.bias, strict=True)
        ]
        for x in embeddings
    ]
    torch.testing.assert_close(
        head(embeddings, labels).detach(), torch.tensor(logits, dtype=torch.float64), atol=1e-9, rtol=0
    )
    torch.testing.assert_close(head.centres.norm(dim=1), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_a_softmax_is_what_a_loop_computes(fraction, batch):
    embeddings, labels = batch
    head = head_of("a-softmax:margin=3,annealing=4")
    # One image is far from its centre, where three times the angle exceeds pi.
    embeddings[3] = -30 * head.centres[0].detach() + 0.3
    logits = head(embeddings, labels, fraction).detach()
    for row, (x, label) in enumerate(zip(embeddings, labels.tolist(), strict=True)):
        for column, cosine in enumerate(naive_cosines(x[None], head.weight)[0]):
            expected = cosine
            if column == label and fraction:
                # The paper's lambda: the smallest one, 4, divided by the fraction of the margin.
                annealing = 4 / fraction
                expected = (annealing * cosine + psi(3 * math.acos(cosine))) / (annealing + 1)
            assert float(logits[row, column]) == pytest.approx(float(x.norm()) * expected, abs=1e-9)


def test_a_softmax_with_margin_1_is_the_softmax_of_unit_weights(batch):
    embeddings, labels = batch
    head = head_of("a-softmax:margin=1")
    torch.testing.assert_close(head(embeddings, labels), embeddings @ head.centres.T, atol=1e-5, rtol=1e-5)


def test_subcentres_pool_the_largest_cosine(batch):
    embeddings, labels = batch
    head = head_of("subcentre:subcentres=4")
    assert head.weight.shape == (3, 4, 5)
    for row, (x, label) in enumerate(zip(embeddings, labels.tolist(), strict=True)):
        for column in range(3):
            cosine = max(float(x @ w) / float(x.norm() * w.norm()) for w in head.weight[column].detach())
            expected = 8 * (arc(cosine, 0.5) if column == label else cosine)
            assert float(head(embeddings, labels)[row, column].detach()) == pytest.approx(expected, abs=1e-9)


def test_one_subcentre_is_arcface(batch):
    one, plain = head_of("subcentre:subcentres=1"), head_of("arcface")
    plain.weight.data = one.weight.data[:, 0]
    torch.testing.assert_close(one(*batch), plain(*batch))
    torch.testing.assert_close(one.centres, plain.centres)


def test_the_centre_with_most_recent_images_is_dominant(monkeypatch):
    head = SubCentreArcFaceHead(2, 2, subcentres=2).train()
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[[1.0, 0], [0, 1]], [[-1, 0], [0, -1]]]))
    embeddings = torch.tensor([[1.0, 0.2], [0.1, 1], [0.2, 1], [-1, 0], [-1, 0.1]])
    head(embeddings, torch.tensor([0, 0, 0, 1, 1]))
    torch.testing.assert_close(head.votes, torch.tensor([[1.0, 2], [2, 0]]))
    torch.testing.assert_close(head.centres, torch.tensor([[0.0, 1], [-1, 0]]))
    head.eval()(embeddings, torch.tensor([0, 0, 0, 1, 1]))
    torch.testing.assert_close(head.votes, torch.tensor([[1.0, 2], [2, 0]]))
    # Earlier votes decay.
    monkeypatch.setattr("recognition.heads.subcentre.VOTE_DECAY", 0.9)
    head.train()
    for _ in range(30):
        head(embeddings[:1], torch.tensor([0]))
    assert torch.equal(head.centres[0], torch.tensor([1.0, 0.0]))


def test_adaface_is_what_a_loop_computes(batch):
    embeddings, labels = batch
    head = head_of("adaface").train()
    norms = [min(float(x.norm()), 100.0) for x in embeddings]
    mean = sum(norms) / 8
    std = math.sqrt(sum((norm - mean) ** 2 for norm in norms) / 7)
    running_mean, running_std = 0.01 * mean + 0.99 * 20, 0.01 * std + 0.99 * 100
    logits = head(embeddings, labels).detach()
    assert float(head.norm_mean) == pytest.approx(running_mean)
    assert float(head.norm_std) == pytest.approx(running_std)
    cosines = naive_cosines(embeddings, head.weight)
    for row, label in enumerate(labels.tolist()):
        quality = min(max((norms[row] - running_mean) / (running_std + 1e-3) * 0.333, -1), 1)
        angle = min(max(math.acos(cosines[row][label]) - 0.4 * quality, 1e-3), math.pi - 1e-3)
        expected = 8 * (math.cos(angle) - (0.4 + 0.4 * quality))
        assert float(logits[row, label]) == pytest.approx(expected, abs=1e-9)
        other = (label + 1) % 3
        assert float(logits[row, other]) == pytest.approx(8 * cosines[row][other], abs=1e-9)
    head.eval()(embeddings, labels)
    assert float(head.norm_mean) == pytest.approx(running_mean)


def test_adaface_takes_a_batch_of_one_image():
    head = AdaFaceHead(4, 2)
    assert torch.isfinite(head.loss(torch.ones(1, 4), torch.tensor([1])))
    assert float(head.norm_mean) == 20


@pytest.mark.parametrize("name", HEADS)
def test_gradcheck_of_every_loss(name, batch):
    embeddings, labels = batch
    head = head_of(name)
    # Norms inside the clipping range, at whose ends the loss has no derivative.
    embeddings = (
        embeddings / embeddings.norm(dim=1, keepdim=True) * torch.linspace(15, 60, 8)[:, None]
    ).double()
    if name == "adaface":
        # By definition no gradient passes through the quality, so that norms stay and directions vary.
        def loss(x):
            return head.loss(F.normalize(x) * 30, labels)
    else:

        def loss(x):
            return head.loss(x, labels)

    assert torch.autograd.gradcheck(loss, embeddings.detach().requires_grad_())

    def loss_of_weight(weight):
        return (
            torch.func.functional_call(head, {"weight": weight}, (embeddings.detach(), labels))
            .logsumexp(1)
            .sum()
        )

    assert torch.autograd.gradcheck(loss_of_weight, head.weight)


@pytest.mark.parametrize("name", HEADS)
def test_every_head_conforms(name, batch):
    embeddings, labels = (batch[0].float(), batch[1])
    head = build_head(name, 5, 3, scale=16.0, margin=0.3)
    logits = head(embeddings, labels)
    assert logits.shape == (8, 3)
    assert torch.isfinite(logits).all()
    # The loss rises with the fraction of the margin.
    losses = [float(head.eval().loss(embeddings, labels, fraction).detach()) for fraction in (0.0, 0.5, 1.0)]
    assert losses == sorted(losses)
    assert head.centres.shape == (3, 5)
    torch.testing.assert_close(head.centres.norm(dim=1), torch.ones(3))
    # On the centre and opposite it.
    ends = torch.cat([head.centres.detach(), -head.centres.detach()]).mul(20).requires_grad_()
    head.loss(ends, torch.tensor([0, 1, 2, 0, 1, 2])).backward()
    assert torch.isfinite(ends.grad).all()
    assert torch.isfinite(head.weight.grad).all()
    with pytest.raises(InputError, match=r"labels: expected class indices in 0\.\.2, got 0\.\.3"):
        head(torch.ones(2, 5), torch.tensor([0, 3]))


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        ("arcface", "ArcFaceLoss", {"scale": 8, "margin": math.degrees(0.5)}),
        ("cosface", "CosFaceLoss", {"scale": 8, "margin": 0.35}),
        ("norm-softmax", "NormalizedSoftmaxLoss", {"temperature": 1 / 8}),
        ("sphereface:margin=4", "SphereFaceLoss", {"margin": 4, "scale": 8}),
        (
            "subcentre:subcentres=3",
            "SubCenterArcFaceLoss",
            {"scale": 8, "margin": math.degrees(0.5), "sub_centers": 3},
        ),
    ],
)
def test_a_head_is_the_librarys(ours, theirs, options, batch):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    embeddings, labels = batch
    embeddings = F.normalize(embeddings)
    head = head_of(ours)
    library = getattr(losses, theirs)(num_classes=3, embedding_size=5, **options).double()
    library.W.data = head.weight.data.reshape(-1, 5).T.contiguous()
    torch.testing.assert_close(head.loss(embeddings, labels), library(embeddings, labels), atol=1e-6, rtol=0)


def test_magface_raises_norms():
    head = MagFaceHead(4, 3)
    embeddings = (F.normalize(torch.ones(1, 4)) * 30).requires_grad_()
    head.weight.data = torch.eye(3, 4)
    head.loss(embeddings, torch.tensor([0]), margin_fraction=0.0).backward()
    # Without a margin only the regulariser depends on the norm; a step against its gradient increases it.
    assert float((embeddings.grad * embeddings.detach()).sum()) < 0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_an_embedding_that_is_not_a_number_does_not_stay_in_adafaces_norms(broken):
    torch.manual_seed(0)
    head = AdaFaceHead(5, 3)
    batch, labels = 10 * torch.randn(8, 5), torch.tensor([0, 1, 2, 0, 1, 2, 2, 1])
    spoiled = batch.clone()
    spoiled[3, 0] = broken
    head(spoiled, labels)
    assert head.norm_mean.isfinite()
    assert head.norm_std.isfinite()
    before = float(head.norm_mean)
    head(batch, labels)
    # A hundredth of the way to the batch's mean, as the paper's t_alpha says.
    expected = before + 0.01 * (float(batch.norm(dim=1).mean()) - before)
    assert float(head.norm_mean) == pytest.approx(expected, rel=1e-6)

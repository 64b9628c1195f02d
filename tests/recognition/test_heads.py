import math

import pytest
import torch
import torch.nn.functional as F

from recognition.errors import InputError
from recognition.heads import (
    HEADS,
    AdaFaceHead,
    ArcFaceHead,
    CombinedMarginHead,
    MagFaceHead,
    SubCentreArcFaceHead,
    additive_angular_margin,
    arcface_logits,
    build_head,
)


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


def test_a_share_of_zero_is_no_margin():
    torch.manual_seed(0)
    head, plain = ArcFaceHead(4, 3, scale=2.0, margin=0.5), ArcFaceHead(4, 3, scale=2.0, margin=0.0)
    plain.load_state_dict(head.state_dict())
    embeddings, labels = torch.randn(2, 4), torch.tensor([0, 2])
    assert torch.equal(head(embeddings, labels, share=0.0), plain(embeddings, labels))
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


# Every head, against a loop that knows nothing of tensors.


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
    # One image opposite its centre, where the margins go beyond pi.
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


def test_the_centre_with_most_images_of_late_is_dominant(monkeypatch):
    head = SubCentreArcFaceHead(2, 2, subcentres=2).train()
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[[1.0, 0], [0, 1]], [[-1, 0], [0, -1]]]))
    embeddings = torch.tensor([[1.0, 0.2], [0.1, 1], [0.2, 1], [-1, 0], [-1, 0.1]])
    head(embeddings, torch.tensor([0, 0, 0, 1, 1]))
    torch.testing.assert_close(head.votes, torch.tensor([[1.0, 2], [2, 0]]))
    torch.testing.assert_close(head.centres, torch.tensor([[0.0, 1], [-1, 0]]))
    head.eval()(embeddings, torch.tensor([0, 0, 0, 1, 1]))
    torch.testing.assert_close(head.votes, torch.tensor([[1.0, 2], [2, 0]]))
    # The others' votes are forgotten in time.
    monkeypatch.setattr("recognition.heads.subcentre.VOTE_MEMORY", 0.9)
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


def test_adaface_takes_one_image():
    head = AdaFaceHead(4, 2)
    assert torch.isfinite(head.loss(torch.ones(1, 4), torch.tensor([1])))
    assert float(head.norm_mean) == 20


@pytest.mark.parametrize("name", HEADS)
def test_gradcheck_of_every_loss(name, batch):
    embeddings, labels = batch
    head = head_of(name)
    # Clipped norms have kinks there; these are inside.
    embeddings = (
        embeddings / embeddings.norm(dim=1, keepdim=True) * torch.linspace(15, 60, 8)[:, None]
    ).double()
    if name == "adaface":
        # Quality is a constant of the gradient by definition: norms stay, directions move.
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
    # A share of the margin between none and all is between.
    losses = [float(head.eval().loss(embeddings, labels, share).detach()) for share in (0.0, 0.5, 1.0)]
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


@pytest.mark.parametrize("margins", [(1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.35, 0.0, 0.0), (4.0, 0.0, 0.0)])
def test_combined_margins_fall_with_the_angle(margins):
    angles = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    head = CombinedMarginHead(2, 2, m1=margins[0], m2=margins[1], m3=margins[2])
    values = head.with_margin(torch.cos(angles), torch.ones(1), 1.0)
    assert (values.diff() <= 1e-7).all()


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        ("arcface", "ArcFaceLoss", {"scale": 8, "margin": math.degrees(0.5)}),
        ("cosface", "CosFaceLoss", {"scale": 8, "margin": 0.35}),
        ("norm-softmax", "NormalizedSoftmaxLoss", {"temperature": 1 / 8}),
        ("sphereface:factor=4", "SphereFaceLoss", {"margin": 4, "scale": 8}),
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


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("vggface", "head: expected one of softmax, norm-softmax, .* got 'vggface'"),
        ("arcface:margin=4", r"margin: expected radians in \[0, pi/2\], got 4"),
        ("cosface:distance=-1", "distance: expected from 0 to below 2, got -1"),
        (
            "cosface:margin=0.3",
            r"head cosface: .*\(scale, distance\), got 'margin=0.3'",
        ),
        ("cosface:distance", "expected options of it as option=value"),
        ("cosface:distance=far", "head cosface: expected a number for distance, got 'far'"),
        ("sphereface:factor=0.5", "factor: expected from 1 to below 10, got 0.5"),
        ("combined:m1=0", "m1: expected above 0 to below 10, got 0"),
        ("combined:m2=-1", "m2: expected from 0"),
        ("combined:m3=nan", "m3: expected from 0 to below 2, got nan"),
        ("subcentre:subcentres=0", "subcentres: expected 1 to 100 centres a class, got 0"),
        ("subcentre:subcentres=2.5", "expected a number for subcentres, got '2.5'"),
        ("adaface:h=0", "h: expected a positive number, got 0"),
        ("magface:low_norm=120", "norms: expected 0 < low_norm < high_norm, got 120 and 110"),
        ("magface:low_margin=0.9", "margins: expected radians"),
        ("softmax:scale=3", r"head softmax: expected options of it as option=value \(none\)"),
    ],
)
def test_options_out_of_range_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        build_head(spec, 4, 3, scale=8.0, margin=0.5)


def test_the_options_margin_is_of_angular_heads_alone():
    assert build_head("arcface", 4, 3, scale=8.0, margin=0.2).angular_margin == 0.2
    assert build_head("arcface:margin=0.1,scale=4", 4, 3, scale=8.0, margin=0.2).angular_margin == 0.1
    assert build_head("arcface:margin=0.1,scale=4", 4, 3, scale=8.0, margin=0.2).scale == 4
    assert build_head("subcentre", 4, 3, scale=8.0, margin=0.2).angular_margin == 0.2
    assert build_head("adaface", 4, 3, scale=8.0, margin=0.2).margin == 0.4
    assert build_head("cosface", 4, 3, scale=8.0, margin=0.2).angular_margin == 0


def test_magface_draws_norms_up():
    head = MagFaceHead(4, 3)
    embeddings = (F.normalize(torch.ones(1, 4)) * 30).requires_grad_()
    head.weight.data = torch.eye(3, 4)
    head.loss(embeddings, torch.tensor([0]), share=0.0).backward()
    # Without a margin only the regulariser depends on the norm; a step against its gradient lengthens.
    assert float((embeddings.grad * embeddings.detach()).sum()) < 0


@pytest.mark.parametrize("smoothing", [0.3, -0.4])
def test_smoothed_labels_by_hand(smoothing):
    head = build_head("arcface", 3, 4, scale=5.0, margin=0.2).double()
    torch.manual_seed(0)
    embeddings, labels = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 2])
    head.label_smoothing = smoothing
    expected = 0.0
    for row, label in zip(head(embeddings, labels).tolist(), labels.tolist(), strict=True):
        total = math.log(sum(math.exp(logit) for logit in row))
        weights = [smoothing / 4 + (1 - smoothing) * (index == label) for index in range(4)]
        expected += sum(weight * (total - logit) for weight, logit in zip(weights, row, strict=True)) / 6
    assert float(head.loss(embeddings, labels).detach()) == pytest.approx(expected, abs=1e-12)


def test_positive_smoothing_is_torchs_own():
    head = build_head("cosface", 3, 4, scale=5.0, margin=0.2).double()
    head.label_smoothing = 0.2
    embeddings, labels = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 2])
    expected = F.cross_entropy(head(embeddings, labels), labels, label_smoothing=0.2)
    torch.testing.assert_close(head.loss(embeddings, labels), expected, atol=1e-12, rtol=0)

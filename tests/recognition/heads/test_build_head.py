import math

import pytest
import torch
import torch.nn.functional as F

from recognition.errors import InputError
from recognition.heads import build_head


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("vggface", "head: expected one of softmax, norm-softmax, .* got 'vggface'"),
        ("arcface:margin=4", r"margin: expected radians in \[0, pi/2\], got 4"),
        ("cosface:margin=-1", "margin: expected from 0 to below 2, got -1"),
        (
            "cosface:distance=0.3",
            r"head cosface: .*\(scale, margin\), got 'distance=0.3'",
        ),
        ("cosface:margin", "expected options of it as option=value"),
        ("cosface:margin=far", "head cosface: expected a number for margin, got 'far'"),
        ("sphereface:margin=0.5", "margin: expected from 1 to below 10, got 0.5"),
        ("a-softmax:margin=0.5", "margin: expected from 1 to below 10, got 0.5"),
        ("a-softmax:annealing=0", "annealing: expected a positive number, got 0"),
        ("combined:m1=0", "m1: expected above 0 to below 10, got 0"),
        ("combined:m2=-1", "m2: expected from 0"),
        ("combined:m3=nan", "m3: expected from 0 to below 2, got nan"),
        ("subcentre:subcentres=0", "subcentres: expected 1 to 100 centres per class, got 0"),
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

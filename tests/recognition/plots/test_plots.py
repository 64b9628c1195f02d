import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from recognition.errors import InputError
from recognition.plots.angles import draw_angles, read_angles
from recognition.plots.clusters import draw_cluster
from recognition.plots.curves import draw_cmcs, draw_rocs, read_curve
from recognition.plots.margins import draw_decisions, draw_logits, target_logits
from recognition.plots.style import save_figure
from recognition.plots.toy import draw_toy, toy_embeddings
from recognition.training.cleaning import Cluster

ROC = {"name": "tiny", "far": [0.0, 0.01, 0.1, 1.0], "frr": [0.9, 0.5, 0.2, 0.0]}
ROC |= {"eer": 0.15, "mated": 40, "nonmated": 3120}
CMC = {"name": "tiny", "cmc": [0.5, 0.75, 1.0], "gallery": 3}


@pytest.mark.parametrize(
    ("name", "logit"),
    [
        ("norm-softmax", math.cos(0.7)),
        ("cosface", math.cos(0.7) - 0.35),
        ("arcface", math.cos(0.7 + 0.5)),
        ("sphereface", math.cos(1.35 * 0.7)),
        ("cm2", math.cos(0.9 * 0.7 + 0.4) - 0.15),
    ],
)
def test_target_logits_by_hand(name, logit):
    assert target_logits(name, np.array([0.7]))[0] == pytest.approx(logit)


def test_a_head_that_is_not_on_the_hypersphere_has_no_curve():
    with pytest.raises(InputError, match="head: expected one on the hypersphere, got 'softmax'"):
        target_logits("softmax", np.zeros(1))


def test_the_curves_have_names_axes_and_units():
    (axes,) = draw_logits().axes
    assert axes.get_xlabel() == "angle to own centre, degrees"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"norm-softmax", "sphereface", "cosface", "arcface", "cm1", "cm2"} <= set(labels)
    assert any("norm 110" in label for label in labels)
    # No two lines have the same colour and style.
    looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
    assert len(set(looks)) == len(looks)


def test_decision_regions_have_a_panel_per_head():
    figure = draw_decisions()
    assert [axes.get_title() for axes in figure.axes][:4] == [
        "norm-softmax",
        "sphereface",
        "cosface",
        "arcface",
    ]


def test_every_figure_is_written_as_png_and_svg(tmp_path):
    counts = np.zeros((5, 180), dtype=np.int64)
    counts[:, 80] = 10
    crop = np.full((112, 112, 3), 90, dtype=np.uint8)
    cluster = Cluster(
        "Ann", [crop] * 4, [10.0, 20.0, 85.0, 80.0], [1, 1, 0, 2], 1, [True, True, False, False]
    )
    drawn = {
        "angles": draw_angles(counts),
        "roc": draw_rocs([ROC, ROC]),
        "cmc": draw_cmcs([CMC]),
        "cluster": draw_cluster(cluster, columns=3),
    }
    for name, figure in drawn.items():
        png, svg = save_figure(figure, tmp_path / name)
        with Image.open(png) as image:
            assert np.asarray(image.convert("L")).std() > 1
        assert svg.read_text().startswith("<?xml")
    first = (tmp_path / "roc.svg").read_bytes()
    save_figure(draw_rocs([ROC, ROC]), tmp_path / "roc")
    assert (tmp_path / "roc.svg").read_bytes() == first
    texts = (tmp_path / "cluster.svg").read_text()
    assert "85°, dropped" in texts
    assert "centre 1" in texts
    assert texts.index("centre 1") < texts.index("centre 0"), "the dominant centre comes first"


def test_angles_are_those_of_the_first_middle_and_last_epoch():
    counts = np.zeros((5, 180), dtype=np.int64)
    counts[np.arange(5), [90, 80, 70, 60, 50]] = 4
    (axes,) = draw_angles(counts).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["epoch 1", "epoch 3", "epoch 5"]
    peaks = [int(patch.get_data().values.argmax()) for patch in axes.patches]
    assert peaks == [90, 70, 50]
    assert max(axes.patches[0].get_data().values) == 100


def test_the_toy_separates_identities_by_angle_under_arcface():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(4).repeat_interleave(12)
    features = torch.randn(4, 10, generator=generator)[labels] + 0.2 * torch.randn(
        48, 10, generator=generator
    )
    embeddings, weights = toy_embeddings(features, labels, "arcface", steps=200)
    assert (embeddings.shape, weights.shape) == ((48, 2), (4, 2))
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    assert ((embeddings @ unit.T).argmax(1) == labels.numpy()).mean() > 0.9
    again, _ = toy_embeddings(features, labels, "arcface", steps=200)
    np.testing.assert_array_equal(embeddings, again)


def test_the_toy_has_a_panel_per_head_and_a_marker_per_identity(tmp_path):
    labels = torch.arange(8).repeat_interleave(2)
    embeddings, weights = np.random.default_rng(0).normal(size=(16, 2)), np.ones((8, 2))
    names = [f"P{index}" for index in range(8)]
    figure = draw_toy(torch.zeros(16, 3), labels, names, learn=lambda *_: (embeddings, weights))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["softmax", "softmax + centre", "norm-softmax", "arcface"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"epochs": []}', '{"epochs": [1]}'])
def test_a_file_without_angles_is_refused(text, tmp_path):
    (tmp_path / "angles.json").write_text(text)
    with pytest.raises(InputError, match=r"angles\.json: expected the angles of a training"):
        read_angles(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", json.dumps(CMC)])
def test_a_file_without_a_curve_is_refused(text, tmp_path):
    (tmp_path / "curve.json").write_text(text)
    with pytest.raises(InputError, match=r"curve\.json: expected a curve of 'evaluate --curve' with 'far'"):
        read_curve(tmp_path / "curve.json", "far")

"""Figures of measurements: what stands in their panels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.errors import InputError
from recognition.metrics.confusion import IdentificationConfusion, VerificationConfusion
from recognition.metrics.intervals import Estimate
from recognition.plots.confusion import draw_confusion
from recognition.plots.mistakes import caption
from recognition.plots.subcentres import SubclassAngles, draw_subclasses
from recognition.plots.toy import load_digits, toy_embeddings

SHARE = Estimate(0.5, 0.4, 0.6, 10, 20)


def texts(axes) -> set[str]:
    return {text.get_text() for text in axes.texts}


def test_the_cells_of_confusion_matrices_have_counts():
    pairs = VerificationConfusion(0.4, np.array([[30, 10], [1, 1999]]), SHARE, SHARE)
    counts = np.array([[3, 1, 0, 0, 0], [0, 0, 7, 2, 5], [1, 0, 0, 0, 9]])
    people = IdentificationConfusion(("Ann_Able",), counts[:, [0, 2, 3, 4]], 0.3, 8, SHARE, SHARE, SHARE)
    first, second = draw_confusion(pairs, people).axes
    assert texts(first) == {"30\n75.00%", "10\n25.00%", "1\n0.05%", "1,999\n99.95%"}
    assert texts(second) == {"3", "7", "2", "5", "1", "9"}
    assert [label.get_text() for label in second.get_yticklabels()] == [
        "Ann Able",
        "other enrolled",
        "not enrolled",
    ]
    (alone,) = draw_confusion(pairs).axes
    assert "TAR 50.0% [40.0%, 60.0%]" in alone.get_title()


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        (Path("lfw/Ann_Able/Ann_Able_0002.png"), "Ann_Able", "Ann Able\n0002"),
        (Path("lfw/Ann_Able/party.png"), "Ann_Able", "Ann Able\nparty"),
        (Path("lfw.bin/17"), "", "image 17"),
        (Path("a/c$h.png"), "", r"c\$h"),
    ],
)
def test_the_caption_of_a_photograph(key, name, expected):
    assert caption(key, name) == expected


def test_subclasses_are_stacked_by_right_and_wrong_labels():
    angles = np.array([10.0, 20, 80, 85, 90])
    dominant = np.array([True, True, True, False, False])
    right = np.array([True, True, False, True, False])
    panels = [SubclassAngles("K = 3", angles, dominant, right), SubclassAngles("K = 1", angles, dominant)]
    groups = {name: own.tolist() for name, (own, _) in panels[0].groups().items()}
    assert groups == {
        "right label, dominant centre": [10, 20],
        "right label, other centre": [85],
        "wrong label, dominant centre": [80],
        "wrong label, other centre": [90],
    }
    first, second = draw_subclasses(panels, max_angle=75).axes
    # The last group ends at the sum of all.
    assert first.patches[-1].get_data().values.sum() == 5
    labels = [text.get_text() for text in second.get_legend().get_texts()]
    assert labels[0] == "nearest to the dominant centre: 3, mean 37°"
    assert labels[-1] == "75°"


def test_the_centre_loss_draws_a_class_together():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(4).repeat_interleave(10)
    features = torch.randn(4, 10, generator=generator)[labels]
    features = features + 0.3 * torch.randn(40, 10, generator=generator)

    def spread(spec: str) -> float:
        embeddings, _ = toy_embeddings(features, labels, spec, steps=120)
        means = np.stack([embeddings[labels == label].mean(0) for label in range(4)])
        within = np.linalg.norm(embeddings - means[labels], axis=1).mean()
        return within / np.linalg.norm(means - means.mean(0), axis=1).mean()

    assert spread("softmax + centre:weight=0.1") < 0.7 * spread("softmax")


def test_the_digits_are_those_of_scikit_learn():
    pytest.importorskip("sklearn")
    features, labels, names = load_digits()
    assert features.shape == (1797, 64)
    assert (float(features.min()), float(features.max())) == (0, 1)
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert names == list("0123456789")


def test_digits_without_the_package_are_refused(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(InputError, match="digits: expected the package scikit-learn"):
        load_digits()

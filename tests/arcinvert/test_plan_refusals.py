"""Plans that are refused: options that contradict each other, the network or the knowledge."""

from typing import Any

import pytest

from recognition.errors import InputError
from tests.arcinvert.plans import CALIBRATE, plan


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("template", {"loss": "arcface"}, "loss: expected cosine or euclidean for a template, got arcface"),
        (
            "class",
            {"parametrisation": "pixels", "penalty": {"pca-prior": 0.3}},
            "penalty pca-prior: expected PCA coefficients to penalise, found none; use --parametrisation "
            "face-pca",
        ),
        (
            "class",
            {"penalty": {"bn-per-position": 1.0}},
            f"penalty bn-per-position: expected statistics of each position, found none; {CALIBRATE}",
        ),
        (
            "class",
            {"initialisation": "nearest-neighbours"},
            "initialisation: expected public faces with templates of conv, found none; embed some (arcinvert "
            "calibrate --model MODEL --images FACES), or use --initialisation mean-face",
        ),
        (
            "class",
            {"initialisation": "noise", "parametrisation": "face-pca"},
            "parametrisation: expected pixels or fourier with noise, got face-pca",
        ),
        (
            "class",
            {"knowledge": "weights", "initialisation": "mean-face"},
            "initialisation: expected one that is made of no faces with knowledge of the weights alone, got "
            "mean-face",
        ),
        (
            "class",
            {"recipe": "paper", "initialisation": "mean-face"},
            "initialisation: expected one that is made of no faces with knowledge of the weights alone, got "
            "mean-face",
        ),
        (
            "class",
            {"knowledge": "weights", "parametrisation": "face-pca"},
            "parametrisation: expected one that is made of no faces with knowledge of the weights alone, got "
            "face-pca",
        ),
        (
            "class",
            {"knowledge": "weights", "yaw": 0.0},
            "yaw: expected none with knowledge of the weights alone, got 0.0: deformations were "
            "fitted on public faces; use --knowledge public-faces",
        ),
        (
            "class",
            {"knowledge": "weights", "expression": "smile"},
            "expression: expected none with knowledge of the weights alone, got smile: deformations "
            "were fitted on public faces; use --knowledge public-faces",
        ),
        (
            "class",
            {"knowledge": "weights", "age": 60.0},
            "age: expected none with knowledge of the weights alone, got 60.0: deformations were fitted on "
            "public faces; use --knowledge public-faces",
        ),
        (
            "class",
            {"knowledge": "weights", "size": 224},
            "size: expected 112 with knowledge of the weights alone, got 224: the upsampler was trained on "
            "public faces; use --knowledge public-faces",
        ),
        (
            "class",
            {"knowledge": "weights", "regression_blend": 0.5},
            "regression_blend: expected 0 with knowledge of the weights alone, got 0.5: the regression is "
            "fitted on public faces",
        ),
        (
            "class",
            {"knowledge": "weights", "skin_tone": True},
            "skin_tone: expected no with knowledge of the weights alone, got yes: tones are those of public "
            "faces",
        ),
        (
            "class",
            {"recipe": "paper", "knowledge": "public-faces"},
            "knowledge: expected weights for recipe paper, got 'public-faces'",
        ),
    ],
)
def test_contradictions_are_refused(target: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        plan(target, **options)
    assert str(refused.value) == message


@pytest.mark.parametrize("name", ["initialisation", "regression_blend"])
def test_a_regression_that_was_not_fitted_is_refused(name: str) -> None:
    given = {"initialisation": "regression", "regression_blend": 0.5}
    with pytest.raises(InputError, match=f"^{name}: expected a linear map from templates of conv to faces"):
        plan(**{name: given[name]})
    assert plan(regression_blend=0.0).regression_blend == 0.0

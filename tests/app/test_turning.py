"""The faces of a result with another pose and expression."""

import base64
import io
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.context import Context
from app.results import Shown
from app.settings import Settings
from app.turning import AS_IT_IS, answer, turned_faces, wanted
from app.wording import PageError
from arcinvert import InputError
from arcinvert.inversion.appearance import Appearance
from recognition.images import to_uint8


def some_result() -> Shown:
    ramp = np.add.outer(np.arange(112), np.arange(112)).astype(np.uint8)
    images = [np.stack([ramp, ramp, ramp], -1), np.stack([ramp.T // 2] * 3, -1)]
    run: Any = SimpleNamespace(images=images)
    return Shown(run, images[0])


def test_the_controls_say_what_is_wanted() -> None:
    assert wanted(-10, 0, AS_IT_IS, AS_IT_IS) == Appearance(yaw=-10)
    assert wanted(0, 5, "open mouth", AS_IT_IS) == Appearance(pitch=5, expression="open-mouth")
    assert wanted(0, 0, AS_IT_IS, "60 years") == Appearance(age=60)
    assert not wanted(0, 0, AS_IT_IS, AS_IT_IS).is_wanted


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((41, 0, AS_IT_IS, AS_IT_IS), InputError, "Yaw: expected a number from -40 to 40, got 41"),
        ((0, None, AS_IT_IS, AS_IT_IS), InputError, "Pitch: expected a number from -25 to 25, got nothing"),
        ((0, 0, "grin", AS_IT_IS), PageError, "Choose an expression from the list."),
        ((0, 0, AS_IT_IS, 60), PageError, "Choose an age from the list."),
    ],
)
def test_other_requests_are_refused(given: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wanted(*given)


def test_the_faces_are_the_results_deformed() -> None:
    shown, appearance = some_result(), Appearance(yaw=20, expression="smile", age=60)
    html = turned_faces(shown, appearance)
    assert "Reconstruction 2, yaw +20, smile, at 60" in html
    first, _ = re.findall(r'base64,([^"]+)', html)
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(first))), dtype=float)
    image = torch.from_numpy(shown.run.images[0]).permute(2, 0, 1)[None].float() / 255
    expected = to_uint8(appearance.given_to(image))[0]
    # The page's pictures are JPEG.
    assert np.abs(found - expected).mean() < 1.5
    assert np.abs(found - shown.run.images[0]).mean() > 3
    assert turned_faces(shown, Appearance()) == ""


def test_a_result_that_is_no_longer_kept_says_so() -> None:
    context = Context(Settings())
    assert "no longer kept" in answer(context, "", 10, 0, AS_IT_IS, AS_IT_IS)
    key = context.kept.keep("identity", some_result())
    assert "Reconstruction 1, yaw +10" in answer(context, key, 10, 0, AS_IT_IS, AS_IT_IS)
    assert "Yaw must be a number from -40 to 40, not 90" in answer(context, key, 90, 0, AS_IT_IS, AS_IT_IS)
    context.kept.drop(key)

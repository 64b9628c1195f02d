"""What tests of whole attacks share: no judge, interruptions, and looks at what was written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert import Step, batches
from arcinvert.evaluation.scores import Verdict
from arcinvert.inversion.initialisation import mean_face_from_weights
from recognition.images import to_tensor
from recognition.recogniser import Recogniser

#: Steps of an attack whose result does not matter.
STEPS = 3
#: Options under which nothing but the identity loss is minimised.
IDENTITY_ALONE: dict[str, Any] = {"penalty": {"bn": 0, "tv": 0, "colour-tv": 0, "pca-prior": 0}}
NO_VERDICT = Verdict(None, None, None, None, None, None, False)


def leave_out_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the judge, which takes most of a short run's time."""
    monkeypatch.setattr(batches, "judge_images", lambda judge, images, *_: [NO_VERDICT] * len(images))


def shorten_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the mean face from the weights in three steps, for attacks by the weights alone."""
    monkeypatch.setattr(mean_face_from_weights, "ROUNDS", (1, 2))
    monkeypatch.setattr(mean_face_from_weights.MeanFaceFromWeights, "preparation_steps", 3)


def interrupt_in(batch: int) -> Callable[[Step], None]:
    """Return a callback that acts like Ctrl-C in a batch, counted from 1."""

    def progress(step: Step) -> None:
        if step.batch == batch:
            raise KeyboardInterrupt

    return progress


def file_names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def read_result(out: Path) -> dict[str, Any]:
    """Return the content of a folder's result.json."""
    return dict(json.loads((out / "result.json").read_text(encoding="utf-8")))


@torch.no_grad()
def cosine_of(recogniser: Recogniser, image: NDArray[np.uint8], template: torch.Tensor) -> float:
    """Return the cosine similarity of an image's embedding to a template."""
    return float(recogniser(to_tensor(image)[None])[0] @ template)

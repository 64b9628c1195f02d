"""Fixtures of the package: photographs of one person in folders, and the tiny network loaded."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.evaluation.judges import DlibJudge, Judge
from arcinvert.inversion.initialisation import mean_face_from_weights
from arcinvert.workers.base import Workers
from arcinvert.workers.open import open_workers
from recognition.images import write_png
from recognition.loading import load
from recognition.recogniser import Recogniser

PERSON = "Eileen_Collins"


@pytest.fixture(scope="session")
def tiny(tiny_model: Path) -> Recogniser:
    """The tiny network, frozen; nothing may change it."""
    return load(tiny_model)


@pytest.fixture(scope="session")
def judge() -> Judge:
    """The judge, loaded once."""
    return DlibJudge()


@pytest.fixture(scope="session")
def photograph(tmp_path_factory: pytest.TempPathFactory, astronaut: NDArray[np.uint8]) -> Path:
    """The astronaut as a file, in a folder of her name with nothing else in it."""
    folder = tmp_path_factory.mktemp("attacked") / PERSON
    folder.mkdir()
    write_png(folder / "first.png", astronaut)
    return folder / "first.png"


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, astronaut: NDArray[np.uint8]) -> Path:
    """A folder for each identity: the astronaut's has another photograph, mirrored and darker."""
    root = tmp_path_factory.mktemp("photos")
    (root / PERSON).mkdir()
    darker = (astronaut[:, ::-1] * 0.8).astype(np.uint8)
    write_png(root / PERSON / "second.png", darker)
    return root


@pytest.fixture
def _short_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean face from the weights in three steps instead of 120, for attacks by the weights alone."""
    rounds = (1, 2)
    monkeypatch.setattr(mean_face_from_weights, "ROUNDS", rounds)
    monkeypatch.setattr(mean_face_from_weights.MeanFaceFromWeights, "preparation_steps", sum(rounds))


@pytest.fixture(scope="session")
def two_workers() -> Iterator[Workers]:
    """Two processes of one thread, started once: each imports torch. Not entered: threads here stay."""
    workers = open_workers(2, threads=1)
    yield workers
    workers.__exit__(None, None, None)

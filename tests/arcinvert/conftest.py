"""Fixtures of the package: photographs of one person in folders, and the tiny network loaded."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.evaluation.judges import DlibJudge, Judge
from arcinvert.inversion.initialisation import mean_face_from_weights
from arcinvert.workers.base import Workers
from arcinvert.workers.processes import Process, Processes
from recognition.images import write_png
from recognition.loading import load
from recognition.recogniser import Recogniser
from tests import forked

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
    shorten_preparation(monkeypatch)


def shorten_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the mean face from the weights in three steps."""
    rounds = (1, 2)
    monkeypatch.setattr(mean_face_from_weights, "ROUNDS", rounds)
    monkeypatch.setattr(mean_face_from_weights.MeanFaceFromWeights, "preparation_steps", sum(rounds))


class _ForkedWorkers(Processes):
    """Workers forked by the server that has imported torch: a test that kills one waits for no import.

    `test_processes.py` has workers that are spawned, as they are outside the tests.
    """

    def start(self, number: int) -> Process:
        context = forked.start_context()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(multiprocessing, "get_context", lambda _: context)
            return super().start(number)


@pytest.fixture(scope="session")
def two_workers() -> Iterator[Workers]:
    """Two processes of one thread, started once. Not entered: threads here stay."""
    workers = _ForkedWorkers(2, threads=1)
    yield workers
    workers.__exit__(None, None, None)

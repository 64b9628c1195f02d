"""Fixtures of the recognition tests."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from recognition.images import write_png


@pytest.fixture
def time_limit() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """`with time_limit(seconds)` fails a test that would never end."""

    @contextlib.contextmanager
    def limit(seconds: int) -> Iterator[None]:
        if not hasattr(signal, "SIGALRM"):
            pytest.skip("needs SIGALRM")

        def stop(*_: object) -> None:
            pytest.fail(f"was not finished after {seconds} seconds")

        before = signal.signal(signal.SIGALRM, stop)
        signal.alarm(seconds)
        try:
            yield
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    return limit


def write_people(folder: Path, names: Sequence[str], images: int, *, seed: int = 0) -> Path:
    """Write aligned folders of made-up people: a coarse pattern per person, with noise in each image."""
    generator = np.random.default_rng(seed)
    for name in names:
        pattern = generator.integers(30, 226, (4, 4, 3)).repeat(28, axis=0).repeat(28, axis=1)
        (folder / name).mkdir(parents=True)
        for number in range(1, images + 1):
            noisy = pattern + generator.normal(0, 8, pattern.shape)
            write_png(folder / name / f"{name}_{number:04}.png", noisy.clip(0, 255).astype(np.uint8))
    return folder


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned folders of 14 people with two images each."""
    names = [f"Person_{index:02}" for index in range(14)]
    return write_people(tmp_path_factory.mktemp("people"), names, 2)

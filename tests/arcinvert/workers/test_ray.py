"""A local cluster of Ray with two workers."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from arcinvert import Attacker
from arcinvert.workers.base import Workers
from arcinvert.workers.open import open_workers
from recognition.errors import InputError
from tests.arcinvert.workers.work import Squares

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # Of Ray and of what it uses.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Workers]:
    """Two actors of one core each."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    with open_workers("ray", threads=1) as workers:
        assert workers.count == 2
        yield workers
    ray.shutdown()


def test_actors_compute_and_a_killed_one_is_replaced(cluster: Workers, tmp_path: Path) -> None:
    found = dict(cluster.map(Squares(kill=tmp_path / "killed"), range(6)))
    assert (tmp_path / "killed").exists()
    assert [found[number].square for number in range(6)] == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {one.process for one in found.values()}
    assert {one.threads for one in found.values()} == {1}


def test_an_error_keeps_its_type_and_text(cluster: Workers) -> None:
    with pytest.raises(InputError, match="expected a number from 0, got -1"):
        list(cluster.map(Squares(), [-1]))


def test_images_are_those_of_one_process(cluster: Workers, tiny_model: Path) -> None:
    runs = []
    for workers in (None, cluster):
        attacker = Attacker(tiny_model, device="cpu", workers=workers)
        runs.append(attacker.generate([0, 1, 2], steps=2, batch_size=1, knowledge="public-faces"))
    assert np.array_equal(np.stack(runs[0].images), np.stack(runs[1].images))


def test_a_cluster_that_is_not_there_is_reported(cluster: Workers) -> None:
    ray.shutdown()
    with pytest.raises(InputError, match="expected a cluster of Ray at localhost:1, found none"):
        open_workers("localhost:1").__enter__()

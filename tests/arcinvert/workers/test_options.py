"""What `--workers`, `--threads` and `--shard` accept."""

import pytest

from arcinvert.workers.open import open_workers
from arcinvert.workers.options import Shard, WorkerOptions, parse_shard
from arcinvert.workers.processes import Processes
from recognition.errors import InputError


def test_a_number_is_processes_and_other_words_are_clusters() -> None:
    assert WorkerOptions().processes is None
    assert WorkerOptions("4").processes == 4
    assert WorkerOptions("ray").cluster == "ray"
    assert WorkerOptions("ray://head:10001").cluster == "ray://head:10001"
    assert WorkerOptions("3").cluster is None


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "many", "", "1025"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="workers: expected a number of processes from 1 to 1024, ray, or"):
        open_workers(text)


def test_several_processes_have_one_thread_unless_given() -> None:
    several = open_workers(3)
    assert isinstance(several, Processes)
    assert several.describe() == "3 processes of 1 thread each"
    assert open_workers(2, threads=4).describe() == "2 processes of 4 threads each"
    for threads in (0, 100_000):
        for workers in (None, 2):
            with pytest.raises(InputError, match="threads: expected"):
                open_workers(workers, threads=threads)


def test_shards_divide_work_without_overlap() -> None:
    assert parse_shard("1/3") == Shard(1, 3)
    parts = [[index for index in range(10) if Shard(number, 3).has(index)] for number in range(3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    for text in ("3/3", "1", "a/b", "-1/2", "1/2/3"):
        with pytest.raises(InputError, match="shard: expected I/N"):
            parse_shard(text)

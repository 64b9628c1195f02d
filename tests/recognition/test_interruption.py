"""Long work ends where it looks whether it shall."""

from threading import Thread

import numpy as np
import pytest
import torch
from torch import nn

from recognition.detection.alignment import detect, has_face
from recognition.interruption import interruptible, may_end


class Ended(BaseException):
    """No error of the work."""


def end() -> None:
    raise Ended


def test_work_ends_at_a_look_and_before_each_module() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    looks: list[int] = []
    with interruptible(lambda: looks.append(1)):
        network(torch.zeros(1, 2))
        may_end()
    assert len(looks) == 4
    with pytest.raises(Ended), interruptible(end):
        network(torch.zeros(1, 2))
    # Afterwards nothing looks any more.
    network(torch.zeros(1, 2))
    may_end()
    assert len(looks) == 4


def test_both_looks_count_where_one_is_inside_the_other() -> None:
    looks: list[str] = []
    with interruptible(lambda: looks.append("outer")), interruptible(lambda: looks.append("inner")):
        may_end()
    assert looks == ["outer", "inner"]


def test_other_threads_are_left_alone() -> None:
    done: list[bool] = []

    def work() -> None:
        nn.Linear(2, 2)(torch.zeros(1, 2))
        may_end()
        done.append(True)

    with interruptible(end):
        thread = Thread(target=work)
        thread.start()
        thread.join()
    assert done == [True]


@pytest.mark.parametrize("search", [has_face, detect])
def test_a_search_for_faces_is_such_work(search: object) -> None:
    assert callable(search)
    with pytest.raises(Ended), interruptible(end):
        search(np.zeros((200, 200, 3), np.uint8))

"""The batches of ranks, and of processes that read images and stay for all epochs."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from recognition.training.batches import TrainingData
from tests.recognition.training.helpers import OPTIONS

#: Four batches of six in two parts of three.
DATA = replace(OPTIONS, accumulate=2, dropout=0.0)


def test_the_parts_of_the_ranks_make_up_each_part_of_a_step(people):
    """So that batch statistics and pairs of a part are those of one process."""
    whole = list(TrainingData(people, DATA).batches(1, 1))
    ranks = [list(TrainingData(people, DATA, part=(rank, 3)).batches(1, 1)) for rank in range(3)]
    assert [len(batches) for batches in ranks] == [len(whole)] * 3 == [3] * 3
    for number, batch in enumerate(whole):
        for kind, values in enumerate(batch):
            parts = [rank[number][kind].chunk(2) for rank in ranks]
            together = torch.cat([parts[rank][part] for part in range(2) for rank in range(3)])
            assert torch.equal(values, together)


@pytest.mark.parametrize("keep", [False, True])
def test_processes_that_stay_read_each_epoch_as_this_one_does(keep, people):
    """Also after an epoch that was left in the middle."""
    here, apart = (TrainingData(people, DATA, workers=workers, keep_images=keep) for workers in (0, 1))
    next(iter(apart.batches(0)))
    for epoch, first in ((1, 0), (0, 2)):
        for one, other in zip(here.batches(epoch, first), apart.batches(epoch, first), strict=True):
            assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
        # The generator is as if no process had been started.
        states = []
        for data in (here, apart):
            list(islice(data.batches(epoch, first), 1))
            states.append(torch.get_rng_state())
        assert torch.equal(*states)

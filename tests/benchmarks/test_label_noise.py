from pathlib import Path

import pytest

from benchmarks.label_noise import inject
from benchmarks.small_trainings import OPTIONS, People, with_head


@pytest.fixture
def people() -> People:
    """Ten people with ten photographs each, and 80 of outsiders."""
    train = {f"P{n}": [Path(f"P{n}/P{n}_{k:04}.png") for k in range(10)] for n in range(10)}
    return People(train, {}, [Path(f"X{n}/X{n}_0001.png") for n in range(80)])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_a_share_of_labels_is_wrong_half_flips_half_outsiders(share, people):
    noisy = inject(people, share)
    assert len(noisy.rows) == 100
    wrong = [row for row in noisy.rows if Path(row["file"]).parent.name != row["identity"]]
    assert len(wrong) == round(100 * share)
    assert {(row["file"], row["identity"]) for row in wrong} == noisy.wrong
    outsiders = [row for row in wrong if row["file"].startswith("X")]
    assert len(outsiders) == len(wrong) // 2
    assert len({row["file"] for row in noisy.rows}) == 100, "no photograph is there twice"


def test_noise_is_seeded(people):
    assert inject(people, 0.2) == inject(people, 0.2)
    assert inject(people, 0.2) != inject(people, 0.2, seed=1)


def test_one_budget_for_every_head():
    changed = with_head("cosface", "triplet")
    assert (changed.head, changed.aux_losses, changed.images_per_identity) == ("cosface", ("triplet",), 4)
    assert (changed.epochs, changed.batch_size, changed.seed) == (OPTIONS.epochs, OPTIONS.batch_size, 0)
    assert with_head("softmax").images_per_identity == 0

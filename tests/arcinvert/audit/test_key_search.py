"""Keys of few bits are found from the records alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.defences import make_defence
from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.audit.defences.key_search import search_keys
from recognition.errors import InputError

Floats = NDArray[np.float64]
DIM = 32


def people(count: int, each: int = 1) -> tuple[Floats, Adversary]:
    """Return templates, `each` of one person in turn, and an adversary with 200 public faces."""
    generator = np.random.default_rng(2)
    scales = 0.8 ** np.arange(DIM)
    rotation = np.linalg.qr(generator.normal(size=(DIM, DIM)))[0]
    centres = generator.normal(size=(count, DIM)) * scales
    photographs = np.repeat(centres, each, 0) + 0.3 * generator.normal(size=(count * each, DIM)) * scales
    public = generator.normal(size=(200, DIM)) * scales
    return unit_norm(photographs @ rotation), Adversary(DIM, unit_norm(public @ rotation))


def template_defence(text: str) -> TemplateDefence:
    defence = make_defence(text)
    assert isinstance(defence, TemplateDefence)
    return defence


def test_a_key_of_six_bits_is_found_from_one_record() -> None:
    templates, adversary = people(5)
    defence, keys = template_defence("projection:0.5"), [17, 3, 63, 50, 41]
    records = defence.protect(templates, keys)
    assert search_keys(defence, records, range(64), adversary).tolist() == keys


@pytest.mark.parametrize("text", ["biohashing:1", "mlp-hash:1", "polyprotect:4"])
def test_a_key_of_five_bits_is_found_from_eight_photographs_of_a_person(text: str) -> None:
    templates, adversary = people(2, each=8)
    defence, groups = template_defence(text), [0] * 8 + [1] * 8
    keys = [30] * 8 + [7] * 8
    records = defence.protect(templates, keys)
    assert search_keys(defence, records, range(32), adversary, groups=groups).tolist() == keys


def test_what_is_recovered_with_the_key_found_is_what_the_key_gives() -> None:
    templates, adversary = people(5)
    defence, keys = template_defence("projection:0.5"), [1, 2, 3, 4, 5]
    records = defence.protect(templates, keys)
    found = search_keys(defence, records, range(16), adversary).tolist()
    assert np.array_equal(
        defence.recover(records, found, adversary), defence.recover(records, keys, adversary)
    )
    without = defence.recover_without_key(records, adversary)
    assert (defence.recover(records, found, adversary) * templates).sum(1).mean() > 0.9
    assert (without * templates).sum(1).mean() < 0.5


@pytest.mark.slow
def test_a_key_of_thirteen_bits_is_found_from_one_record() -> None:
    templates, adversary = people(4)
    defence, keys = template_defence("projection:0.5"), [8191, 0, 3133, 4242]
    records = defence.protect(templates, keys)
    assert search_keys(defence, records, range(2**13), adversary).tolist() == keys


def test_nothing_to_try_is_refused() -> None:
    templates, adversary = people(1)
    defence = template_defence("projection")
    with pytest.raises(InputError, match="at least one candidate key"):
        search_keys(defence, defence.protect(templates, [0]), [], adversary)

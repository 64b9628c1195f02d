"""Adversaries with a prior recover more of each template than those without, and as much as is known."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arcinvert.audit.defences import make_defence
from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from benchmarks.defence_attackers import (
    ROWS,
    Templates,
    centres_of,
    keys_of,
    photographed,
    recovered,
    recovered_with_key,
    rows_of,
)
from recognition.loading import UNDISTILLED, load

#: The least cosine recovered from 60 held-out people by 250 public faces and the class centres, with the key.
BARS = {
    "noise:1": 0.88,
    "quantisation:1": 0.92,
    "truncation:0.25": 0.92,
    "projection:0.25": 0.92,
    "biohashing:0.25": 0.70,
    "mlp-hash:1": 0.80,
    "polyprotect:2": 0.95,
    "polyprotect:4": 0.99,
    "scores:1": 0.95,
    "scores:2": 0.99,
}
#: The same for 20 class centres of lfw-iresnet18, which are less alike than templates.
CENTRE_BARS = {
    "noise:1": 0.85,
    "quantisation:1": 0.92,
    "truncation:0.25": 0.85,
    "projection:0.25": 0.85,
    "biohashing:0.25": 0.66,
    "mlp-hash:1": 0.70,
    "polyprotect:2": 0.90,
    "scores:2": 0.98,
}


def _with_slow_marks(texts: Iterable[str]) -> list[Any]:
    """Return defences as parameters; those whose attacks take many seconds are marked as slow."""
    return [pytest.param(text, marks=pytest.mark.slow if "mlp-hash" in text else ()) for text in texts]


def make(text: str) -> TemplateDefence:
    defence = make_defence(text)
    assert isinstance(defence, TemplateDefence)
    return defence


def people_of(text: str, many: int) -> int:
    """How many people a test attacks: sampling under the constraints of mlp-hash takes seconds a person."""
    return 6 if "mlp-hash" in text else many


def synthetic(dim: int, flat: bool) -> Templates:
    """Return templates of random people: any direction, or a few much more than others."""
    generator = np.random.default_rng(0)
    scales = np.ones(dim) if flat else 0.9 ** np.arange(dim)
    rotation = np.linalg.qr(generator.normal(size=(dim, dim)))[0]
    rows = unit_norm(generator.normal(size=(140, dim)) * scales @ rotation)
    return Templates(rows[:20], rows[20:])


def test_a_key_of_few_bits_is_as_good_as_a_known_one() -> None:
    known, *_, searched = rows_of(make("projection:0.75"), synthetic(40, flat=False), bits=5)
    assert searched[0] == "public faces, a key of 5 bits: 1.00 of the keys found"
    assert np.array_equal(searched[1], known[1])


@pytest.mark.parametrize("text", _with_slow_marks(ROWS))
def test_a_prior_never_makes_an_adversary_worse(text: str) -> None:
    for flat in (True, False):
        everybody = synthetic(60, flat)
        templates = replace(everybody, attacked=everybody.attacked[: people_of(text, 20)])
        for known, new, old in rows_of(make(text), templates):
            if "no key" not in known:
                # What a prior costs where there is nothing to learn.
                assert new.mean() > old.mean() - 0.005
            if "public faces" in known and "no key" not in known and not flat:
                assert 1 - new.mean() < 0.9 * (1 - old.mean())


@pytest.mark.parametrize("text", _with_slow_marks(CENTRE_BARS))
def test_class_centres_recovered(text: str) -> None:
    templates = centres_of(load(UNDISTILLED), people=people_of(text, 20))
    _, new, old = next(rows_of(make(text), templates))
    assert new.mean() > CENTRE_BARS[text]
    assert new.mean() > old.mean()


@pytest.mark.parametrize(("text", "bar"), [("polyprotect:2", 0.85), ("polyprotect:4", 0.90)])
def test_polyprotect_without_its_key_hides_little_but_the_sign(text: str, bar: float) -> None:
    defence, templates = make(text), centres_of(load(UNDISTILLED), people=20)
    protected = defence.protect(templates.attacked, keys_of(20))
    known = Adversary(templates.public.shape[1], templates.public)
    estimates = defence.recover_without_key(protected, known)
    # Either sign is as likely: class centres have a mean near zero.
    assert np.abs(recovered(estimates, templates.attacked)).mean() > bar


@pytest.mark.slow
@pytest.mark.shared
def test_templates_recovered(shared) -> None:
    templates = photographed(load(UNDISTILLED), shared / "data" / "lfw" / "images")
    assert (len(templates.attacked), len(templates.public)) == (60, 250)
    found = {
        text: recovered_with_key(
            make(text), replace(templates, attacked=templates.attacked[: 12 if "mlp-hash" in text else 60])
        ).mean()
        for text in BARS
    }
    assert {text for text, bar in BARS.items() if found[text] < bar} == set(), found

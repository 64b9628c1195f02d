"""Records of keyed defences: without the key, many of one person tell no more than none."""

import json
from pathlib import Path

import numpy as np
import pytest

from arcinvert.audit.defences import make_defence
from arcinvert.audit.defences.base import TemplateDefence, unit_norm
from arcinvert.audit.defences.mlp_hash import MlpHash
from arcinvert.audit.defences.orthonormal import random_orthonormal
from arcinvert.audit.harden import harden_templates
from recognition.errors import InputError

DIM, PEOPLE, KEYS = 12, 8, 500


@pytest.mark.parametrize("name", ["projection:1", "biohashing:1", "mlp-hash:1"])
def test_the_mean_of_many_records_under_their_own_keys_is_at_chance(name: str) -> None:
    defence = make_defence(name)
    assert isinstance(defence, TemplateDefence)
    templates = unit_norm(np.random.default_rng(0).normal(size=(PEOPLE, DIM)))
    records = defence.protect(np.repeat(templates, KEYS, 0), range(PEOPLE * KEYS))
    cosines = (records * np.repeat(templates, KEYS, 0)).sum(1)
    # A cosine of random directions has mean 0 and variance 1 / dim: four standard errors.
    assert abs(cosines.mean()) < 4 / np.sqrt(DIM * PEOPLE * KEYS)


@pytest.mark.parametrize("count", [1, 4, DIM])
def test_random_directions_lean_nowhere(count: int) -> None:
    generator = np.random.default_rng(0)
    draws = np.stack([random_orthonormal(generator, DIM, count) for _ in range(2000)])
    assert draws[0].T @ draws[0] == pytest.approx(np.eye(count), abs=1e-12)
    # Each number has mean 0 and variance 1 / dim, whatever its place: five standard errors.
    assert np.abs(draws.mean(0)).max() < 5 / np.sqrt(DIM * 2000)
    assert np.square(draws).mean(0) == pytest.approx(np.full((DIM, count), 1 / DIM), abs=0.02)


def test_no_layer_of_mlp_hash_leans() -> None:
    layers = [MlpHash().weights(key, DIM) for key in range(400)]
    for number in range(4):
        diagonals = np.stack([np.diag(one[number]) for one in layers])
        assert abs(diagonals.mean()) < 5 * diagonals.std() / np.sqrt(diagonals.size)


@pytest.mark.parametrize(("defence", "same"), [("projection:0.5", False), ("polyprotect:2", True)])
def test_a_secret_of_the_former_directions_is_not_used_again(
    defence: str, same: bool, tiny_model: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "t.npy", np.random.default_rng(0).normal(size=(2, 32)))
    key = tmp_path / "key.json"

    def harden(out: str) -> None:
        harden_templates(
            str(tmp_path / "t.npy"), defence, tmp_path / out, model=str(tiny_model), key_file=key
        )

    harden("new.npy")
    content = json.loads(key.read_text())
    assert content["schema"] == "arcinvert-template-key-2"
    key.write_text(json.dumps(content | {"schema": "arcinvert-template-key-1"}))
    if same:
        # Records of PolyProtect are what they were.
        harden("old.npy")
        assert (tmp_path / "old.npy").read_bytes() == (tmp_path / "new.npy").read_bytes()
        return
    with pytest.raises(InputError, match="protect all templates anew"):
        harden("old.npy")

"""Loaded networks are shared by all requests."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from app import attackers
from app.attackers import Attackers
from arcinvert import Attacker, InputError, Step
from arcinvert.subjects import template_of


def test_a_network_is_loaded_once_whoever_asks(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(model: str, **options: str) -> Attacker:
        loaded.append(model)
        return Attacker(model, device="cpu")

    monkeypatch.setattr(attackers, "Attacker", load)
    cache, found = Attackers("cpu"), []
    threads = [threading.Thread(target=lambda: found.append(cache.get(str(tiny_model)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [str(tiny_model)]
    assert len({id(attacker) for attacker in found}) == 1


def test_those_used_last_are_kept(tiny_model: Path, tmp_path: Path) -> None:
    names = []
    for name in "abc":
        shutil.copy(tiny_model, tmp_path / f"{name}.safetensors")
        names.append(str(tmp_path / f"{name}.safetensors"))
    cache = Attackers("cpu", most=2)
    first, second = cache.get(names[0]), cache.get(names[1])
    assert cache.get(names[0]) is first
    cache.get(names[2])
    assert cache.get(names[0]) is first
    assert cache.get(names[1]) is not second


def test_a_changed_file_is_loaded_again(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    shutil.copy(tiny_model, path)
    cache = Attackers("cpu")
    before = cache.get(str(path))
    os.utime(path, (1, 1))
    assert cache.get(str(path)) is not before


def test_a_failure_is_not_kept(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    cache = Attackers("cpu")
    with pytest.raises(InputError):
        cache.get(str(path))
    shutil.copy(tiny_model, path)
    assert cache.get(str(path)).recogniser.name == "tiny"


def test_templates_during_an_attack_change_nothing(tiny_attacker: Attacker) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    template = template_of(tiny_attacker.recogniser, crop)
    others: list[bool] = []

    def embed(step: Step) -> None:
        thread = threading.Thread(
            target=lambda: others.append(template_of(tiny_attacker.recogniser, crop).equal(template))
        )
        thread.start()
        thread.join()

    options = {"steps": 4, "feature_dropout": 0.2}
    undisturbed = tiny_attacker.generate(1, **options)
    disturbed = tiny_attacker.generate(1, progress=embed, **options)
    assert others
    assert all(others)
    assert np.array_equal(disturbed.images[0], undisturbed.images[0])

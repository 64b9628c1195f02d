"""Networks given in one word, with their preprocessing: MODEL@PRESET."""

import os
import re

import pytest
import torch

from recognition.errors import InputError
from recognition.loading import PRESETS, ModelChoice, load, with_preset
from tests.recognition.loading.files import save, state_of, tiny_body


@pytest.mark.parametrize(
    ("text", "model", "preset"),
    [
        ("judge.pth", "judge.pth", None),
        ("judge.pth@adaface", "judge.pth", "adaface"),
        ("a/b@c/judge.pth@facenet,channels=BGR", "a/b@c/judge.pth", "facenet,channels=BGR"),
        ("judge.pth@mean=0.4/0.5/0.6,std=0.2", "judge.pth", "mean=0.4/0.5/0.6,std=0.2"),
        ("lfw-distilled@zero-to-255", "lfw-distilled", "zero-to-255"),
        ("timm:resnet18@weights.pth", "timm:resnet18@weights.pth", None),
        ("timm:resnet18@imagenet", "timm:resnet18", "imagenet"),
        ("pack.age:factory@a/weights.pth@adaface", "pack.age:factory@a/weights.pth", "adaface"),
        ("a@b/judge.pth", "a@b/judge.pth", None),
        ("judge.pth@typo", "judge.pth", "typo"),
    ],
)
def test_a_preset_is_told_from_a_name(text, model, preset):
    assert with_preset(text) == ModelChoice(model, preset=preset)


def test_a_file_that_exists_is_never_taken_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("judge@adaface", "weights"):
        (tmp_path / name).write_bytes(b"")
    assert with_preset("judge@adaface") == ModelChoice("judge@adaface")
    assert with_preset("pack.age:factory@weights") == ModelChoice("pack.age:factory@weights")
    assert with_preset(tmp_path / "judge@adaface") == ModelChoice(tmp_path / "judge@adaface")


def test_a_choice_is_kept():
    choice = ModelChoice("judge.pth", preset="adaface", output="norm")
    assert with_preset(choice) is choice


def test_the_preset_is_that_of_the_network(tmp_path):
    path = save(tmp_path / "network.pth", state_of(tiny_body(inner_norm=False)))
    recogniser = load(with_preset(f"{path}@magface"))
    assert recogniser.preprocessing == PRESETS["magface"]
    assert recogniser.source.path == os.fspath(path)
    images = torch.rand(2, 3, 112, 112)
    torch.testing.assert_close(recogniser(images), load(ModelChoice(path, preset="magface"))(images))
    message = r"preset: expected one of insightface, .*got 'typo'; give one of these as --preset or MODEL@"
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {message}"):
        load(with_preset(f"{path}@typo"))

"""What an attacker refuses: a wrong value is one clear line, whatever its type, and nothing is written."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import arcinvert
from arcinvert import Attacker, InputError
from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.statistics_file import save_statistics
from recognition.loading import load


@pytest.fixture(scope="module")
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(tiny_model, device="cpu")


NAN = float("nan")
#: A photograph without a face.
WALL = np.full((300, 300, 3), 120, np.uint8)
#: Options of any attack that are wrong, and what the line says.
WRONG_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "steps-fraction": ({"steps": 1.5}, "steps: expected a whole number, got 1.5"),
    "steps-text": ({"steps": "x"}, "steps: expected a whole number, got 'x'"),
    "steps-bool": ({"steps": True}, "steps: expected a whole number, got True"),
    "steps-negative": ({"steps": -1}, "steps: expected a whole number from 0 up, got -1"),
    "steps-list": ({"steps": [3]}, "steps: expected a whole number, got [3]"),
    "samples-zero": ({"samples": 0}, "samples: expected a whole number from 1 up, got 0"),
    "samples-none": ({"samples": None}, "samples: expected a whole number, got None"),
    "seed-negative": ({"seed": -1}, "seed: expected"),
    "seed-large": ({"seed": 2**63}, "seed: expected"),
    "rate-nan": ({"learning_rate": NAN}, "learning_rate: expected"),
    "rate-zero": ({"learning_rate": 0}, "learning_rate: expected"),
    "rate-text": ({"learning_rate": "0.1"}, "learning_rate: expected a number, got '0.1'"),
    "flip-number": ({"flip": 1}, "flip: expected true or false, got 1"),
    "loss-unknown": ({"loss": "l1"}, "loss: expected one of arcface, cosine, euclidean, got 'l1'"),
    "recipe-unknown": ({"recipe": "soup"}, "recipe: expected one of arcinvert, paper, deepinversion"),
    "recipe-none": ({"recipe": None}, "recipe: expected one of"),
    "knowledge-unknown": ({"knowledge": "all"}, "knowledge: expected one of"),
    "initialisation-unknown": ({"initialisation": "zeros"}, "initialisation: expected one of"),
    "penalty-unknown": ({"penalty": {"l3": 1}}, "penalty: expected one of tv, colour-tv"),
    "penalty-number": ({"penalty": 3}, "penalty: expected a dictionary of names to values, got 3"),
    "penalty-negative": ({"penalty": {"tv": -1}}, "penalty tv: expected a finite number from 0 up, got -1"),
    "penalty-nan": ({"penalty": {"tv": NAN}}, "penalty tv: expected a finite number from 0 up, got nan"),
    "penalty-text": ({"penalty": {"tv": "much"}}, "penalty tv: expected a number, got 'much'"),
    "unknown-option": ({"setps": 3}, "options: expected a known option, got 'setps'; the nearest is 'steps'"),
    "out-number": ({"out": 5}, "out: expected a path, got 5"),
    "progress-text": ({"progress": "yes"}, "progress: expected a function, got 'yes'"),
}
#: Calls of an attacker that are wrong, and what the line says.
WRONG_CALLS: dict[str, tuple[Callable[[Attacker], Any], str]] = {
    "class-bool": (lambda a: a.generate(True), "class id: expected a whole number, got True"),
    "class-fraction": (lambda a: a.generate(1.5), "class id: expected a whole number, got 1.5"),
    "class-text": (lambda a: a.generate("1"), "class id: expected a whole number, got '1'"),
    "class-bytes": (lambda a: a.generate(b"1"), "class id: expected a whole number, got b'1'"),
    "class-fractions": (lambda a: a.generate(np.array([0.5])), "class id: expected a whole number"),
    "class-beyond": (lambda a: a.generate(5), "class id: expected 0 to 4, got 5"),
    "class-negative": (lambda a: a.generate([0, -1]), "class id: expected 0 to 4, got -1"),
    "class-name-number": (lambda a: a.generate(class_name=3), "class name: expected a text, got 3"),
    "class-name-numbers": (lambda a: a.generate(class_name=["Ann Able", 3]), "class name: expected a text"),
    "class-name-unknown": (lambda a: a.generate(class_name="Ann"), "class name: expected one of"),
    "class-none": (lambda a: a.generate(), "generate: expected a class id or a class name, got none"),
    "class-empty": (lambda a: a.generate([]), "generate: expected a class id or a class name, got none"),
    "class-photos": (lambda a: a.generate(0, photos=3), "photos: expected a path, got 3"),
    "photograph-none": (lambda a: a.from_image(None), "photograph: expected a path, a PIL image or a uint8"),
    "photograph-number": (lambda a: a.from_image([3]), "photograph: expected a path, a PIL image or a uint8"),
    "photograph-empty": (
        lambda a: a.from_image([]),
        "from-image: expected at least one photograph, got none",
    ),
    "photograph-missing": (lambda a: a.from_image("no.jpg"), "no.jpg: expected a photograph, found no such"),
    "photograph-float": (
        lambda a: a.from_image(np.zeros((200, 200, 3))),
        "photograph: expected a path, a PIL image or a uint8 array (height, width, 3) in RGB, got float64",
    ),
    "photograph-grey": (lambda a: a.from_image(np.zeros((200, 200), np.uint8)), "photograph: expected"),
    "photograph-face": (lambda a: a.from_image(WALL, face="x"), "face: expected a whole number, got 'x'"),
    "photograph-faceless": (
        lambda a: a.from_image(WALL),
        "image 1: expected a face, the detector found none",
    ),
    "crop-size": (
        lambda a: a.from_crops(np.zeros((96, 112, 3), np.uint8)),
        "image 1: expected an aligned 112x112 crop, got 112x96; use from_image for photographs",
    ),
    "crop-none": (lambda a: a.from_crops(None), "photograph: expected a path"),
    "crop-empty": (lambda a: a.from_crops([]), "from-crops: expected at least one crop, got none"),
    "crop-missing": (lambda a: a.from_crops("no.png"), "no.png: expected a photograph, found no such file"),
    "template-dimension": (
        lambda a: a.from_embedding(np.ones((2, 33))),
        "templates: expected templates of 32 numbers, (32,) or (n, 32), got (2, 33)",
    ),
    "template-nan": (lambda a: a.from_embedding(np.full(32, NAN)), "templates: expected finite, non-zero"),
    "template-zero": (lambda a: a.from_embedding(torch.zeros(32)), "templates: expected finite, non-zero"),
    "template-none": (lambda a: a.from_embedding(None), "templates: expected a file, an array or a"),
    "template-texts": (lambda a: a.from_embedding(np.array(["a"] * 32)), "templates: expected real numbers"),
    "template-missing": (lambda a: a.from_embedding("no.npy"), "no.npy: expected a .npy file of templates"),
    "template-loss": (
        lambda a: a.from_embedding(np.ones(32), loss="arcface"),
        "loss: expected cosine or euclidean for a template, got arcface",
    ),
    "plan-option": (lambda a: a.plan("class", spets=3), "options: expected a known option, got 'spets'"),
    "plan-target": (lambda a: a.plan("person"), "target: expected one of class, template, got 'person'"),
}
#: Attackers that cannot be, and what the line says.
WRONG_ATTACKERS: dict[str, tuple[dict[str, Any], str]] = {
    "model-object": ({"model": object()}, "model: expected a name, a file, a Recogniser or a torch module"),
    "model-none": (
        {"model": None},
        "model: expected a name, a file, a Recogniser or a torch module, got None",
    ),
    "model-missing": ({"model": "gone.pt"}, "gone.pt: expected"),
    "device-unknown": (
        {"device": "tpu"},
        "device: expected auto, cpu, mps, cuda or, of several cards, cuda:N, got 'tpu'",
    ),
    "device-number": (
        {"device": 0},
        "device: expected auto, cpu, mps, cuda or, of several cards, cuda:N, got 0",
    ),
    "precision-unknown": ({"precision": "float8"}, "precision: expected one of auto"),
    "statistics-number": ({"statistics": 3}, "statistics: expected a path, got 3"),
    "statistics-missing": ({"statistics": "gone"}, "gone: expected a statistics file, found no such file"),
}


def refusal(call: Callable[[], Any]) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(InputError) as refused:
        call()
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("case", WRONG_OPTIONS)
def test_wrong_options_are_one_line(attacker: Attacker, case: str) -> None:
    options, expected = WRONG_OPTIONS[case]
    assert refusal(lambda: attacker.generate(0, **options)).startswith(expected)
    assert refusal(lambda: attacker.from_embedding(np.ones(32), **options)).startswith(expected)


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_wrong_calls_are_one_line(attacker: Attacker, case: str) -> None:
    call, expected = WRONG_CALLS[case]
    assert refusal(lambda: call(attacker)).startswith(expected)


@pytest.mark.parametrize("case", WRONG_ATTACKERS)
def test_wrong_attackers_are_one_line(tiny_model: Path, case: str) -> None:
    given, expected = WRONG_ATTACKERS[case]
    assert refusal(lambda: Attacker(**({"model": tiny_model} | given))).startswith(expected)
    assert refusal(lambda: arcinvert.generate(0, **({"model": tiny_model} | given))).startswith(expected)


def test_a_wrong_value_leaves_no_folder(attacker: Attacker, tmp_path: Path) -> None:
    for options in ({"steps": 1.5}, {"penalty": {"l3": 1}}, {"initialisation": "nearest-neighbours"}):
        refusal(lambda options=options: attacker.generate(0, out=tmp_path / "out", **options))
    assert list(tmp_path.iterdir()) == []


def test_statistics_contradict_knowledge_of_the_weights_alone(tiny_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "faces.safetensors"
    save_statistics(file, measure(load(tiny_model), [torch.rand(2, 3, 112, 112)]))
    attacker = Attacker(tiny_model, device="cpu", statistics=file)
    assert attacker.plan("class").knowledge == "public-faces"
    with pytest.raises(InputError, match=re.escape(f"got {file}, which is made of public faces")):
        attacker.plan("class", knowledge="weights")


@pytest.mark.parametrize("options", [{"learning_rate": 1e30}, {"penalty": {"tv": 1e308, "bn": 1e308}}])
def test_an_optimisation_that_diverges_is_refused(
    attacker: Attacker, options: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="expected values with which the optimisation converges"):
        attacker.generate(1, steps=2, out=tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_the_root_of_a_disk_is_no_folder_of_results(attacker: Attacker) -> None:
    with pytest.raises(InputError, match="expected a folder with a name"):
        attacker.generate(1, steps=0, out="/")

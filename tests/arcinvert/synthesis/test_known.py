"""Known people: whose templates count, and the spread within a person."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arcinvert import InputError
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.synthesis.known import known_people
from recognition.data.faces import read_face
from recognition.images import to_tensor, write_png
from tests.arcinvert.synthesis.networks import CLASSES, DIM, small_attacker


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people with 3, 2 and 1 aligned crops of noise."""
    folder = tmp_path_factory.mktemp("people")
    generator = np.random.default_rng(0)
    for person, count in enumerate((3, 2, 1)):
        (folder / str(person)).mkdir()
        base = generator.integers(0, 256, (112, 112, 3))
        for number in range(count):
            noise = generator.integers(-120, 120, base.shape)
            crop = np.clip(base + noise, 0, 255).astype(np.uint8)
            write_png(folder / str(person) / f"{number}.png", crop)
    return folder


def of_public(knowledge: Knowledge) -> Knowledge:
    assert knowledge.statistics is not None
    return replace(knowledge, statistics=replace(knowledge.statistics, template_faces="public faces"))


def test_synthetic_faces_are_nobody_and_public_faces_are_people() -> None:
    attacker = small_attacker()
    found = known_people(attacker.recogniser, attacker.knowledge)
    assert found.sources == {"class centres": CLASSES}
    torch.testing.assert_close(found.templates, attacker.recogniser.centres)
    found = known_people(attacker.recogniser, of_public(attacker.knowledge))
    assert found.sources == {"class centres": CLASSES, "public faces": 64}
    assert found.templates.shape == (CLASSES + 64, DIM)
    assert found.stranger_source == "class centres"
    nobody = known_people(small_attacker(0).recogniser, attacker.knowledge)
    assert nobody.sources == {}
    assert nobody.templates.shape == (0, DIM)
    assert nobody.strangers.shape[0] == 0


def test_a_folder_gives_templates_and_the_angle_within_a_person(people: Path) -> None:
    attacker = small_attacker(0)
    found = known_people(attacker.recogniser, attacker.knowledge, people)
    assert found.sources == {"faces given": 6}
    rows: dict[str, list[np.ndarray]] = {}
    for path in sorted(people.rglob("*.png")):
        image = to_tensor(read_face(path, 16))[None]
        with torch.no_grad():
            both = attacker.recogniser(torch.cat([image, image.flip(-1)])).double().sum(0).numpy()
        rows.setdefault(path.parent.name, []).append(both / np.linalg.norm(both))
    angles, means = [], []
    for templates in rows.values():
        mean = np.mean(templates, 0)
        means.append(mean / np.linalg.norm(mean))
        for place, one in enumerate(templates):
            rest = [other for number, other in enumerate(templates) if number != place]
            if rest:
                other = np.mean(rest, 0)
                angles.append(np.degrees(np.arccos(one @ other / np.linalg.norm(other))))
    assert found.within == pytest.approx(np.mean(angles), abs=1e-3)
    assert found.within_photographs == len(angles) == 5
    assert found.stranger_source == "people given"
    np.testing.assert_allclose(found.strangers, means, atol=1e-5)


def test_a_folder_without_a_face_is_refused(tmp_path: Path) -> None:
    attacker = small_attacker()
    with pytest.raises(InputError, match="expected photographs of faces, found none; check --known"):
        known_people(attacker.recogniser, attacker.knowledge, tmp_path)
    with pytest.raises(InputError, match="expected a folder of faces, found none; check --known"):
        known_people(attacker.recogniser, attacker.knowledge, tmp_path / "missing")
    (tmp_path / "damaged.png").write_bytes(b"no image")
    left_out: list[Path] = []
    with pytest.raises(InputError, match="found none"):
        known_people(attacker.recogniser, attacker.knowledge, tmp_path, left_out.append)
    assert left_out == [tmp_path / "damaged.png"]

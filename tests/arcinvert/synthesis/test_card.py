"""The data card: its figures are those of the pictures on the disk, recomputed here with numpy alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from arcinvert import Attacker, InputError
from arcinvert.synthesis.card import describe_cost
from arcinvert.synthesis.card_text import card_text
from arcinvert.synthesis.synthesise import synthesise
from recognition.images import resized
from tests.arcinvert.synthesis.networks import options, small_attacker

KNOWN_ANGLE = 35.0


@pytest.fixture(scope="module")
def attacker() -> Attacker:
    return small_attacker()


@pytest.fixture(scope="module")
def out(attacker: Attacker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("card") / "set"
    synthesise(attacker, options(identities=6, known_angle=KNOWN_ANGLE), out)
    return out


@pytest.fixture(scope="module")
def card(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "card.json").read_text()))


def templates_of(out: Path, attacker: Attacker) -> np.ndarray:
    """Return the templates of the written pictures, shape (identities, pictures, dim)."""
    rows = []
    for person in sorted((out / "faces").iterdir()):
        crops = np.stack([np.asarray(Image.open(path)) for path in sorted(person.iterdir())])
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            rows.append(attacker.recogniser(resized(images, 16)).double().numpy())
    return np.stack(rows)


def angle(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other))))


def assert_angles(found: dict[str, Any], wanted: list[float]) -> None:
    assert found["count"] == len(wanted)
    assert found["smallest"] == pytest.approx(min(wanted), abs=0.02)
    assert found["mean"] == pytest.approx(np.mean(wanted), abs=0.02)
    for quantile, value in found["quantiles"].items():
        assert value == pytest.approx(np.quantile(wanted, float(quantile)), abs=0.02)


def test_the_privacy_figures_are_those_of_the_pictures(
    out: Path, card: dict[str, Any], attacker: Attacker
) -> None:
    directions = load_file(out / "identities.safetensors")["directions"].astype(float)
    centres = attacker.recogniser.centres.double().numpy()  # type: ignore[union-attr]
    means = templates_of(out, attacker).mean(1)
    privacy = card["privacy"]
    assert privacy["known_people"] == {"class centres": 6}
    nearest = [min(angle(one, centre) for centre in centres) for one in directions]
    assert min(nearest) >= KNOWN_ANGLE - 1e-3
    assert_angles(privacy["directions"], nearest)
    of_pictures = [min(angle(one, centre) for centre in centres) for one in means]
    assert_angles(privacy["pictures"], of_pictures)
    nearer = privacy["pictures_nearer_than_stated"]
    assert (nearer["hits"], nearer["count"]) == (sum(one < KNOWN_ANGLE for one in of_pictures), 6)
    reference = privacy["to_reference_people"]
    strangers = [
        min(angle(one, other) for number, other in enumerate(centres) if number != place)
        for place, one in enumerate(centres)
    ]
    assert_angles(reference["strangers"], strangers)
    assert_angles(reference["directions"], nearest)
    assert_angles(reference["pictures"], of_pictures)


def test_the_figures_within_and_between_identities_are_those_of_the_pictures(
    out: Path, card: dict[str, Any], attacker: Attacker
) -> None:
    directions = load_file(out / "identities.safetensors")["directions"].astype(float)
    templates = templates_of(out, attacker)
    found = card["pictures_of_identities"]
    own = [angle(one, directions[place]) for place, rows in enumerate(templates) for one in rows]
    assert_angles(found["angle_to_identity"], own)
    hits = sum(
        int(np.argmax(directions @ one)) == place for place, rows in enumerate(templates) for one in rows
    )
    assert found["nearest_to_own_identity"]["hits"] == hits
    assert found["nearest_to_own_identity"]["count"] == 12
    between = [angle(directions[one], directions[other]) for one in range(6) for other in range(one)]
    assert card["identities_apart"]["smallest"] == pytest.approx(min(between), abs=0.01)
    assert min(between) >= card["identities_apart"]["stated_angle"] == 40


def test_the_card_says_how_and_from_what(out: Path, card: dict[str, Any]) -> None:
    made = card["made_of"]
    assert made["network"]["name"] == "small"
    assert made["spread"] == "6 class centres"
    assert made["knowledge"]["level"] == "synthetic-faces"
    assert made["knowledge"]["regression"] == "64 synthetic faces"
    assert made["within"] == {"degrees": 35.0, "source": "the default"}
    assert card["options"]["identities"] == 6
    text = (out / "README.md").read_text()
    for part in (
        "12 pictures of 6 identities",
        "small",
        "6 class centres",
        "64 synthetic faces",
        "## Privacy",
    ):
        assert part in text
    smallest = card["privacy"]["to_reference_people"]["strangers"]["smallest"]
    assert (
        f"**strangers**: these people, to another of them (n = 6) | 6 class centres | {smallest:.1f}" in text
    )
    assert max(map(len, text.splitlines())) < 1200


def test_a_set_without_known_people_says_so(tmp_path: Path) -> None:
    made = synthesise(small_attacker(0), options(identities=2, steps=1, within=20.0), tmp_path / "set")
    assert made.card["privacy"] is None
    assert made.card["made_of"]["within"] == {"degrees": 20.0, "source": "given"}
    assert "No known people were checked" in card_text(made.card)


def test_cost_is_what_the_batches_took() -> None:
    identity = {"own": [0.5, 0.5]}
    batches = [{"identities": [identity] * 2, "seconds": 1.5}, {"identities": [identity], "seconds": 0.5}]
    assert describe_cost(batches) == {"seconds": 2.0, "images_per_second": 3.0}
    assert describe_cost([]) is None


class Brightness:
    """A judge whose embedding is the mean colour."""

    name = "brightness"
    metric = "euclidean"

    def embed(self, crops: Any) -> np.ndarray:
        return np.array([np.asarray(crop).mean((0, 1)) / 255 for crop in crops])

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "similarity": "1 - Euclidean distance"}


def test_the_judges_figures_are_those_of_the_pictures(tmp_path: Path) -> None:
    attacker = small_attacker()
    attacker.judge = Brightness()  # type: ignore[assignment]
    colours = np.random.default_rng(0).integers(0, 256, (4, 3))
    for number, colour in enumerate(colours):
        (tmp_path / "known" / str(number)).mkdir(parents=True)
        crop = Image.fromarray(np.broadcast_to(colour.astype(np.uint8), (112, 112, 3)).copy())
        crop.save(tmp_path / "known" / str(number) / "face.png")
    chosen = options(identities=3, steps=1, known_angle=0.0, judge=True)
    out = tmp_path / "set"
    found = synthesise(attacker, chosen, out, known=tmp_path / "known").card["judged"]
    people = colours / 255
    pictures = [np.asarray(Image.open(out / "faces" / f"{number:06d}" / "000.png")) for number in range(3)]
    nearest = [
        max(1 - np.linalg.norm(one.mean((0, 1)) / 255 - person) for person in people) for one in pictures
    ]
    strangers = [
        max(1 - np.linalg.norm(people[one] - people[other]) for other in range(4) if other != one)
        for one in range(4)
    ]
    assert (found["people"], found["judge"]["name"]) == (4, "brightness")
    for name, wanted in (("pictures", nearest), ("strangers", strangers)):
        assert found[name]["count"] == len(wanted)
        assert found[name]["highest"] == pytest.approx(max(wanted), abs=1e-4)
        assert found[name]["quantiles"]["0.5"] == pytest.approx(np.median(wanted), abs=1e-4)
    text = (out / "README.md").read_text()
    assert "to the nearest of 4 known people, by brightness, a network that was not inverted" in text
    with pytest.raises(InputError, match="judge: expected photographs of at least two known people, found 0"):
        synthesise(attacker, chosen, tmp_path / "other")

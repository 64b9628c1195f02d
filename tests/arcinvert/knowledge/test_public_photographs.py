"""The salted list of public photographs: what is found again, and what is not."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from arcinvert.knowledge.public_photographs import (
    Overlap,
    PhotographCollector,
    PublicPhotographs,
    find_overlap,
    normalised_name,
    photograph_key,
)
from recognition.perceptual_hash import distances, perceptual_hash

Picture = NDArray[np.uint8]


def picture(seed: int) -> Picture:
    coarse = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((112, 112), Image.Resampling.BICUBIC))


def encoded(image: Picture) -> Picture:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file).convert("RGB"))


def collected(*numbers: int, people: bool = True) -> PublicPhotographs:
    collector = PhotographCollector()
    for number in numbers:
        name = f"Person_{number}" if people and number else None
        collector.add(f"{number:064x}", picture(number), name)
    return collector.result()


def test_a_photograph_is_found_by_its_file_or_by_its_face() -> None:
    listed = collected(0, 1, 2)
    assert len(listed) == 3
    assert listed.has(photograph_key("same file", picture(50), f"{1:064x}"))
    assert listed.has(photograph_key("compressed again", encoded(picture(1)), "f" * 64))
    assert listed.has(photograph_key("mirrored", picture(1)[:, ::-1]))
    assert not any(listed.has(photograph_key("another", picture(number))) for number in range(10, 60))


def test_people_are_found_by_any_spelling_of_their_names() -> None:
    listed = collected(0, 1, 2)
    assert len(listed.people) == 2
    assert listed.has_person("person 1")
    assert listed.has_person("PERSON-2")
    assert not listed.has_person("Person 3")
    assert not listed.has_person("")
    assert normalised_name("  Zoë_Ball\u2013Smith ") == "zoe ball smith"
    assert normalised_name("...") == ""


def test_the_list_shows_no_name_digest_or_hash_as_it_is() -> None:
    listed, other = collected(1, 2), collected(1, 3)
    raw = perceptual_hash(picture(1))
    assert listed.salt.tolist() != other.salt.tolist()
    for part in ("digests", "hashes", "people"):
        rows, others = (set(map(tuple, getattr(one, part).tolist())) for one in (listed, other))
        assert not rows & others
    assert tuple(raw.tolist()) not in set(map(tuple, listed.hashes.tolist()))
    # Exclusive or with one mask keeps the distances between hashes.
    stored = listed.hashes.numpy()
    assert distances(stored[0], stored[1:])[0] == distances(raw, perceptual_hash(picture(2))[None])[0]


def test_the_same_photographs_in_any_order_give_the_same_list() -> None:
    one, other = collected(1, 2, 3), collected(3, 1, 2)
    for part in ("salt", "digests", "hashes", "people"):
        assert torch.equal(getattr(one, part), getattr(other, part))


def test_an_empty_list_finds_nothing() -> None:
    listed = PhotographCollector().result()
    listed.validate()
    assert not listed.has(photograph_key("a", picture(1), "0" * 64))
    assert not listed.has_person("a")


def test_parts_that_do_not_fit_are_damage() -> None:
    listed = collected(1, 2)
    listed.validate()
    for wrong in (
        {"salt": listed.salt[:3]},
        {"hashes": listed.hashes[:1]},
        {"digests": listed.digests.float()},
        {"people": listed.people[:, :3]},
    ):
        with pytest.raises(ValueError, match="photographs"):
            replace(listed, **wrong).validate()


def test_what_an_overlap_says() -> None:
    keys = [photograph_key("b.png", picture(1)), photograph_key("c.png", picture(9))]
    overlap = find_overlap(collected(1, 2), keys, ["Person 2", "Somebody"])
    assert overlap == Overlap(True, ("b.png",), ("Person 2",))
    assert overlap.describe() == {"checked": True, "photographs": ["b.png"], "people": ["Person 2"]}
    assert (
        "1 attacked photograph (such as b.png) and 1 attacked person (such as Person 2)" in overlap.sentence()
    )
    assert str(overlap.refused()).startswith("overlap: expected public faces of other people, got 1 attacked")
    nothing = find_overlap(collected(1, 2), keys[1:])
    assert not nothing
    assert nothing.sentence() == ""
    unknown = find_overlap(None, keys)
    assert not unknown.checked
    assert "cannot be checked" in unknown.sentence()

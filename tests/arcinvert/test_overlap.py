"""Attacks on people who are among the attacker's public faces: refused, or reported."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert import Attacker, InputError
from arcinvert.knowledge.calibrate import calibrate
from arcinvert.knowledge.overlap import attack_overlap, face_pca_photographs
from arcinvert.knowledge.public_photographs import Overlap
from arcinvert.knowledge.statistics_file import load_statistics, save_statistics
from recognition.images import write_png
from recognition.loading import UNDISTILLED, load
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge, random_decoder
from tests.arcinvert.support import leave_out_judge

Picture = NDArray[np.uint8]
#: Uses the statistics file, if only a little.
OPTIONS: dict[str, Any] = {"steps": 1, "initialisation": "nearest-neighbours"}


@pytest.fixture(autouse=True)
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture(scope="module")
def statistics(tiny_model: Path, astronaut_crop: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Statistics on patterns, with the astronaut's photograph among them."""
    folder = tmp_path_factory.mktemp("public")
    noise = np.random.default_rng(0)
    (folder / "Bob_Baker").mkdir()
    for number in range(3):
        write_png(folder / f"{number}.png", noise.integers(0, 255, (112, 112, 3), dtype=np.uint8))
    write_png(folder / "Bob_Baker" / "1.png", astronaut_crop)
    path, _ = calibrate(tiny_model, folder, out=folder / "s.safetensors", device="cpu")
    return path


@pytest.fixture(scope="module")
def attacker(tiny_model: Path, statistics: Path) -> Attacker:
    return Attacker(tiny_model, statistics=statistics, device="cpu")


def test_a_public_photograph_is_refused(attacker: Attacker, photograph: Path, tmp_path: Path) -> None:
    # The public face is the aligned crop, and what is attacked is the photograph that it was cut from.
    with pytest.raises(InputError, match=r"^overlap: .*1 attacked photograph.*--allow-overlap"):
        attacker.from_image(photograph, out=tmp_path / "out", **OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_an_overlap_that_is_allowed_is_reported(attacker: Attacker, photograph: Path) -> None:
    run = attacker.from_image(photograph, allow_overlap=True, **OPTIONS)
    assert run.result["overlap"] == {"checked": True, "photographs": ["first.png"], "people": []}
    assert any(note.startswith("Overlap: ") for note in run.result["notes"])


def test_the_judges_photographs_count(attacker: Attacker, photos: Path, tmp_path: Path) -> None:
    # A mirrored and darker copy of the public photograph, which only the judge sees.
    (tmp_path / "Ann Able").symlink_to(photos / "Eileen_Collins")
    run = attacker.generate(class_name="Ann Able", photos=tmp_path, **OPTIONS)
    assert run.result["overlap"] == {"checked": True, "photographs": ["Ann Able/second.png"], "people": []}


def test_crops(attacker: Attacker, astronaut_crop: Picture) -> None:
    with pytest.raises(InputError, match=r"^overlap: "):
        attacker.from_crops(astronaut_crop, **OPTIONS)
    stranger = np.random.default_rng(9).integers(0, 255, (112, 112, 3), dtype=np.uint8)
    run = attacker.from_crops(stranger, **OPTIONS)
    assert run.result["overlap"] == {"checked": True, "photographs": [], "people": []}
    assert not any("verlap" in note for note in run.result["notes"])


def test_a_class_is_reported_by_its_name(attacker: Attacker) -> None:
    run = attacker.generate(class_name="Bob Baker", **OPTIONS)
    assert run.result["overlap"]["people"] == ["Bob Baker"]
    assert attacker.generate(class_name="Ann Able", **OPTIONS).result["overlap"]["people"] == []


def test_without_public_faces_there_is_no_overlap(
    attacker: Attacker, tiny_model: Path, photograph: Path
) -> None:
    options = OPTIONS | {"initialisation": "noise", "parametrisation": "pixels", "regression_blend": 0.0}
    assert attacker.from_image(photograph, **options).result["overlap"] is None
    # Without a statistics file the face PCA is left, whose faces are listed too.
    alone = Attacker(tiny_model, device="cpu").from_image(photograph, steps=1)
    assert alone.result["overlap"] == {"checked": True, "photographs": [], "people": []}


def test_the_faces_of_the_face_pca_count(statistics: Path) -> None:
    """The shipped components were made of the bundled network's classes with a single photograph."""
    listed, network = face_pca_photographs(), load(UNDISTILLED)
    assert listed is not None
    assert network.class_names is not None
    assert network.class_photographs is not None
    counts = zip(network.class_names, network.class_photographs, strict=True)
    single = [name for name, count in counts if count == 1]
    assert len(listed) == len(single) == 3643
    assert all(listed.has_person(name) for name in single)
    people, used = [network.class_names[0], single[5]], {"face_pca": "whose"}
    nothing = replace(full_knowledge(), statistics=None, decoder=None)
    found = attack_overlap(nothing, used, [], people)
    assert found == Overlap(True, (), (single[5],))
    # Synthetic faces are of nobody, but are drawn from the components.
    measured = replace(load_statistics(statistics), faces="synthetic faces", template_faces="synthetic faces")
    synthetic = replace(nothing, statistics=measured)
    assert attack_overlap(synthetic, used | {"regression": "whose"}, [], people) == found
    assert attack_overlap(synthetic, {"regression": "whose"}, [], people) is None
    # One face of thousands does not show in their mean.
    assert attack_overlap(nothing, {"mean_face": "whose"}, [], people) is None


def test_both_lists_count(statistics: Path) -> None:
    measured, used = load_statistics(statistics), {"face_pca": "whose", "nearest_neighbours": "4"}
    known = replace(full_knowledge(), statistics=measured, decoder=None)
    name = (load(UNDISTILLED).class_names or ())[-1]
    assert attack_overlap(known, used, [], ["Bob Baker", name]) == Overlap(True, (), ("Bob Baker", name))
    unlisted = replace(known, statistics=replace(measured, photographs=None))
    assert attack_overlap(unlisted, used, [], [name]) == Overlap(False, (), (name,))


def test_a_decoders_photographs_count(statistics: Path) -> None:
    decoder, people = random_decoder(), ["Bob Baker", "Somebody Else"]
    known = replace(full_knowledge(), statistics=None, decoder=decoder)
    assert attack_overlap(known, {"decoder": "whose"}, [], people) == Overlap(checked=False)
    decoder.photographs = load_statistics(statistics).photographs
    assert attack_overlap(known, {"decoder": "whose"}, [], people) == Overlap(True, (), ("Bob Baker",))
    # An attack that does not use the decoder, and a decoder of synthetic faces, know nobody by it.
    assert attack_overlap(known, {"mean_face": "whose"}, [], people) is None
    decoder.faces = "3072 synthetic faces"
    assert attack_overlap(known, {"decoder": "whose"}, [], people) is None


def test_a_file_without_the_list_says_so(
    statistics: Path, tiny_model: Path, photograph: Path, tmp_path: Path
) -> None:
    save_statistics(tmp_path / "old", replace(load_statistics(statistics), photographs=None))
    run = Attacker(tiny_model, statistics=tmp_path / "old", device="cpu").from_image(photograph, **OPTIONS)
    assert run.result["overlap"]["checked"] is False
    assert any("cannot be checked" in note for note in run.result["notes"])


def test_the_list_comes_back_from_the_file(statistics: Path) -> None:
    listed = load_statistics(statistics).photographs
    assert listed is not None
    assert len(listed) == 4
    assert listed.has_person("bob baker")
    # Faces directly in the folder are of nobody known.
    assert len(listed.people) == 1

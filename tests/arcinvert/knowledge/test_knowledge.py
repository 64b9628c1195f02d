"""What an attacker knows at each level, and where a mean face comes from."""

from pathlib import Path

import torch

from arcinvert.knowledge.knowledge import Knowledge, load_knowledge
from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.statistics_file import save_statistics
from recognition.checkpoint import load_extra
from recognition.loading import bundled_path
from recognition.recogniser import Recogniser
from tests.arcinvert.knowledge.networks import some_images, token_recogniser


def test_the_weights_alone_leave_the_mean_face_as_a_floor_only() -> None:
    statistics = measure(token_recogniser(), [some_images(20)])
    known = Knowledge("public-faces", torch.zeros(3, 4, 4), "made up", statistics)
    assert known.nearest_neighbours is statistics.nearest_neighbours is not None
    assert known.regression is statistics.regression is not None
    assert known.at("public-faces") == known
    weights = known.at("weights")
    assert (weights.level, weights.statistics, weights.nearest_neighbours, weights.regression) == (
        "weights",
        None,
        None,
        None,
    )
    assert weights.mean_face is known.mean_face


def test_a_missing_regression_is_said() -> None:
    statistics = measure(token_recogniser(), [some_images(20)])
    known = Knowledge("public-faces", torch.zeros(3, 4, 4), "made up", statistics)
    assert known.regression_missing("tokens") is None
    lacks = known.at("weights").regression_missing("tokens")
    assert lacks is not None
    assert lacks.startswith("expected a linear map from templates of tokens to faces, found none; fit it")
    assert "at least 4 faces for each dimension" in lacks


def test_a_network_of_this_project_has_its_own_mean_face(tiny: Recogniser) -> None:
    known = load_knowledge(tiny)
    assert (known.level, known.statistics) == ("public-faces", None)
    assert known.mean_face_source == "training faces of the attacked network"
    assert torch.equal(known.mean_face, load_extra(tiny.source.path, "mean_face"))


def test_another_network_gets_the_bundled_ones(recogniser: Recogniser, tmp_path: Path) -> None:
    known = load_knowledge(recogniser)
    assert known.mean_face_source == "training faces of the bundled network (LFW)"
    assert torch.equal(known.mean_face, load_extra(str(bundled_path()), "mean_face"))
    save_statistics(tmp_path / "s.safetensors", measure(recogniser, [some_images(3)]))
    measured = load_knowledge(recogniser, tmp_path / "s.safetensors")
    assert measured.statistics is not None
    assert measured.statistics.images == 3

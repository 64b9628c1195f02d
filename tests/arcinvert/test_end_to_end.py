"""The bundled network, from a command to a face; few steps, and nothing that depends on its quality."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert import Attacker
from arcinvert.cli.main import main
from recognition.checkpoint import load_extra
from recognition.images import read_image
from recognition.loading import bundled_path, load


def test_a_class_of_the_bundled_network(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(f"generate --class-id 123 --samples 2 --steps 15 --out {tmp_path / 'out'}".split())
    assert ended.value.code == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    recogniser = load()
    assert recogniser.centres is not None
    assert recogniser.class_names is not None
    mean_face = load_extra(bundled_path(), "mean_face")
    with torch.no_grad():
        initial = float(recogniser(mean_face[None])[0] @ recogniser.centres[123])
    images = []
    for sample in result["samples"]:
        images.append(read_image(tmp_path / "out" / sample["image"]))
        assert images[-1].shape == (112, 112, 3)
        assert sample["input"] == recogniser.class_names[123]
        assert sample["attacked_similarity"] > initial + 0.2
        assert isinstance(sample["judge"]["face_detected"], bool)
    assert not np.array_equal(*images)
    # They are still pictures of faces near the mean one, not noise.
    mean_picture = mean_face.movedim(0, -1).numpy() * 255
    for image in images:
        correlation = np.corrcoef(image.ravel(), mean_picture.ravel())[0, 1]
        assert 0.5 < correlation < 0.9999


def test_a_reconstruction_is_nearer_to_its_own_template_than_to_others(
    photograph: Path, astronaut_crop: NDArray[np.uint8]
) -> None:
    attacker = Attacker()
    own = attacker.from_image(photograph, steps=12).images[0]
    other = attacker.generate(123, steps=12).images[0]
    recogniser = load()
    pictures = np.stack([astronaut_crop, own, other])
    with torch.no_grad():
        embeddings = recogniser(torch.from_numpy(pictures).movedim(-1, 1) / 255)
    assert float(embeddings[1] @ embeddings[0]) > float(embeddings[2] @ embeddings[0]) + 0.2

"""Fixtures of both packages: a photograph, a tiny network, and the data beside the project."""

import os
from collections.abc import Iterator
from pathlib import Path

# No test measures a network on synthetic faces or reads the user's cache, unless it says so.
os.environ["ARCINVERT_NO_CALIBRATE"] = "1"
# Workers run side by side: each of them, and what it starts, computes in one thread.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.detection.alignment import crop_at
from recognition.detection.search import find_face
from recognition.recogniser import Recogniser
from recognition.source import Source

TINY_ARCHITECTURE = {"network": "iresnet18", "width": 1 / 16, "embedding_size": 32}
TINY_NAMES = ("Ann Able", "Bob Baker", "Cat Charlie", "Dan Dog", "Eve Easy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with tests that take many seconds come first: at the end, one worker would wait for another."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _one_precision() -> Iterator[None]:
    """No test's precision is measured: on busy cores, two networks of a test would differ in it by chance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("arcinvert.precision.faster_dtype", lambda recogniser: torch.float32)
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """What a test draws without a seed of its own does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and models beside the repository; mark its tests with `@pytest.mark.shared`."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder 'shared' beside the repository")
    return folder


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A 512x512 uint8 RGB photograph with one face: Eileen Collins, NASA, public domain."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image")
    photograph = np.array(data.astronaut(), dtype=np.uint8)
    photograph.flags.writeable = False
    return photograph


@pytest.fixture(scope="session")
def astronaut_crop(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The astronaut's aligned face, uint8 112x112."""
    return crop_at(astronaut, find_face(astronaut, name="astronaut"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random IResNet-18 of width 1/16 with five named classes and a mean face, as a file."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = dict(TINY_ARCHITECTURE)
        backbone = build_backbone(options.pop("network"), **options)
        # Running statistics of real activations: fresh ones would let them grow layer by layer.
        backbone.train()
        for _ in range(20):
            backbone(2 * torch.rand(8, 3, 112, 112) - 1)
        centres = F.normalize(torch.randn(len(TINY_NAMES), TINY_ARCHITECTURE["embedding_size"]))
    gradient = torch.linspace(-0.1, 0.1, 112)
    mean_face = (0.5 + gradient[:, None] / 2 + gradient.abs()[None, :]).expand(3, 112, 112)
    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    recogniser = Recogniser(
        backbone.eval(),
        name="tiny",
        centres=centres,
        class_names=TINY_NAMES,
        scale=16.0,
        margin=0.3,
        source=Source(architecture=TINY_ARCHITECTURE),
    )
    save_recogniser(path, recogniser, extra={"mean_face": mean_face}, notes={"training": {"seed": 0}})
    return path

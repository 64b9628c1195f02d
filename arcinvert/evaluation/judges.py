"""Recognisers that judge reconstructions: never attacked, and nothing that they say steers an attack."""

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.evaluation.calibration import shipped_calibration
from arcinvert.evaluation.similarity import Array, Metric
from recognition.checkpoint import FORMAT, load_notes, load_split, sha256
from recognition.detection.alignment import warp
from recognition.errors import InputError
from recognition.images import resized, to_tensor
from recognition.interruption import may_end
from recognition.loading import NETWORKS, bundled_path, load, with_preset
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed

#: The name of dlib's recogniser among judges.
DLIB = "dlib"
#: Side of the chip that dlib's network takes, pixels, and the border added to a crop before its warp to it.
CHIP_SIZE, _CHIP_MARGIN = 150, 16
#: Chips that dlib's network gets at once: all of many would take long without a look whether they are needed.
_CHIPS = 4


class Judge(Protocol):
    """Embeds aligned crops; `metric` says how its embeddings are compared."""

    name: str
    metric: Metric

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Array:
        """Return embeddings, (crops, dim), of aligned uint8 112x112 crops."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return name, network, training data and how it compares, as JSON."""
        ...

    def overlap(self, people: Sequence[str]) -> dict[str, Any]:
        """Return how many of the people are known to be among those that trained it, as JSON."""
        ...


class DlibJudge:
    """dlib's 128-d residual network, whose training data and loss share nothing with ArcFace networks.

    It embeds aligned 112x112 crops, which one fixed warp brings to its own 150x150 chip, so that photographs
    and reconstructions are treated alike. Its accuracy on LFW is 99.38 %, according to its author (King,
    dlib.net, 2017).

    Args:
        matrix: Shape (2, 3), the warp from crop to chip; None takes the shipped one.
    """

    name = DLIB
    metric: Metric = "euclidean"
    #: The name of the network among dlib's models.
    network = "dlib_face_recognition_resnet_model_v1"

    def __init__(self, matrix: NDArray[np.float64] | None = None) -> None:
        self._matrix = np.array(shipped_calibration()["matrix"]) if matrix is None else matrix

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Array:
        if not len(crops):
            return np.zeros((0, 128))
        found: list[Any] = []
        for begin in range(0, len(crops), _CHIPS):
            may_end()
            chips = [self._chip(crop) for crop in crops[begin : begin + _CHIPS]]
            found += _dlib_network().compute_face_descriptor(chips)
        return np.array(found, dtype=np.float64)

    def _chip(self, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # The chip reaches below the crop's chin: repeated border pixels fill the rest.
        margin = _CHIP_MARGIN
        padded = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        matrix = self._matrix.copy()
        matrix[:, 2] -= matrix[:, :2] @ (margin, margin)
        return np.ascontiguousarray(warp(padded, matrix, CHIP_SIZE))

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "similarity": "1 - Euclidean distance",
            "network": self.network,
            "sha256": None,
            "data": "about 3 million photographs of 7,485 people from FaceScrub, VGG Face and the web, "
            "according to its author, who left out LFW's people as far as possible",
        }

    def overlap(self, people: Sequence[str]) -> dict[str, Any]:
        return {"known": None, "of": len(people), "why": "the list of its training people is not published"}


class RecogniserJudge:
    """Any network that the loaders know; similarity is the cosine of flip-averaged embeddings."""

    metric: Metric = "cosine"

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser
        self.name = recogniser.name

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Array:
        if not len(crops):
            return np.zeros((0, self.recogniser.embedding_size))
        batches = (
            resized(to_tensor(np.stack(crops[begin : begin + EMBEDDING_BATCH])), self.recogniser.input_size)
            for begin in range(0, len(crops), EMBEDDING_BATCH)
        )
        return embed(self.recogniser, batches)

    def describe(self) -> dict[str, Any]:
        split = load_split(self.recogniser.source.path)
        trained = (
            f"{split['train_images']:,} photographs of {split['train_identities']:,} people"
            if "train_images" in split
            else "unknown, as its file does not say"
        )
        return {
            "name": self.name,
            "similarity": "cosine, flip averaged",
            "network": self.recogniser.source.architecture.get("network", "unknown"),
            "sha256": self.recogniser.source.sha256,
            "data": f"LFW, {trained}" if self.name in NETWORKS else trained,
        }

    def overlap(self, people: Sequence[str]) -> dict[str, Any]:
        names = self.recogniser.class_names
        if names is None:
            return {"known": None, "of": len(people), "why": "its file does not name its training people"}
        known = len(set(people) & set(names))
        return {"known": known, "of": len(people), "why": "by the names of its classes"}


def related(judge: Judge, attacked: Recogniser) -> bool:
    """Return whether a judge would repeat what the attacked network says.

    That is so if it is the attacked network, if one of the two learned from the other, or both from a third
    one, by their files' hashes and what the files say of teachers and initial weights. All bundled networks
    are related: they have learned from the same photographs.
    """
    if not isinstance(judge, RecogniserJudge):
        return False
    return not _ancestry(judge.recogniser).isdisjoint(_ancestry(attacked))


def _ancestry(recogniser: Recogniser) -> set[str]:
    """Return the hashes of a network's file and of the files of those that it learned from."""
    source = recogniser.source
    bundled = _bundled_hashes()
    # A network in memory has no file, and so no hash.
    found = {source.sha256} - {""}
    if source.sha256 in bundled:
        found |= bundled
    if source.format == FORMAT:
        notes = load_notes(source.path)
        found |= {notes[key]["sha256"] for key in ("teacher", "started_from") if key in notes}
    return found


@functools.cache
def _bundled_hashes() -> frozenset[str]:
    return frozenset(sha256(bundled_path(name)) for name in NETWORKS)


def make_judge(name: str, *, device: torch.device | None = None) -> Judge:
    """Return a judge by name: dlib, or any network as `with_preset` takes it.

    Raises:
        InputError: If there is no such model, or dlib is given a preset.
    """
    choice = with_preset(name)
    if choice.model == DLIB:
        if choice.preset is not None:
            raise InputError(
                f"judges: expected dlib without a preset, as it prepares images itself, got {name}; give dlib"
            )
        return DlibJudge()
    recogniser = load(choice)
    return RecogniserJudge(recogniser if device is None else recogniser.to(device))


@functools.cache
def _dlib_network() -> Any:
    import dlib
    import face_recognition_models

    return dlib.face_recognition_model_v1(face_recognition_models.face_recognition_model_location())

"""Who judges an audit: recognisers that were not attacked, each with thresholds of its own."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.audit.metrics import Array, Metric
from arcinvert.evaluation.judge import Judge
from recognition.checkpoint import load_notes
from recognition.images import resized, to_tensor
from recognition.loading import BUNDLED, load
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed

#: The name under which `--judges` knows dlib's recogniser.
DLIB = "dlib"


class AuditJudge(Protocol):
    """Embeds aligned uint8 112x112 crops; `metric` says how its embeddings are compared."""

    name: str
    metric: Metric

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Array:
        """Embeddings, (crops, dim)."""
        ...

    def described(self) -> dict[str, Any]:
        """Name, training data and whatever else tells how independent it is."""
        ...

    def overlap(self, people: Sequence[str]) -> dict[str, Any]:
        """How many of the people are known to be among those that trained it."""
        ...


class DlibJudge:
    """dlib's recogniser, as everywhere in the project."""

    name = DLIB
    metric: Metric = "euclidean"

    def __init__(self) -> None:
        self._judge = Judge()

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Array:
        return self._judge.embed(crops)

    def described(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "similarity": "1 - Euclidean distance",
            "network": Judge.name,
            "sha256": None,
            "data": "about 3 million photographs of 7,485 people from FaceScrub, VGG Face and the web, "
            "by its "
            "author; LFW's people were kept out as far as he could tell",
        }

    def overlap(self, people: Sequence[str]) -> dict[str, Any]:
        return {"known": None, "of": len(people), "why": "the list of its training people is not published"}


class RecogniserJudge:
    """Any network that the loaders know; similarity is the cosine of flip-averaged embeddings."""

    metric: Metric = "cosine"

    def __init__(self, model: str, *, device: torch.device | None = None) -> None:
        self.recogniser: Recogniser = load(model)
        if device is not None:
            self.recogniser.to(device)
        self.name = self.recogniser.name

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Array:
        if not len(crops):
            return np.zeros((0, 1))
        batches = (
            resized(to_tensor(np.stack(crops[begin : begin + EMBEDDING_BATCH])), self.recogniser.input_size)
            for begin in range(0, len(crops), EMBEDDING_BATCH)
        )
        return embed(self.recogniser, batches)

    @cached_property
    def _notes(self) -> dict[str, Any]:
        path = self.recogniser.source.path
        return load_notes(path) if path.endswith(".safetensors") else {}

    def described(self) -> dict[str, Any]:
        split = self._notes.get("split", {})
        trained = (
            f"{split['train_images']:,} photographs of {split['train_identities']:,} people"
            if "train_images" in split
            else "not told by its file"
        )
        return {
            "name": self.name,
            "similarity": "cosine, flip averaged",
            "network": self.recogniser.source.architecture.get("network", "unknown"),
            "sha256": self.recogniser.source.sha256,
            "data": f"LFW, {trained}" if self.name == BUNDLED else trained,
        }

    def overlap(self, people: Sequence[str]) -> dict[str, Any]:
        names = self.recogniser.class_names
        if names is None:
            return {"known": None, "of": len(people), "why": "its file does not name its training people"}
        known = len(set(people) & set(names))
        return {"known": known, "of": len(people), "why": "by the names of its classes"}


def make_judge(name: str, *, device: torch.device | None = None) -> AuditJudge:
    """A judge by name: dlib, the bundled network's name, or a model file.

    Raises:
        InputError: no such model.
    """
    return DlibJudge() if name == DLIB else RecogniserJudge(name, device=device)

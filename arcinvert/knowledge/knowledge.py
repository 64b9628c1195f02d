"""What an attacker knows besides the attacked network."""

import os
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.decoder import FaceDecoder
from arcinvert.knowledge.decoder_file import find_decoder
from arcinvert.knowledge.first_use import OnFaces, faces_to_measure, switched_off, synthetic_statistics
from arcinvert.knowledge.mapped_decoder import MappedDecoder, map_bundled_decoder
from arcinvert.knowledge.nearest_neighbours import NearestNeighbours
from arcinvert.knowledge.regression import FACES_PER_DIMENSION, FaceRegression
from arcinvert.knowledge.statistics_file import find_statistics
from arcinvert.recipes import KnowledgeName
from recognition.checkpoint import FORMAT, load_extra
from recognition.loading import bundled_path
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class Knowledge:
    """What an attacker knows besides the attacked network.

    Args:
        level: `weights` is nothing, `public-faces` is what follows.
        mean_face: The mean of aligned faces, shape (3, h, w) in [0, 1]. At the level `weights` it is only the
            floor that results are compared with.
        mean_face_source: Whose faces they are.
        statistics: What was measured with this network on public or synthetic faces; None if nothing was.
        notes: Sentences about what is missing and why.
        decoder: What 'arcinvert learn' trained for this network, or the bundled one behind a map; None if
            there is neither.
    """

    level: KnowledgeName
    mean_face: Tensor
    mean_face_source: str
    statistics: MeasuredStatistics | None = None
    notes: tuple[str, ...] = ()
    decoder: FaceDecoder | MappedDecoder | None = None

    @property
    def nearest_neighbours(self) -> NearestNeighbours | None:
        """Faces with their templates."""
        return self.statistics.nearest_neighbours if self.statistics else None

    @property
    def regression(self) -> FaceRegression | None:
        """The linear map from templates to faces."""
        return self.statistics.regression if self.statistics else None

    def at(self, level: KnowledgeName) -> "Knowledge":
        """Return what an attacker at a level knows of this."""
        if level == "public-faces":
            return replace(self, level=level)
        return replace(self, level=level, statistics=None, notes=(), decoder=None)

    def with_synthetic_faces(self, recogniser: Recogniser, progress: OnFaces | None = None) -> "Knowledge":
        """Return this with what synthetic faces say about a network that was not measured.

        Args:
            recogniser: The frozen network, on the device that measures.
            progress: See `synthetic_statistics`.
        """
        if self.statistics is not None or switched_off():
            return self
        found = synthetic_statistics(recogniser, progress)
        return replace(
            self, statistics=found.statistics, notes=self.notes if found.note is None else (found.note,)
        )

    def faces_to_measure(self, recogniser: Recogniser) -> int:
        """Return on how many synthetic faces `with_synthetic_faces` would measure a network now.

        It is 0 where it was measured, by this or an earlier process.

        Args:
            recogniser: The frozen network.
        """
        return 0 if self.statistics is not None or switched_off() else faces_to_measure(recogniser)

    def with_mapped_decoder(self, device: torch.device) -> "Knowledge":
        """Return this with the bundled decoder behind a map, if there is no decoder but faces with templates.

        Args:
            device: Where the bundled network embeds the faces.
        """
        if self.decoder is not None or self.nearest_neighbours is None:
            return self
        return replace(self, decoder=map_bundled_decoder(self.nearest_neighbours, device))

    def regression_missing(self, name: str) -> str | None:
        """Return what the regression lacks, for an error message; None if there is one."""
        if self.regression is not None:
            return None
        return (
            f"expected a linear map from templates of {name} to faces, found none; fit it (arcinvert "
            f"calibrate --model MODEL --images FACES, with at least {FACES_PER_DIMENSION} faces for each "
            "dimension of its templates), or use --initialisation mean-face --regression-blend 0"
        )

    def decoder_missing(self, name: str) -> str | None:
        """Return what the decoder lacks, for an error message; None if there is one."""
        if self.decoder is not None:
            return None
        return (
            f"expected a decoder of templates of {name}, found none; train it (arcinvert learn --model MODEL "
            "--images FACES), or use the bundled one, which takes faces with templates (arcinvert calibrate "
            "--model MODEL)"
        )


def load_knowledge(
    recogniser: Recogniser,
    statistics: str | os.PathLike[str] | None = None,
    decoder: str | os.PathLike[str] | None = None,
) -> Knowledge:
    """Load what is known of public faces for a recogniser.

    Args:
        recogniser: The attacked network.
        statistics: The file of 'arcinvert calibrate'; None takes the one beside the network, if there is one.
        decoder: The file of 'arcinvert learn', likewise.

    Raises:
        InputError: If a file is damaged or another network's.
    """
    source = recogniser.source
    if source.format == FORMAT:
        face, faces = load_extra(source.path, "mean_face"), "training faces of the attacked network"
    else:
        face = load_extra(str(bundled_path()), "mean_face")
        faces = "training faces of the bundled network (LFW)"
    return Knowledge(
        "public-faces",
        face,
        faces,
        find_statistics(recogniser, statistics),
        decoder=find_decoder(recogniser, decoder),
    )

"""The bundled network's decoder for templates of another network.

A decoder is trained for one network, by 'arcinvert learn'. For any other network a linear map takes templates
to those that the bundled network would have of the same faces, and its decoder takes these to faces. The map
is fitted on the public or synthetic faces with templates that the attack has as nearest neighbours: the
bundled network embeds them too, once, and the map is cached. Synthetic faces are drawn again; of photographs
the kept face PCA coefficients show what they can.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from arcinvert.knowledge.decoder import FaceDecoder
from arcinvert.knowledge.decoder_file import find_decoder
from arcinvert.knowledge.embedding_map import FEWEST_FACES, EmbeddingMap, fit_map
from arcinvert.knowledge.face_pca import faces_of, pca_coefficients_of
from arcinvert.knowledge.first_use import cache_folder
from arcinvert.knowledge.nearest_neighbours import NearestNeighbours
from arcinvert.knowledge.public_photographs import PublicPhotographs
from arcinvert.knowledge.synthetic_faces import draw_faces
from recognition.checkpoint import read_safetensors, write_safetensors
from recognition.errors import InputError
from recognition.images import resized
from recognition.loading import BUNDLED, load
from recognition.recogniser import EMBEDDING_BATCH, Recogniser

#: The most faces that the map is fitted on: as many as there are synthetic ones, which the bundled network
#: embeds in half a minute on two cores.
MOST_FACES = 3072
#: The mean difference of coefficients, in standard deviations, below which faces are the synthetic ones that
#: are drawn by default: other faces differ by about one, the same ones at another size by hundredths.
_SAME_FACES = 0.1
#: The format of the cache's files; it rises when the same faces and networks give another map.
_FORMAT = "arcinvert-map-1"
_SUFFIX = ".map.safetensors"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MappedDecoder:
    """A decoder behind a map from another network's templates to those of its own network.

    Args:
        decoder: The decoder.
        between: The map from the other network's templates.
        network: The name of the decoder's own network.
    """

    decoder: FaceDecoder
    between: EmbeddingMap
    network: str

    @property
    def faces(self) -> str:
        """What the decoder is trained on, such as `6,124 public faces`."""
        return self.decoder.faces

    @property
    def shows_people(self) -> bool:
        """Whether it is trained on photographs, which may be of attacked people."""
        return self.decoder.shows_people

    @property
    def photographs(self) -> PublicPhotographs | None:
        """The list of the photographs that it is trained on; None if it is not known."""
        return self.decoder.photographs

    def described(self, name: str) -> str:
        """Return a sentence about the map.

        Args:
            name: The name of the network whose templates are mapped.
        """
        return (
            f"The decoder is that of {self.network}, as {name} has none of its own. A linear map of its "
            f"templates explains {self.between.explained:.2f} of the variance of {self.network}'s, on faces "
            "that were left out of the fit."
        )

    def mapped(self, templates: Tensor) -> Tensor:
        """Return unit-norm templates of the decoder's network, (batch, n), of the other's, (batch, dim)."""
        found = self.between(templates.detach().cpu().double().numpy())
        return F.normalize(torch.from_numpy(found)).to(templates)

    def codes(self, templates: Tensor) -> Tensor:
        """Return the codes of unit-norm templates, (batch, dim), shape (batch, levels, n)."""
        return self.decoder.codes(self.mapped(templates))

    def residual(self, codes: Tensor) -> Tensor:
        """Return what is added to the regression's faces, (batch, 3, side, side), of codes of each level."""
        return self.decoder.residual(codes)

    def decoded(self, templates: Tensor, size: int) -> Tensor:
        """Return faces in [0, 1], (batch, 3, size, size), of unit-norm templates, (batch, dim)."""
        return self.decoder.decoded(self.mapped(templates), size)

    def like(self, tensor: Tensor) -> "MappedDecoder":
        """Return the same decoder on a tensor's device and of its type."""
        return MappedDecoder(self.decoder.like(tensor), self.between, self.network)


def map_bundled_decoder(neighbours: NearestNeighbours, device: torch.device) -> MappedDecoder | None:
    """Return the bundled decoder for templates of the network that embedded public or synthetic faces.

    Args:
        neighbours: The faces with their templates.
        device: Where the bundled network embeds them.

    Returns:
        None if there are too few faces.
    """
    bundled = load(BUNDLED)
    decoder = find_decoder(bundled)
    if decoder is None or len(neighbours) < FEWEST_FACES:
        return None
    faces = NearestNeighbours(neighbours.templates[:MOST_FACES], neighbours.pca_coefficients[:MOST_FACES])
    path = _cached_path(faces, bundled)
    between = _read(path)
    if between is None:
        wanted = _templates_of(faces, bundled.to(device))
        between = fit_map(faces.templates.double().numpy(), wanted.double().numpy())
        _keep(path, between)
    return MappedDecoder(decoder, between, bundled.name)


@torch.no_grad()
def _templates_of(faces: NearestNeighbours, recogniser: Recogniser) -> Tensor:
    """Return a network's templates of faces, (faces, dim) of unit norm, each with its mirror image."""
    found = []
    with tqdm(total=len(faces), desc=f"embed by {recogniser.name}", unit="face") as bar:
        for images in _images(faces, recogniser.input_size):
            images = images.to(recogniser.device)
            templates, flipped = recogniser(images), images.flip(-1)
            # Synthetic faces are symmetric: their mirror images need no second pass.
            mirrored = templates if torch.equal(images, flipped) else recogniser(flipped)
            found.append(F.normalize(templates + mirrored).cpu())
            bar.update(len(images))
    return torch.cat(found)


def _images(faces: NearestNeighbours, size: int) -> Iterator[Tensor]:
    """Yield images of faces, batches of shape (batch, 3, size, size) in [0, 1]."""
    (first,) = draw_faces(min(len(faces), EMBEDDING_BATCH), size=size)
    kept = faces.pca_coefficients[: len(first)].float()
    if float((pca_coefficients_of(first, kept.shape[1]) - kept).abs().mean()) < _SAME_FACES:
        yield from draw_faces(len(faces), size=size)
        return
    for part in faces.pca_coefficients.split(EMBEDDING_BATCH):
        yield resized(faces_of(part.float()).clamp(0, 1), size)


def _cached_path(faces: NearestNeighbours, bundled: Recogniser) -> Path | None:
    """Return the file in the cache for a map; None where there is no home.

    The name follows from all that decides the content: the faces, their templates, and the bundled network.
    """
    folder = cache_folder()
    if folder is None:
        return None
    digest = hashlib.sha256(json.dumps([_FORMAT, bundled.source.fingerprint]).encode())
    for part in (faces.templates, faces.pca_coefficients):
        digest.update(part.half().contiguous().numpy().tobytes())
    return folder / f"{digest.hexdigest()[:32]}{_SUFFIX}"


def _read(path: Path | None) -> EmbeddingMap | None:
    """Return the map of a file of the cache; None if there is none or it is damaged."""
    if path is None or not path.is_file():
        return None
    try:
        tensors, metadata = read_safetensors(path, "a map")
        matrix, offset = tensors["matrix"], tensors["offset"]
        if not all(bool(part.isfinite().all()) for part in (matrix, offset)):
            raise ValueError("numbers that are not finite")
        return EmbeddingMap(
            matrix.numpy(), offset.numpy(), float(metadata["explained"]), int(metadata["faces"])
        )
    except (InputError, KeyError, ValueError) as error:
        _log.warning("mapping again: %s", error)
        return None


def _keep(path: Path | None, between: EmbeddingMap) -> None:
    """Write a map to the cache; one that cannot be written is no error."""
    if path is None:
        return
    tensors = {"matrix": torch.from_numpy(between.matrix), "offset": torch.from_numpy(between.offset)}
    metadata = {"explained": repr(between.explained), "faces": str(between.faces), "format": _FORMAT}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_safetensors(path, tensors, metadata)
    except (OSError, InputError) as error:
        _log.warning("%s", error)

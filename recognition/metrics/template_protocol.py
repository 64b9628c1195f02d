"""A recogniser on a protocol of templates, such as IJB-B and IJB-C: verification and identification."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.data.embedding import embed_blocks
from recognition.data.ijb import TemplateProtocol, read_people, read_protocol, read_template_pairs
from recognition.errors import InputError
from recognition.files import printable
from recognition.metrics.identification import Identification, describe_identification, identify_probes
from recognition.metrics.pair_lists import (
    PairList,
    PairVerification,
    describe_pairs,
    people_of,
    verify_pairs,
)
from recognition.metrics.protocols import Computation
from recognition.metrics.similarities import pair_similarities
from recognition.metrics.templates import TemplateSums, by_medium
from recognition.recogniser import Recogniser

Array = NDArray[np.floating[Any]]
#: False positive identification rates that are reported.
FPIRS = (0.1, 0.01)
#: Images of features in a file that are added at once.
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Templates:
    """Templates by their numbers in a protocol.

    Args:
        names: Shape (templates,), the numbers, rising.
        vectors: Shape (templates, dim), unit norm; zero where no image could be read.
        found: Shape (templates,), whether one could.
    """

    names: NDArray[np.int64]
    vectors: NDArray[np.float32]
    found: NDArray[np.bool_]

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of each template; -1 for one without an image.

        Args:
            numbers: Shape (n,), numbers in the protocol.
        """
        places = np.searchsorted(self.names, numbers).clip(max=len(self.names) - 1)
        return np.where((self.names[places] == numbers) & self.found[places], places, -1)


@dataclass(frozen=True)
class TemplateEvaluation:
    """Metrics on a protocol of templates.

    Args:
        verification: Of its pairs; None without them.
        identification: Of each gallery, by the name of its file.
        images: Number of images.
        templates: Number of templates with an image that can be read.
        left_out: Files that cannot be read.
    """

    verification: PairVerification | None
    identification: dict[str, Identification]
    images: int
    templates: int
    left_out: tuple[Path, ...]


def evaluate_templates(
    recogniser: Recogniser,
    folder: str | os.PathLike[str],
    *,
    fmrs: Sequence[float] | None = None,
    fpirs: tuple[float, ...] = FPIRS,
    weigh: bool = True,
    features: str | os.PathLike[str] | None = None,
    computation: Computation | None = None,
) -> TemplateEvaluation:
    """Return the metrics of a protocol's templates; images are embedded one batch at a time.

    Args:
        recogniser: The network.
        folder: The protocol, see `recognition.data.ijb`.
        fmrs: False match rates, see `verify_pairs`.
        fpirs: False positive identification rates.
        weigh: Whether an image counts by the detector's score.
        features: A .npy file of the images' embeddings, shape (images, dim), in the protocol's order, in
            place of the network's; their lengths count.
        computation: Where and how to embed.

    Raises:
        InputError: If the protocol or the features cannot be used, or no image can be read.
    """
    protocol = read_protocol(Path(folder))
    if protocol.pairs is None and (protocol.probes is None or not protocol.galleries):
        raise InputError(
            f"{printable(os.fspath(folder))}: expected pairs, or galleries and probes, found neither"
        )
    pairs = None if protocol.pairs is None else read_template_pairs(protocol.pairs)
    left_out: list[Path] = []
    templates = _templates(
        recogniser,
        protocol,
        left_out,
        weigh=weigh,
        features=features,
        computation=computation or Computation(),
    )
    verification = None
    if pairs is not None:
        verification = verify_templates(templates, *pairs, fmrs=fmrs)
    identification = {}
    if protocol.probes is not None:
        probes = _people(templates, protocol.probes)
        for gallery in protocol.galleries:
            enrolled = _people(templates, gallery)
            identification[gallery.stem] = identify_probes(*probes, *enrolled, fpirs=fpirs)
    return TemplateEvaluation(
        verification,
        identification,
        len(protocol.images.names),
        int(templates.found.sum()),
        tuple(left_out),
    )


def verify_templates(
    templates: Templates,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    mated: NDArray[np.bool_],
    *,
    fmrs: Sequence[float] | None = None,
) -> PairVerification:
    """Return the metrics of pairs of templates; pairs with a template that has no image are left out.

    Args:
        templates: The templates.
        first: Shape (pairs,), the number of one template of each pair.
        second: Shape (pairs,), that of the other.
        mated: Shape (pairs,), whether they are of one person.
        fmrs: False match rates, see `verify_pairs`.

    Raises:
        InputError: If there are too few pairs.
    """
    one, other = templates.places(first), templates.places(second)
    kept = (one >= 0) & (other >= 0)
    one, other, mated = one[kept], other[kept], mated[kept]
    people = people_of(len(templates.names), one[mated], other[mated])
    similarities = pair_similarities(templates.vectors, np.stack([one, other], axis=1))
    return verify_pairs(similarities, PairList(one, other, mated, people), fmrs=fmrs)


def _people(templates: Templates, path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the templates of a gallery or of probes, and their people; those without an image are left out.

    Raises:
        InputError: If none is left.
    """
    numbers, people = read_people(path)
    places = templates.places(numbers)
    if not (places >= 0).any():
        raise InputError(f"{printable(path)}: expected templates of the protocol with an image, found none")
    return templates.vectors[places[places >= 0]], people[places >= 0]


def _templates(
    recogniser: Recogniser,
    protocol: TemplateProtocol,
    left_out: list[Path],
    *,
    weigh: bool,
    features: str | os.PathLike[str] | None,
    computation: Computation,
) -> Templates:
    images = protocol.images
    order = by_medium(images.templates, images.media)
    sums = TemplateSums(images.templates[order], images.media[order])
    weights = images.scores[order] if weigh else np.ones(len(order))
    blocks: Iterable[tuple[NDArray[np.int64], Array]]
    failed: list[int] = []
    if features is not None:
        blocks = _stored(Path(features), order)
    else:
        placed, dtype = computation.on(recogniser)
        blocks = embed_blocks(
            placed,
            order.tolist(),
            read=images.read,
            left_out=failed,
            dtype=dtype,
            flip=computation.flip,
            progress=computation.progress,
        )
    for numbers, block in blocks:
        sums.add(numbers, block, weights[numbers])
    left_out += [images.folder / str(images.names[number]) for number in failed]
    vectors, found = sums.finish()
    return Templates(sums.names.astype(np.int64), vectors, found)


def _stored(path: Path, order: NDArray[np.int64]) -> Iterable[tuple[NDArray[np.int64], Array]]:
    """Yield the embeddings of a file in an order.

    Raises:
        InputError: If it is no such file, has another number of images, or numbers that are not finite.
    """
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{printable(path)}: expected a .npy file of embeddings, got something else ({error})"
        ) from None
    if not isinstance(table, np.ndarray) or table.ndim != 2 or len(table) != len(order):
        raise InputError(
            f"{printable(path)}: expected embeddings of shape ({len(order)}, dim), got "
            f"{getattr(table, 'shape', None)}; give one of each image of *_face_tid_mid.txt"
        )
    if table.dtype.kind not in "fiu":
        raise InputError(f"{printable(path)}: expected real numbers, got {table.dtype}")
    for begin in range(0, len(order), _BLOCK):
        block = np.asarray(table[order[begin : begin + _BLOCK]], dtype=np.float64)
        if not np.isfinite(block).all():
            raise InputError(f"{printable(path)}: expected finite numbers, got others; compute them again")
        yield np.arange(begin, begin + len(block)), block


def describe_templates(evaluation: TemplateEvaluation) -> dict[str, Any]:
    """Return the metrics as a JSON object."""
    described: dict[str, Any] = {"images": evaluation.images, "templates": evaluation.templates}
    if evaluation.verification is not None:
        described["verification"] = describe_pairs(evaluation.verification)
    if evaluation.identification:
        described["identification"] = {
            name: describe_identification(metrics) for name, metrics in evaluation.identification.items()
        }
    return described

"""Known people: those whom no identity of a synthetic set may resemble."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.knowledge import Knowledge
from recognition.data.faces import read_face
from recognition.errors import InputError
from recognition.images import list_images_below, to_tensor
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed

#: The mean angle of a picture's target to its identity where no photographs measure it, degrees. The mean
#: cosine of two photographs of a person in LFW is 0.675 for a MobileFaceNet trained on MS1M, and that of each
#: to a direction amid them the root of it. Training photographs are 38 degrees from their mean in Table 3 of
#: the ArcFace paper, arXiv:1801.07698.
WITHIN = 35.0


@dataclass(frozen=True)
class KnownPeople:
    """Templates of known people.

    Args:
        templates: Unit norm, float32, shape (templates, dim), on the CPU; those of one person may be several.
        sources: The number of templates by where they come from.
        strangers: One template of each of several known people, unit norm, shape (people, dim), whose angles
            to each other say how near strangers are; class centres, else the means of people given, else
            public faces. No rows where there are none.
        stranger_source: What `strangers` are.
        within: The mean angle of a photograph to the mean template of the same person's others, degrees;
            None where no person has two photographs.
        within_photographs: The number of photographs that this mean rests on.
    """

    templates: Tensor
    sources: dict[str, int]
    strangers: Tensor
    stranger_source: str
    within: float | None = None
    within_photographs: int = 0


def known_people(
    recogniser: Recogniser,
    knowledge: Knowledge,
    folder: str | os.PathLike[str] | None = None,
    left_out: Callable[[Path], None] = lambda photograph: None,
) -> KnownPeople:
    """Return the known people: class centres, public faces that the network was measured on, and a folder's.

    Args:
        recogniser: The network.
        knowledge: All that is known of faces; synthetic ones are of nobody and do not count.
        folder: Photographs or aligned crops of others, searched with all folders below it; a folder with
            photographs is one person's.
        left_out: Receives each photograph that is damaged or has no face.

    Raises:
        InputError: If the folder has no face.
    """
    parts: dict[str, Tensor] = {}
    if recogniser.centres is not None:
        parts["class centres"] = recogniser.centres.float().cpu()
    statistics = knowledge.statistics
    if statistics and statistics.nearest_neighbours and statistics.template_faces == "public faces":
        parts["public faces"] = statistics.nearest_neighbours.templates.float().cpu()
    within, photographs, means = None, 0, torch.zeros(0)
    if folder is not None:
        given, people = _embedded(recogniser, Path(folder), left_out)
        parts["faces given"] = given
        means = _means(given, people)
        within, photographs = _within(given, people)
    sources = {name: len(part) for name, part in parts.items()}
    empty = torch.zeros(0, recogniser.embedding_size)
    source = next((name for name in ("class centres", "faces given", "public faces") if name in parts), "")
    strangers = means if source == "faces given" else parts.get(source, empty)
    return KnownPeople(
        F.normalize(torch.cat([empty, *parts.values()])),
        sources,
        F.normalize(strangers),
        "people given" if source == "faces given" else source,
        within,
        photographs,
    )


def _embedded(
    recogniser: Recogniser, folder: Path, left_out: Callable[[Path], None]
) -> tuple[Tensor, list[Path]]:
    """Return the templates of a folder's faces, and the folder that each photograph is in."""
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of faces, found none; check --known")
    paths = list_images_below(folder)
    people: list[Path] = []

    def batches() -> Iterator[Tensor]:
        batch: list[Tensor] = []
        for path in paths:
            try:
                batch.append(to_tensor(read_face(path, recogniser.input_size)))
            except InputError:
                left_out(path)
                continue
            people.append(path.parent)
            if len(batch) == EMBEDDING_BATCH:
                yield torch.stack(batch)
                batch = []
        if batch:
            yield torch.stack(batch)

    try:
        embeddings = embed(recogniser, batches())
    except ValueError:
        # numpy's, of no batch to put together.
        if people:
            raise
        raise InputError(f"{folder}: expected photographs of faces, found none; check --known") from None
    return torch.from_numpy(embeddings), people


def _sums(templates: Tensor, people: list[Path]) -> tuple[Tensor, Tensor]:
    """Return the sum of each person's templates, float64, and the number of each photograph's person."""
    names = {name: number for number, name in enumerate(dict.fromkeys(people))}
    labels = torch.tensor([names[name] for name in people])
    sums = torch.zeros(len(names), templates.shape[1], dtype=torch.float64)
    return sums.index_add_(0, labels, templates.double()), labels


def _means(templates: Tensor, people: list[Path]) -> Tensor:
    return F.normalize(_sums(templates, people)[0]).float()


def _within(templates: Tensor, people: list[Path]) -> tuple[float | None, int]:
    """Return the mean angle of a photograph to the mean of the person's others, and how many there are."""
    (sums, labels), wide = _sums(templates, people), templates.double()
    several = torch.bincount(labels)[labels] > 1
    if not several.any():
        return None, 0
    others = F.normalize(sums[labels] - wide)[several]
    cosines = (others * wide[several]).sum(1).clamp(-1, 1)
    return float(torch.rad2deg(torch.arccos(cosines)).mean()), int(several.sum())

"""Reasons why reconstructions fail, each with what was measured and its limit; see variation_panels."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import face_detected, to_crop_size
from arcinvert.evaluation.similarity import similarity_matrix
from benchmarks.faults import Measured

#: How many photographs of other people vote on a person's label.
VOTERS = 5
#: The share of photographs within the limits of a picture.
WITHIN = 0.95

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Judged:
    """People with pictures and the judge's similarities.

    Args:
        people: Names.
        photographs: Shape (people, 112, 112, 3), the photographs whose templates were attacked.
        others: Another photograph of each.
        pictures: The reconstructions, uint8 HWC.
        attack: Shape (people,), similarity of reconstruction and other photograph.
        floor: Of the mean face and the other photograph.
        ceiling: Of both photographs.
    """

    people: list[str]
    photographs: NDArray[np.uint8]
    others: NDArray[np.uint8]
    pictures: NDArray[np.uint8]
    attack: Values
    floor: Values
    ceiling: Values


@dataclass(frozen=True)
class Failure:
    """A reason why a picture fails.

    Args:
        reason: The reason, for a heading.
        values: Shape (people,), what was measured; the worst are the highest.
        failed: Shape (people,), whether each picture fails.
        text: Returns what was measured of a person in words.
    """

    reason: str
    values: Values
    failed: NDArray[np.bool_]
    text: Callable[[int], str]


def beyond(
    reason: str, what: str, values: Values, of_photographs: Values, *, above: bool, unit: str = ""
) -> Failure:
    """Return the failures of pictures beyond the limit of photographs.

    Args:
        reason: The reason.
        what: What is measured.
        values: Shape (people,), of the pictures.
        of_photographs: Of photographs, any number.
        above: Whether high values are failures; else low ones.
        unit: After each number.
    """
    limit = float(np.quantile(of_photographs, WITHIN if above else 1 - WITHIN))
    worst = values if above else -values
    side = "at most" if above else "at least"

    def text(person: int) -> str:
        return f"{what} {values[person]:.2f}{unit}, photographs {side} {limit:.2f}{unit}"

    return Failure(reason, worst, worst > (limit if above else -limit), text)


def failures(judged: Judged, of: Measured, photographs: Measured, others: Measured) -> list[Failure]:
    """Return the failures of pictures by reason, in the order of the page.

    Args:
        judged: People, pictures and similarities.
        of: Measurements of the pictures.
        photographs: Of the photographs.
        others: Of the other photographs.
    """
    lines, fringes, chroma = (
        np.concatenate([getattr(photographs, name), getattr(others, name)])
        for name in ("lines", "fringes", "chroma")
    )
    no_face = ~np.array([face_detected(picture) for picture in to_crop_size(judged.pictures)])
    threshold = thresholds()[-1]
    rejected = judged.attack <= threshold.similarity

    def rejection(person: int) -> str:
        return f"judge's similarity {judged.attack[person]:.2f}, threshold {threshold.similarity:.2f}"

    return [
        Failure("no face found", no_face.astype(float), no_face, lambda _: "the detector finds no face"),
        Failure(
            "two faces",
            of.more_faces.astype(float),
            of.more_faces,
            lambda _: "the detector finds more than one face",
        ),
        beyond("grey", "chroma of the cheeks", of.chroma, chroma, above=False),
        beyond("artefact: fine lines", "fine lines", of.lines, lines, above=True),
        beyond("artefact: colour fringes", "fringes", of.fringes, fringes, above=True),
        beyond("blurred", "fine lines", of.lines, lines, above=False),
        beyond(
            "wrong skin tone",
            "skin differs by",
            np.abs(of.tone - photographs.tone),
            np.abs(others.tone - photographs.tone),
            above=True,
            unit="°",
        ),
        Failure(
            f"not accepted at a false match rate of {threshold.fmr:g}", -judged.attack, rejected, rejection
        ),
    ]


def voted(embeddings: Values, photographs: Values, labels: Sequence[str | None]) -> list[str | None]:
    """Return the label that most of the nearest photographs of other people have, for each person.

    Args:
        embeddings: Shape (people, dim), the judge's embeddings of one picture of each.
        photographs: Shape (people, dim), of a photograph of each.
        labels: The label of each person; people without one do not vote and get none.
    """
    similarities = similarity_matrix(embeddings, photographs, "euclidean")
    np.fill_diagonal(similarities, -np.inf)
    known = np.array([label is not None for label in labels])
    similarities[:, ~known] = -np.inf
    found: list[str | None] = []
    for person, label in enumerate(labels):
        nearest = [index for index in np.argsort(-similarities[person])[:VOTERS] if known[index]]
        votes = Counter(labels[index] for index in nearest if index != person)
        found.append(votes.most_common(1)[0][0] if votes and label is not None else None)
    return found


def wrong_label(attribute: str, votes: Sequence[str | None], labels: Sequence[str | None]) -> Failure:
    """Return the failures of pictures for which the vote is another label than the person's."""
    wrong = np.array([vote is not None and vote != label for vote, label in zip(votes, labels, strict=True)])

    def text(person: int) -> str:
        return f"{attribute}: {labels[person]}, most of the nearest photographs: {votes[person]}"

    return Failure(f"wrong {attribute}", wrong.astype(float), wrong, text)

"""A surrogate network in the embedding space of a black box.

The black box embeds public faces that the attacker has, and the attacker's own network embeds them too. A
ridge regression from its embeddings to those of the black box makes of the attacker's network a surrogate
whose outputs are compared with stolen templates directly, and which has gradients.

Source: linear maps between the embeddings of face networks, McNeely-White, Sattelberg, Blanchard and
Beveridge, "Canonical face embeddings", IEEE TBIOM 4(2), 2022.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.access.black_box import Answers, BlackBox
from arcinvert.access.faces import PublicFaces
from arcinvert.access.meter import BudgetSpentError
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.embedding_map import FEWEST_FACES, EmbeddingMap
from arcinvert.knowledge.first_use import OnFaces
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.nearest_neighbours import NeighbourCollector
from arcinvert.knowledge.regression import RegressionSums
from recognition.errors import InputError
from recognition.recogniser import EMBEDDING_BATCH, Recogniser

#: The shrinkage of the regression from templates to faces, which here has few faces, or templates that are
#: estimated. Of 0.01, 0.1, 0.3, 1 and 3 it gives 24 people for tuning the faces that are the most similar to
#: their templates from 294 embeddings, and hardly less similar ones than the best from 994.
_SHRINKAGE = 0.3


class MappedRecogniser(Recogniser):
    """The attacker's network with a map behind its embeddings.

    Args:
        surrogate: The attacker's network, frozen.
        between: The map to the embedding space of the black box.
        name: The name in reports.
    """

    matrix: Tensor
    offset: Tensor

    def __init__(self, surrogate: Recogniser, between: EmbeddingMap, *, name: str) -> None:
        super().__init__(
            surrogate.backbone,
            name=name,
            preprocessing=surrogate.preprocessing,
            source=surrogate.source,
            output=surrogate.output,
        )
        self.register_buffer("matrix", torch.from_numpy(between.matrix).float())
        self.register_buffer("offset", torch.from_numpy(between.offset).float())

    def forward(self, images: Tensor) -> Tensor:
        """Return unit-norm embeddings in the space of the black box, (batch, dim), of images in [0, 1]."""
        own = super().forward(images)
        return F.normalize(own @ self.matrix + self.offset)

    @property
    def embedding_size(self) -> int:
        """Number of dimensions of an embedding of the black box."""
        return int(self.matrix.shape[1])


@torch.no_grad()
def embedded(recogniser: Recogniser, images: Tensor) -> Answers:
    """Return a local network's embeddings of images of its input size, (n, dim)."""
    found = [
        recogniser(part.to(recogniser.device)).cpu().double().numpy()
        for part in images.split(EMBEDDING_BATCH)
    ]
    return np.concatenate(found)


def embedded_faces(
    recogniser: Recogniser, faces: PublicFaces, progress: OnFaces = lambda done, total: None
) -> Answers:
    """Return a local network's embeddings of public faces, (faces, dim).

    Args:
        recogniser: The network.
        faces: The faces.
        progress: Receives the number of faces that are done, and of all.
    """
    size, found = recogniser.input_size, []
    for rows in in_batches(len(faces)):
        found.append(embedded(recogniser, faces.images(size, rows)))
        progress(rows.stop, len(faces))
    return np.concatenate(found)


def queried(box: BlackBox, faces: PublicFaces, count: int, before: Answers | None = None) -> Answers:
    """Return the black box's embeddings of the first faces, (n, dim), n at most `count`, each shown once.

    There are fewer where retries took what was left of the budget.

    Args:
        box: The black box.
        faces: The faces.
        count: How many are shown.
        before: The embeddings of the first ones, which were shown before; None where none was.

    Raises:
        InputError: If there are fewer than `FEWEST_FACES`.
    """
    found = [] if before is None else [before]
    try:
        for rows in in_batches(min(count, len(faces)), 0 if before is None else len(before)):
            found.append(box.query(faces.images(box.size, rows), "public faces"))
    except BudgetSpentError as error:
        if len(error.answers):
            found.append(error.answers)
    answered = sum(map(len, found))
    if answered < FEWEST_FACES:
        raise InputError(
            f"queries: expected {FEWEST_FACES} public faces that the black box embeds, got {answered}; raise "
            "--queries, or give more --public-faces"
        )
    return np.concatenate(found)


def in_batches(count: int, first: int = 0) -> Iterator[slice]:
    """Yield slices of `count` images without those before the `first`, each of a batch."""
    for begin in range(first, count, EMBEDDING_BATCH):
        yield slice(begin, min(begin + EMBEDDING_BATCH, count))


def with_faces(
    knowledge: Knowledge, recogniser: Recogniser, faces: PublicFaces, templates: Answers, *, exact: int
) -> Knowledge:
    """Return what is known of a surrogate, with public faces and their templates in its space.

    Args:
        knowledge: What is known of the surrogate, of which statistics of activations are kept.
        recogniser: The surrogate.
        faces: The faces.
        templates: Shape (faces, dim).
        exact: How many of the templates, the first ones, are exact, so that the regression is fitted on them.
    """
    rows = F.normalize(torch.from_numpy(templates)).float()
    neighbours, sums = NeighbourCollector(), RegressionSums()
    for part in in_batches(len(faces)):
        images = faces.images(faces.crops.shape[1], part)
        neighbours.add(rows[part], rows[part], images)
        known = max(0, min(part.stop, exact) - part.start)
        if known:
            sums.add(rows[part][:known], images[:known])
    found = knowledge.statistics or MeasuredStatistics((), recogniser.source.fingerprint, recogniser.name, 0)
    statistics = replace(
        found,
        nearest_neighbours=neighbours.result(),
        regression=sums.fit(_SHRINKAGE, FEWEST_FACES),
        faces=found.faces if found.layers else faces.kind,
        template_faces=faces.kind,
        photographs=faces.photographs,
    )
    return replace(knowledge, statistics=statistics, decoder=None)

"""Synthetic faces: images of nobody, which an attacker without photographs embeds in their place.

A face is a random vector of coefficients of the shipped face PCA. Independent coefficients would vary most in
what says least about a person: pose, light, background. So coefficients are drawn mostly along the directions
in which people differ, by the variances of people (benchmarks/make_identity_directions.py), and less along
all others; and without antisymmetric components, so that faces are frontal and evenly lit, and each is its
own mirror image. Nothing else of real faces is used, so that no synthetic face is that of a person
(benchmarks/synthetic_faces.py measures it).
"""

import functools
from collections.abc import Iterator
from importlib.resources import files

import torch
from safetensors.torch import load_file
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, load_face_pca
from recognition.images import resized
from recognition.recogniser import EMBEDDING_BATCH
from recognition.seeds import derive_seed

#: Rises when the same seed gives other faces.
VERSION = 1
#: The default number of faces, which a small network embeds in less than a minute on two cores.
COUNT = 3072
#: The default seed.
SEED = 0
#: The variance along directions of people, in units of that of people: faces at the edge say more than those
#: near the mean face.
PEOPLE_VARIANCE = 1.5
#: The standard deviation along all other symmetric directions, in units of that of photographs. Without them
#: faces are blurred.
OTHER_DEVIATION = 0.6
#: The same along antisymmetric directions, pose and light from the side, between photographs of one person.
TURNED_DEVIATION = 0.3


@functools.cache
def load_identity_directions() -> tuple[Tensor, Tensor]:
    """Return the variances of people, (k,), along orthonormal directions of face PCA coefficients, (k, n)."""
    tensors = load_file(str(files("arcinvert").joinpath("data/identity_directions.safetensors")))
    return tensors["variances"].float(), tensors["directions"].float()


def draw_coefficients(count: int, generator: torch.Generator) -> Tensor:
    """Return coefficients of the face PCA of random symmetric faces, shape (count, components)."""
    components = load_face_pca()[1]
    variances, directions = load_identity_directions()
    symmetric = (components == components.flip(-1)).flatten(1).all(1)
    people = torch.randn(count, len(variances), generator=generator) * (PEOPLE_VARIANCE * variances).sqrt()
    coefficients = torch.randn(count, len(components), generator=generator) * symmetric * OTHER_DEVIATION
    first = coefficients[:, : directions.shape[1]]
    # The directions of people have their own variances in place of the others'.
    first += (people - first @ directions.T) @ directions
    return coefficients


def draw_people(people: int, photographs: int, *, size: int, seed: int = SEED) -> Tensor:
    """Return several synthetic photographs of each of several synthetic people.

    Photographs of one person agree along the directions of people, and differ along all others, pose and
    light among them.

    Args:
        people: The number of people.
        photographs: The number of photographs of each.
        size: The side of an image in pixels.
        seed: The seed of the faces.

    Returns:
        Images in [0, 1], shape (people * photographs, 3, size, size), person by person.
    """
    components = load_face_pca()[1]
    variances, directions = load_identity_directions()
    generator = torch.Generator().manual_seed(derive_seed(seed, "synthetic people"))
    symmetric = (components == components.flip(-1)).flatten(1).all(1)
    deviations = torch.where(symmetric, OTHER_DEVIATION, TURNED_DEVIATION)
    persons = (
        torch.randn(people, 1, len(variances), generator=generator) * (PEOPLE_VARIANCE * variances).sqrt()
    )
    coefficients = torch.randn(people, photographs, len(components), generator=generator) * deviations
    first = coefficients[..., : directions.shape[1]]
    # Stored in half precision, the directions are not exactly orthonormal.
    first += (persons - first @ directions.T) @ torch.linalg.pinv(directions).T
    return resized(faces_of(coefficients.flatten(0, 1)).clamp(0, 1), size)


def draw_faces(count: int = COUNT, *, size: int, seed: int = SEED) -> Iterator[Tensor]:
    """Yield symmetric synthetic faces, batches of shape (batch, 3, size, size) in [0, 1].

    Args:
        count: The number of faces, all batches together.
        size: The side of an image in pixels.
        seed: The seed of the faces. The first faces of two numbers are the same.
    """
    for number, begin in enumerate(range(0, count, EMBEDDING_BATCH)):
        generator = torch.Generator().manual_seed(derive_seed(seed, "synthetic faces", number))
        # The product of a whole batch: that of fewer rows has other last digits with several threads.
        batch = faces_of(draw_coefficients(EMBEDDING_BATCH, generator))[: count - begin]
        faces = resized(batch.clamp(0, 1), size)
        # Rounding of the sums differs between the halves.
        yield (faces + faces.flip(-1)) / 2

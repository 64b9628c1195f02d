"""Embeddings of people who do not exist, and of an attack whose acceptance rate is known."""

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.evidence import VerifierEvidence


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def evidence(
    *,
    people: int,
    rate: float,
    seed: int,
    samples: int = 1,
    outside: int = 150,
    dim: int = 64,
    name: str = "synthetic",
    shuffled: bool = False,
) -> VerifierEvidence:
    """An attack that meets the person with probability `rate`, and else shows a stranger.

    Args:
        shuffled: whether the reconstructions are assigned to people at random, as strangers are.
    """
    generator = np.random.default_rng(seed)

    def photographs(centres: NDArray[np.float64]) -> NDArray[np.float64]:
        # Near enough that every real pair passes, and no chance pair does.
        return unit(centres + 0.3 * generator.normal(size=centres.shape) / np.sqrt(dim))

    centres = unit(generator.normal(size=(people, dim)))
    met = generator.random((people, samples)) < rate
    strangers = unit(generator.normal(size=(people, samples, dim)))
    reconstructions = np.where(
        met[..., None], photographs(np.repeat(centres[:, None], samples, 1)), strangers
    )
    if shuffled:
        reconstructions = strangers
    others = np.repeat(unit(generator.normal(size=(outside, dim))), 2, 0)
    return VerifierEvidence(
        name=name,
        metric="cosine",
        calibration=photographs(others),
        labels=np.repeat(np.arange(outside), 2),
        second=photographs(centres),
        source=photographs(centres),
        floor=unit(generator.normal(size=dim)),
        reconstructions=reconstructions,
        transformed={"blur": reconstructions},
        chosen=generator.integers(0, samples, people),
    )

"""Reconstruct a face through a recogniser of which only the answers are known.

    python examples/black_box.py photo.jpg

`embeddings` stands for the recogniser of somebody else: a service, or a library without weights. The attack
calls it and counts what it shows; its gradients are those of another network, lfw-distilled. Without a
photograph, the public-domain portrait of Eileen Collins (NASA) that scikit-image ships is used.
"""

import argparse
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from arcinvert import AccessOptions, BlackBoxAttacker
from recognition.loading import load
from recognition.recogniser import Recogniser


@cache
def recogniser() -> Recogniser:
    return load("lfw-iresnet18")


def embeddings(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the embeddings of aligned faces, uint8 (n, 112, 112, 3) in RGB, shape (n, dim)."""
    with torch.no_grad():
        return recogniser()(torch.from_numpy(images).movedim(-1, 1).float() / 255).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description="Reconstruct a face by a recogniser's answers alone.")
    parser.add_argument("photograph", nargs="?", help="a photograph with a face")
    parser.add_argument("--queries", type=int, default=600, help="images that may be shown (default: 600)")
    parser.add_argument("--faces", type=int, default=2048, help="synthetic faces to choose from")
    parser.add_argument("--steps", type=int, help="number of optimiser steps; by default, the recipe's")
    parser.add_argument("--out", default="black-box", help="folder for the image and result.json")
    given = parser.parse_args()

    photograph = given.photograph
    if photograph is None:
        from skimage.data import astronaut

        photograph = Image.fromarray(astronaut())

    options = AccessOptions(
        access="embeddings", queries=given.queries, faces=given.faces, black_box="black_box:embeddings"
    )
    attacker = BlackBoxAttacker(options)
    run = attacker.from_image(photograph, steps=given.steps, out=given.out)

    access = run.result["access"]
    print(f"{access['queries']['count']} images were shown, of {access['queries']['by_purpose']}")
    print(f"lfw-distilled explains {access['map']['explained_variance']:.0%} of the embeddings' variance")
    print(f"Similarity to the template, by the black box: {access['own_opinion'][0]['answer']:.3f}")
    judge = run.samples[0]["judge"]
    print(
        f"To the photograph, by a judge: {judge['type_1']:.3f}, of the mean face {judge['floor_type_1']:.3f}"
    )
    print(f"Wrote {run.out}; its sheet.png shows photograph, mean face and reconstruction")


if __name__ == "__main__":
    main()

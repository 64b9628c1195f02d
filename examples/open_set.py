"""Reconstruct a face from the template of a photograph, and show both side by side.

    python examples/open_set.py photo.jpg

Without a photograph, the public-domain portrait of Eileen Collins (NASA) that scikit-image ships is used.
"""

import argparse

from PIL import Image

import arcinvert


def main() -> None:
    parser = argparse.ArgumentParser(description="Reconstruct a face from the template of a photograph.")
    parser.add_argument("photograph", nargs="?", help="a photograph with a face")
    parser.add_argument("--steps", type=int, help="number of optimiser steps; by default, the recipe's")
    parser.add_argument("--out", default="open-set", help="folder for the image and result.json")
    given = parser.parse_args()

    photograph = given.photograph
    if photograph is None:
        from skimage.data import astronaut

        photograph = Image.fromarray(astronaut())

    # The attack uses the photograph's template only; the photograph itself is the judge's reference.
    attacker = arcinvert.Attacker("lfw-distilled")
    run = attacker.from_image(photograph, steps=given.steps, out=given.out)

    judge = run.samples[0]["judge"]
    print(
        f"Similarity to the photograph: {judge['type_1']:.3f}, of the mean face {judge['floor_type_1']:.3f}"
    )
    print(f"Wrote {run.out}; its sheet.png shows photograph, mean face and reconstruction")


if __name__ == "__main__":
    main()

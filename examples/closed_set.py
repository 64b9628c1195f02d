"""Synthesise faces of classes that the bundled network learned, and print what the judge says of them.

python examples/closed_set.py --class-id 123 45 --samples 2
"""

import argparse

import arcinvert


def main() -> None:
    parser = argparse.ArgumentParser(description="Synthesise faces of classes of the bundled network.")
    parser.add_argument("--class-id", type=int, nargs="+", default=[123, 45], help="class indices, from 0")
    parser.add_argument("--samples", type=int, default=1, help="number of images per class")
    parser.add_argument("--steps", type=int, help="number of optimiser steps; by default, the recipe's")
    parser.add_argument("--out", default="closed-set", help="folder for the images and result.json")
    given = parser.parse_args()

    attacker = arcinvert.Attacker("lfw-distilled")
    run = attacker.generate(class_id=given.class_id, samples=given.samples, steps=given.steps, out=given.out)

    for sample in run.samples:
        judge = sample["judge"]
        # Type I where the only known photograph of the person is one that trained the class.
        kind = "type_1" if judge["type_2"] is None else "type_2"
        print(
            f"{sample['image']}: {sample['attacked_similarity']:.3f} by the attacked network, "
            f"{judge[kind]:.3f} by the judge, where the mean face has {judge[f'floor_{kind}']:.3f}"
        )
    print(f"Wrote {run.out}")


if __name__ == "__main__":
    main()

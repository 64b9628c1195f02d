"""Turn the reconstruction of a class, and give it expressions, in one picture.

python examples/panel.py --class-id 123 --out panel.png
"""

import argparse

from arcinvert import Attacker
from arcinvert.panel import make_panel


def main() -> None:
    parser = argparse.ArgumentParser(description="One reconstruction in several poses and expressions.")
    parser.add_argument("--class-id", type=int, default=123, help="class of the bundled network")
    parser.add_argument("--yaws", type=float, nargs="+", default=[-20, 0, 20], help="degrees, left to right")
    parser.add_argument("--steps", type=int, help="number of optimiser steps; by default, the recipe's")
    parser.add_argument("--out", default="panel.png", help="the picture to write")
    given = parser.parse_args()

    # One attack; each picture is its image deformed, and fitted to the person again by a few more steps.
    picture = make_panel(
        Attacker("lfw-distilled"),
        "class",
        given.class_id,
        out=given.out,
        yaws=given.yaws,
        expressions=("neutral", "smile"),
        steps=given.steps,
    )

    height, width, _ = picture.shape
    print(f"Wrote {given.out}, {width} x {height} pixels, with a judge's verdict below each face")


if __name__ == "__main__":
    main()

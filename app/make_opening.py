"""Make the finished result that the page opens with: `python -m app.make_opening`.

It attacks the bundled network: the template of the photograph that the demonstration uses, and the classes
with the most training photographs, with the strong defaults, one sample each, the first. It takes a minute or
two, and writes `data/opening.json` beside this module. Run it again when the bundled network has changed.
"""

import argparse
import io
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arcinvert import Attacker
from arcinvert.class_list import best_known_classes
from arcinvert.demo import PERSON, PHOTOGRAPH
from arcinvert.output.folder import write_json
from arcinvert.subjects import template_of
from recognition.data.faces import at_size
from recognition.images import read_image, to_uint8
from recognition.loading import BUNDLED

from .html import data_uri
from .opening import FILE, Example, Opening, Person

#: People who are offered, and the quality of their pictures, of 100.
PEOPLE = 8
QUALITY = 90
CREDIT = "NASA, public domain"
#: Decimal places of the template, which is only drawn.
_DECIMALS = 3


def make_opening(attacker: Attacker, **options: Any) -> Opening:
    """Attack the photograph and the people, and return what the page opens with.

    Args:
        attacker: The network, with class centres and the numbers of training photographs.
        options: Fields of `AttackOptions`.
    """
    recogniser = attacker.recogniser
    photograph = read_image(str(files("arcinvert").joinpath("data", PHOTOGRAPH)))
    opened = attacker.from_crops(photograph, samples=1, **options)
    template = template_of(recogniser, at_size(photograph, recogniser.input_size))
    example = Example(
        PERSON,
        CREDIT,
        tuple(round(value, _DECIMALS) for value in template.tolist()),
        _picture(photograph),
        _picture(to_uint8(attacker.knowledge.mean_face)),
        _picture(opened.images[0]),
        opened.samples[0]["judge"],
    )
    known = best_known_classes(recogniser, PEOPLE)
    closed = attacker.generate([one.id for one in known], samples=1, **options)
    people = tuple(
        Person(one.id, one.name or str(one.id), one.photographs, _picture(image), sample["judge"])
        for one, image, sample in zip(known, closed.images, closed.samples, strict=True)
    )
    return Opening(recogniser.name, example, people)


def _picture(image: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=QUALITY, method=6)
    return data_uri(buffer.getvalue(), "image/webp")


def main(arguments: list[str] | None = None) -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_name("data") / FILE,
        help="the file to write (default: the one that the page opens with)",
    )
    given = parser.parse_args(arguments)
    write_json(given.out, make_opening(Attacker(BUNDLED)).to_json())
    print(f"Wrote {given.out} ({given.out.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()

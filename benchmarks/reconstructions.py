"""Reconstructions of many photographs in parts, which a run that was stopped or is repeated reads again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attacker import Attacker
from arcinvert.output.folder import RESULT_NAME
from recognition.images import atomic_path, read_image

#: Photographs whose reconstructions are written together.
PART = 64


def reconstruct(
    attacker: Attacker, photographs: Sequence[Path], out: Path, options: Mapping[str, Any]
) -> tuple[NDArray[np.uint8], set[Path]]:
    """Return the reconstruction of each photograph, uint8 112x112, and which are among the public faces.

    They are written in parts. Parts that an earlier run of the same network and options has finished are
    read.

    Args:
        attacker: The attacker.
        photographs: Aligned crops.
        out: The folder of the parts.
        options: Options of the attack.
    """
    pictures, public = [], set[Path]()
    wanted = attacker.plan("template", **options)
    for begin in range(0, len(photographs), PART):
        part = list(photographs[begin : begin + PART])
        folder = out / f"part-{begin // PART:04}"
        expected = {
            "photographs": [str(path) for path in part],
            "network": attacker.recogniser.source.sha256,
            "plan": json.loads(json.dumps(wanted.describe())),
        }
        path = folder.with_suffix(".json")
        if not (path.is_file() and json.loads(path.read_text(encoding="utf-8")) == expected):
            attacker.from_crops(part, out=folder, resume=True, allow_overlap=True, **options)
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(expected), encoding="utf-8")
        result = json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))
        pictures += [read_image(folder / sample["image"]) for sample in result["samples"]]
        overlap = set(result["overlap"]["photographs"]) if result["overlap"] else set()
        shown = [sample["input"] for sample in result["samples"]]
        public |= {path for path, name in zip(part, shown, strict=True) if name in overlap}
    return np.stack(pictures), public

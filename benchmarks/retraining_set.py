"""The aligned photographs from which the bundled network can be trained again, in a folder.

    python -m benchmarks.retraining_set --aligned aligned --out again

A split is drawn from the people in a folder, and classes are ordered by their photographs, so that one person
or photograph more changes both. Today's detector finds a few more than the one that aligned the bundled
network's photographs. The folder has the same people, and as many photographs of each class, the last ones by
name; so the people who are held out, the photographs that are reserved, and the numbers of the classes stay.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.face_folders import copy_faces
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.loading import bundled_path, load


def main() -> None:
    """Parse the command line and fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    options = parser.parse_args()
    recogniser, split = load(), load_notes(bundled_path())["split"]
    numbers = dict(zip(recogniser.class_names or (), recogniser.class_photographs or (), strict=True))
    for name in split["reserved"]:
        numbers[name] += 1
    try:
        paths = same_photographs(read_folders(options.aligned), numbers, split["held_out"])
    except ValueError as error:
        raise SystemExit(f"{options.aligned}: {error}; check --aligned") from None
    copy_faces(paths, options.out)
    print(f"Wrote {len(paths)} faces to {options.out}")


def same_photographs(
    folders: Mapping[str, Sequence[Path]], numbers: Mapping[str, int], held_out: Iterable[str]
) -> list[Path]:
    """Return the last photographs of each class, as many as there were, and all of the held-out people.

    Args:
        folders: Photographs by person, sorted.
        numbers: The number of photographs of each class, the reserved one included.
        held_out: The held-out people.

    Raises:
        ValueError: If a person is missing, or has fewer photographs.
    """
    chosen: list[Path] = []
    for name, number in {**numbers, **dict.fromkeys(held_out, 1)}.items():
        found = folders.get(name, ())
        if len(found) < number:
            raise ValueError(f"expected {number} photographs of {name}, found {len(found)}")
        chosen.extend(found[-number:] if name in numbers else found)
    return chosen


if __name__ == "__main__":
    main()

"""Films as sets of frames, and pair lists of films, as YouTube Faces (YTF) has them.

The frames of film 3 of a person are the images in the folder `Person/3`. A list (`splits.txt`) has in each
line, separated by commas: the fold, from 1; the number of the pair; both films, as `Person/3`; and 1 if they
show one person, else 0. Further columns and a header are passed over.

Source: Wolf, Hassner and Maoz, Face recognition in unconstrained videos with matched background similarity,
CVPR 2011, section 3; the columns as OpenBR reads them, plugins/youtube.cpp.
"""

import os
from pathlib import Path

from recognition.errors import InputError
from recognition.files import parse_integer, printable, read_text
from recognition.images import list_images

#: First film, second film, whether both show one person, and the number of the fold, from 0.
FilmPair = tuple[str, str, bool, int]


def read_films(root: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Return the frames of each film, in the order of their names, by `Person/film`.

    Raises:
        InputError: If there is no frame.
    """
    root = Path(root)
    films: dict[str, list[Path]] = {}
    people = sorted(root.iterdir()) if root.is_dir() else []
    for person in people:
        for film in sorted(person.iterdir()) if person.is_dir() else []:
            if film.is_dir() and (frames := list_images(film)):
                films[f"{person.name}/{film.name}"] = frames
    if not films:
        raise InputError(
            f"{printable(root)}: expected folders PERSON/FILM with frames in them, found no frame; check the "
            f"path"
        )
    return films


def read_film_pairs(path: str | os.PathLike[str]) -> list[FilmPair]:
    """Return the pairs of a list of films.

    Raises:
        InputError: If it is no such list.
    """
    pairs: list[FilmPair] = []
    for number, line in enumerate(read_text(path, "a list of pairs of films").splitlines(), 1):
        fields = [field.strip() for field in line.split(",")]
        if not line.strip() or (number == 1 and not fields[0].isdecimal()):
            continue
        try:
            fold, mated = parse_integer(fields[0]), parse_integer(fields[4])
            first, second = (name.strip("/") for name in fields[2:4])
        except (ValueError, IndexError):
            raise InputError(
                f"{path}: expected a fold, a number, two films and 0 or 1 in line {number}, got {line[:80]!r}"
            ) from None
        if mated not in (0, 1) or fold < 1:
            raise InputError(
                f"{path}: expected a fold from 1, and 0 or 1, in line {number}, got {line[:80]!r}"
            )
        pairs.append((first, second, mated == 1, fold - 1))
    if len({fold for *_, fold in pairs}) < 2 or len({mated for _, _, mated, _ in pairs}) < 2:
        raise InputError(
            f"{path}: expected pairs of films of both kinds, in at least 2 folds, found {len(pairs)} pairs"
        )
    return pairs

"""Pair lists in the format of LFW (Labeled Faces in the Wild)."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from recognition.data.encoded import is_inside
from recognition.errors import InputError
from recognition.files import MAX_DIGITS, parse_integer, read_text

#: First image, second image, whether both show one person, and the number of the fold.
Pair = tuple[Path, Path, bool, int]


def read_pairs(
    path: str | os.PathLike[str], identities: Mapping[str, Sequence[Path]]
) -> tuple[list[Pair], int]:
    """Return the pairs of a list, and the number of pairs left out because an image is missing.

    The first line has the number of folds and of pairs of each kind in a fold; the others are `name n1 n2`
    for a mated pair or `name1 n1 name2 n2` for a nonmated one, where image n of a name is the file
    `name_000n`, or the n-th of its faces inside another file.

    Args:
        path: The list.
        identities: Files by identity.

    Raises:
        InputError: If the file is not a pair list, or the identities have no pairs of both kinds in two
            folds.

    Source: LFW's view 2, Huang et al., technical report 07-49.
    """
    try:
        header, *lines = read_text(path, "a pair list in LFW's format").splitlines()
        folds, each = (parse_integer(number) for number in header.split())
        if folds < 2 or each < 1:
            raise ValueError
    except InputError:
        raise
    except ValueError:
        raise InputError(
            f"{path}: expected a pair list in LFW's format (first line: folds and pairs), got something else"
        ) from None
    rows = [line.split("\t") if "\t" in line else line.split() for line in lines if line.strip()]
    names = {field for fields in rows for field in fields} & set(identities)
    files = {
        (name, image): key
        for name in names
        for place, key in enumerate(identities[name], 1)
        if (image := _image_number(key, place)) is not None
    }
    pairs: list[Pair] = []
    missing = 0
    for number, fields in enumerate(rows):
        if len(fields) not in (3, 4):
            raise InputError(f"{path}: expected 3 or 4 fields in pair {number + 1}, got {len(fields)}")
        mated = len(fields) == 3
        second_name = fields[0] if mated else fields[2]
        try:
            first = files.get((fields[0], parse_integer(fields[1])))
            second = files.get((second_name, parse_integer(fields[-1])))
        except ValueError:
            raise InputError(
                f"{path}: expected image numbers in pair {number + 1}, got {' '.join(fields)[:80]!r}"
            ) from None
        if first is None or second is None:
            missing += 1
            continue
        pairs.append((first, second, mated, number // (2 * each)))
    if len({fold for _, _, _, fold in pairs}) < 2 or len({mated for _, _, mated, _ in pairs}) < 2:
        raise InputError(
            f"{path}: expected pairs of these identities of both kinds, in at least 2 folds, found "
            f"{len(pairs)} pairs"
        )
    return pairs, missing


def _image_number(key: Path, place: int) -> int | None:
    """Return the number by which a list names a face; None if its file's name has none.

    Args:
        key: The face's key.
        place: Its place among the faces of its identity, from 1.
    """
    if is_inside(key):
        return place
    match = re.search(r"_(\d+)$", key.stem)
    return int(match[1]) if match and len(match[1]) <= MAX_DIGITS else None

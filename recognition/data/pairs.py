"""Pair lists in LFW's format."""

import os
import re
from pathlib import Path

from recognition.errors import InputError

#: First image, second image, whether they show one person, fold.
Pair = tuple[Path, Path, bool, int]


def read_pairs(path: str | os.PathLike[str], identities: dict[str, list[Path]]) -> tuple[list[Pair], int]:
    """Pairs of LFW's view 2, and how many were left out because an image is not there.

    The file says folds and pairs of each kind a fold, then lines `name n1 n2` or
    `name1 n1 name2 n2`; image n of a name is `name_000n`.

    Raises:
        InputError: the file is no pair list, or no pair of it is among the identities.
    """
    try:
        header, *lines = Path(path).read_text(encoding="utf-8").splitlines()
        folds, each = (int(number) for number in header.split())
        if folds < 2 or each < 1:
            raise ValueError
    except (OSError, ValueError):
        raise InputError(
            f"{path}: expected a pair list in LFW's format (first line: folds and pairs), got something else"
        ) from None
    files = {
        (name, int(match[1])): file
        for name, paths in identities.items()
        for file in paths
        if (match := re.search(r"_(\d+)$", file.stem))
    }
    pairs: list[Pair] = []
    missing = 0
    for number, line in enumerate(line for line in lines if line.strip()):
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) not in (3, 4):
            raise InputError(f"{path}: expected 3 or 4 fields in pair {number + 1}, got {len(fields)}")
        mated = len(fields) == 3
        second_name = fields[0] if mated else fields[2]
        if not (fields[1].isdecimal() and fields[-1].isdecimal()):
            raise InputError(f"{path}: expected image numbers in pair {number + 1}, got {line!r}")
        first = files.get((fields[0], int(fields[1])))
        second = files.get((second_name, int(fields[-1])))
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

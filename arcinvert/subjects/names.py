"""Names of classes, matched as people type them: without case, accents, underscores and hyphens."""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence

from recognition.errors import InputError

#: Letters that Unicode does not decompose into a plain one and an accent.
_PLAIN = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "\u0131": "i", "þ": "th"})
#: Names that an error lists.
_NEAREST = 3


def plain_name(name: str) -> str:
    """Return a name without what people leave out when they type it.

    Case, accents, underscores, hyphens, dots and apostrophes do not count, nor does repeated space.

    Example:
        >>> plain_name("Gerhard_SCHRÖDER")
        'gerhard schroder'
    """
    # Casefold comes first: it turns some letters into others that are decomposed then.
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    spaced = re.sub("[_-]", " ", re.sub("['\u2019.]", "", letters.translate(_PLAIN)))
    return " ".join(spaced.split())


def find_name(wanted: str, names: Sequence[str]) -> int:
    """Return the index of a name: the one that is equal, or else the only one that is equal in plain form.

    Args:
        wanted: The name as it was typed.
        names: The names of a network's classes.

    Raises:
        InputError: If no name, or more than one, fits.
    """
    if wanted in names:
        return names.index(wanted)
    if not names:
        raise InputError(
            f"class name: expected a class number, got {wanted!r}; this network's classes have no names"
        )
    plain = plain_name(wanted)
    fitting = [index for index, name in enumerate(names) if plain and plain_name(name) == plain]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = ", ".join(f"{index}: {names[index]}" for index in fitting[:_NEAREST])
        raise InputError(
            f"class name: expected one class, {wanted!r} fits {len(fitting)} ({listed}); "
            "give the exact name or the number"
        )
    near = ", ".join(repr(names[index]) for index in nearest_names(wanted, names, _NEAREST))
    raise InputError(
        f"class name: expected one of the network's {len(names):,}, got {wanted!r}; the nearest: {near}"
    )


def search_names(wanted: str, names: Sequence[str]) -> Iterator[int]:
    """Yield the indices of the names that contain each word of a search, in plain form, in their order."""
    words = plain_name(wanted).split()
    for index, name in enumerate(names):
        plain = plain_name(name)
        if all(word in plain for word in words):
            yield index


def nearest_names(wanted: str, names: Sequence[str], count: int) -> list[int]:
    """Return the indices of the names most like a text: those that contain its words, then similar ones.

    Args:
        wanted: The text, not empty.
        names: The names, at least one.
        count: The largest number of indices.
    """
    plain = plain_name(wanted)
    found = list(search_names(wanted, names))[:count] if plain else []
    index_of = {plain_name(name): index for index, name in reversed(list(enumerate(names)))}
    similar = difflib.get_close_matches(plain, index_of, n=count, cutoff=0.6)
    similar = similar or difflib.get_close_matches(plain, index_of, n=1, cutoff=0.0)
    return list(dict.fromkeys([*found, *(index_of[name] for name in similar)]))[:count]

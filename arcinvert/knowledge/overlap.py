"""Which lists of public photographs an attack is checked against: those of all public faces that it uses."""

import functools
from collections.abc import Iterable, Mapping, Sequence

from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.public_photographs import Overlap, PhotographKey, PublicPhotographs, find_overlap
from arcinvert.knowledge.statistics_file import SUFFIX, load_statistics
from recognition.bundled import UNDISTILLED, bundled_path


@functools.cache
def face_pca_photographs() -> PublicPhotographs | None:
    """Return the list of the photographs that the shipped face PCA was made of.

    They are the public faces of the bundled networks, whose statistics files list them.
    """
    path = bundled_path(UNDISTILLED)
    return load_statistics(path.with_name(path.name + SUFFIX)).photographs


def attack_overlap(
    knowledge: Knowledge,
    used: Mapping[str, str],
    photographs: Iterable[PhotographKey],
    people: Sequence[str],
) -> Overlap | None:
    """Return which photographs and people of an attack are among the public faces that it uses.

    The face PCA has components that show its own faces better than others. The mean face is not checked: of
    the thousands of faces that it is the mean of, none shows.

    Args:
        knowledge: What the attacker knows.
        used: What the attack uses of public faces, by kind, as a plan says it.
        photographs: The attack's photographs.
        people: Names of the people attacked, as far as they are known.

    Returns:
        None if the attack uses no public faces but a mean, or they are of nobody.
    """
    lists: list[PublicPhotographs | None] = []
    if knowledge.statistics is not None and knowledge.statistics.shows_people(used):
        lists.append(knowledge.statistics.photographs)
    if "decoder" in used and knowledge.decoder is not None and knowledge.decoder.shows_people:
        lists.append(knowledge.decoder.photographs)
    if "face_pca" in used:
        lists.append(face_pca_photographs())
    if not lists:
        return None
    keys = list(photographs)
    found = [find_overlap(one, keys, people) for one in lists]
    return Overlap(
        all(one.checked for one in found),
        tuple(dict.fromkeys(name for one in found for name in one.photographs)),
        tuple(dict.fromkeys(name for one in found for name in one.people)),
    )

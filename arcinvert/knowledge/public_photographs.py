"""Which photographs a file of public faces was made of, so that an attack on one of them is noticed.

An attacker who has the very photograph, or any of the same person, among the public faces starts from what
the attack should find. Statistics and decoders therefore have, for each photograph, a digest of its content
and a perceptual hash of its aligned face, and a digest of each person's name where it is known; no embedding.

All of them are salted with 16 bytes that are in the file. The salt makes tables of hashes made beforehand, or
for another file, useless. It does not keep a holder of the file from testing whether a photograph, or a name,
is in it, which is what the list is for; and the hash, 256 bits, shows where a face is light or dark.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError
from recognition.perceptual_hash import BYTES, SAME_PHOTOGRAPH, distances, perceptual_hash

#: Bytes of the salt and of each digest.
_SALT, _DIGEST = 16, 16
#: The tensors of a list in a file begin with this.
_PREFIX = "photographs/"


@dataclass(frozen=True)
class PhotographKey:
    """What identifies a photograph that an attack uses.

    Args:
        name: What messages call it.
        sha256: SHA-256 of its content, hexadecimal; None if it is not known.
        hashes: Perceptual hashes of its aligned face and of the mirror image, shape (2, 32).
    """

    name: str
    sha256: str | None
    hashes: NDArray[np.uint8]


def photograph_key(name: str, crop: NDArray[np.uint8], sha256: str | None = None) -> PhotographKey:
    """Return the key of a photograph by its aligned face, uint8 of shape (s, s, 3)."""
    mirrored = np.ascontiguousarray(crop[:, ::-1])
    return PhotographKey(name, sha256, np.stack([perceptual_hash(crop), perceptual_hash(mirrored)]))


@dataclass(frozen=True)
class PublicPhotographs:
    """The salted list of the photographs that a file was made of.

    Args:
        salt: Shape (16,), uint8.
        digests: Shape (photographs, 16), uint8, of their contents, sorted.
        hashes: Shape (photographs, 32), uint8, of their aligned faces, sorted, so that none belongs to one
            digest.
        people: Shape (people, 16), uint8, of their names where they are known, sorted.
    """

    salt: Tensor
    digests: Tensor
    hashes: Tensor
    people: Tensor

    def __len__(self) -> int:
        return len(self.digests)

    def validate(self) -> None:
        """Raise a ValueError if the parts do not fit together."""
        widths = {"salt": _SALT, "digests": _DIGEST, "hashes": BYTES, "people": _DIGEST}
        fits = all(
            part.dtype == torch.uint8
            and part.ndim == (1 if name == "salt" else 2)
            and part.shape[-1] == width
            for name, width in widths.items()
            for part in [getattr(self, name)]
        )
        if not fits or len(self.digests) != len(self.hashes):
            raise ValueError("photographs")

    def tensors(self) -> dict[str, Tensor]:
        """Return it as tensors of a file, which `photographs_in` reads."""
        return {_PREFIX + name: part for name, part in vars(self).items()}

    def has(self, photograph: PhotographKey) -> bool:
        """Return whether a photograph is one of these: the same file, or nearly the same face."""
        if photograph.sha256 is not None and _contains(
            self.digests, _digest(self._salt, "content", photograph.sha256)
        ):
            return True
        stored = self.hashes.numpy() ^ _mask(self._salt)
        return len(stored) > 0 and any(
            int(distances(one, stored).min()) <= SAME_PHOTOGRAPH for one in photograph.hashes
        )

    def has_person(self, name: str) -> bool:
        """Return whether one of these is known to be of a person."""
        normalised = normalised_name(name)
        return bool(normalised) and _contains(self.people, _digest(self._salt, "person", normalised))

    @property
    def _salt(self) -> bytes:
        return self.salt.numpy().tobytes()


def photographs_in(tensors: Mapping[str, Tensor]) -> PublicPhotographs | None:
    """Return the list that is among the tensors of a file; None if there is none.

    Raises:
        ValueError: If its parts do not fit together.
    """
    parts = {key.removeprefix(_PREFIX): part for key, part in tensors.items() if is_of_photographs(key)}
    if not parts:
        return None
    if parts.keys() != {one.name for one in fields(PublicPhotographs)}:
        raise ValueError("photographs")
    found = PublicPhotographs(**parts)
    found.validate()
    return found


def is_of_photographs(key: str) -> bool:
    """Return whether a tensor of a file belongs to its list of photographs."""
    return key.startswith(_PREFIX)


class PhotographCollector:
    """Collects the list, photograph by photograph."""

    def __init__(self) -> None:
        self._contents: list[str] = []
        self._hashes: list[NDArray[np.uint8]] = []
        self._people: set[str] = set()

    def add(self, sha256: str, crop: NDArray[np.uint8], person: str | None = None) -> None:
        """Add a photograph.

        Args:
            sha256: SHA-256 of its file, hexadecimal.
            crop: Its aligned face, uint8 of shape (s, s, 3).
            person: Whose it is; None if that is not known.
        """
        self._contents.append(sha256)
        self._hashes.append(perceptual_hash(crop))
        if person is not None and (name := normalised_name(person)):
            self._people.add(name)

    def result(self) -> PublicPhotographs:
        """Return the list, salted by its own content, so that the same photographs give the same file."""
        whole = "\n".join([*sorted(self._contents), *sorted(self._people)])
        salt = hashlib.sha256(whole.encode("utf-8", "surrogateescape")).digest()[:_SALT]
        hashes = [(one ^ _mask(salt)).tobytes() for one in self._hashes]
        return PublicPhotographs(
            torch.frombuffer(bytearray(salt), dtype=torch.uint8),
            _rows((_digest(salt, "content", one) for one in self._contents), _DIGEST),
            _rows(hashes, BYTES),
            _rows((_digest(salt, "person", one) for one in self._people), _DIGEST),
        )


def normalised_name(name: str) -> str:
    """Return a name without what differs between spellings: case, accents, and what separates its parts."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(one for one in decomposed if not unicodedata.combining(one))
    return " ".join("".join(one if one.isalnum() else " " for one in letters).split())


def _digest(salt: bytes, kind: str, content: str) -> bytes:
    data = content.encode("utf-8", "surrogateescape")
    return hashlib.blake2b(data, digest_size=_DIGEST, key=salt, person=kind.encode()).digest()


def _mask(salt: bytes) -> NDArray[np.uint8]:
    """Return what hashes are combined with by exclusive or, which keeps the distances between them."""
    mask = hashlib.blake2b(b"", digest_size=BYTES, key=salt, person=b"hash").digest()
    return np.frombuffer(mask, dtype=np.uint8)


def _rows(parts: Iterable[bytes], width: int) -> Tensor:
    joined = b"".join(sorted(parts))
    return torch.from_numpy(np.frombuffer(joined, dtype=np.uint8).reshape(-1, width).copy())


def _contains(rows: Tensor, digest: bytes) -> bool:
    wanted = torch.frombuffer(bytearray(digest), dtype=torch.uint8)
    return bool((rows == wanted).all(dim=1).any())


@dataclass(frozen=True)
class Overlap:
    """Which of an attack's photographs and people are among the public faces that the attacker has.

    Args:
        checked: Whether all files of public faces that the attack uses list their photographs.
        photographs: Names of the attack's photographs that are in it.
        people: Names of people who are in it.
    """

    checked: bool
    photographs: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.photographs or self.people)

    def describe(self) -> dict[str, object]:
        """Return the overlap as JSON."""
        return {
            "checked": self.checked,
            "photographs": list(self.photographs),
            "people": list(self.people),
        }

    def refused(self) -> InputError:
        """Return the error of an attack that does not allow it."""
        return InputError(
            f"overlap: expected public faces of other people, got {self.counts()} among them; calibrate on "
            "others, attack others, or report the overlap with --allow-overlap (allow_overlap=True)"
        )

    def sentence(self) -> str:
        """Return what was found in two sentences; empty if nothing was."""
        if not self.checked:
            return (
                "Whether attacked photographs are among the attacker's public faces cannot be checked: the "
                "statistics or the decoder has no list of its photographs; calibrate or learn again."
            )
        if not self:
            return ""
        return (
            f"Overlap: among the attacker's public faces are {self.counts()}. The figures are those of an "
            "attacker who has these faces already."
        )

    def counts(self) -> str:
        """Return how many photographs and people were found, with a name each."""
        parts = [
            f"{len(names)} attacked {many if len(names) > 1 else one} (such as {names[0]})"
            for names, one, many in (
                (self.photographs, "photograph", "photographs"),
                (self.people, "person", "people"),
            )
            if names
        ]
        return " and ".join(parts)


def find_overlap(
    known: PublicPhotographs | None, photographs: Iterable[PhotographKey], people: Sequence[str] = ()
) -> Overlap:
    """Return which photographs and people are in a list; nothing is checked without one."""
    if known is None:
        return Overlap(checked=False)
    found = dict.fromkeys(one.name for one in photographs if known.has(one))
    return Overlap(True, tuple(found), tuple(name for name in people if known.has_person(name)))

"""Names stay out of the report: salted hashes, and the key file that resolves them."""

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from arcinvert.output.folder import json_text
from recognition.errors import InputError
from recognition.files import printable, read_json
from recognition.images import atomic_path, remove_leftovers

#: Largest key file in bytes: millions of names.
_MAX_BYTES = 1 << 30


class Pseudonyms:
    """Gives each name a pseudonym. Without the salt in the key file, no name can be tested against it.

    Args:
        path: The key file; its salt is used if it exists, and it is made if not.

    Raises:
        InputError: If the file is something else, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: dict[str, str] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path.parent, path.name)
        except OSError as error:
            raise InputError(
                f"{printable(path)}: cannot be written ({error.strerror}); name another --key-file"
            ) from None
        self._made = not path.exists()
        if not self._made:
            self._salt, self._names = _read(path)
            return
        self._salt = secrets.token_hex(16)
        self.write(())

    def discard(self) -> None:
        """Remove the file if it was made here and names nobody yet."""
        if self._made and not self._names and _read(self.path) == (self._salt, {}):
            self.path.unlink()

    @property
    def digest(self) -> str:
        """What tells key files apart, and resolves nothing: a digest of the salt of 128 bits."""
        return hashlib.blake2b(self._salt.encode(), digest_size=8, person=b"key file").hexdigest()

    def of(self, name: str) -> str:
        """Return the pseudonym of a name: P and ten hexadecimal digits."""
        return (
            "P"
            + hashlib.blake2b(
                name.encode("utf-8", "surrogateescape"), key=self._salt.encode(), digest_size=5
            ).hexdigest()
        )

    def write(self, names: Iterable[str]) -> None:
        """Write the key file, readable by its owner alone from its first byte on.

        Args:
            names: Names to add to it.

        Raises:
            InputError: If it cannot be written, or another audit has made another one in its place.
        """
        if self.path.exists():
            # Another audit with the same file may have added its people.
            salt, found = _read(self.path)
            if salt != self._salt:
                raise InputError(
                    f"{printable(self.path)}: expected the key file of this audit, got one that "
                    "another audit made meanwhile; audit again, or name another --key-file"
                )
            self._names = found | self._names
        self._names |= {self.of(name): printable(name) for name in names}
        with atomic_path(self.path, mode=0o600) as temporary:
            content = {"salt": self._salt, "names": dict(sorted(self._names.items()))}
            temporary.write_text(json_text(content), encoding="utf-8")


def check_key_file(path: Path) -> None:
    """Check that a file can be the key file of an audit, without making it.

    Raises:
        InputError: If it is something else, or its folder cannot be written.
    """
    if path.exists():
        _read(path)
        return
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        reason = "no permission" if folder.is_dir() else f"{printable(folder)} is no folder"
        raise InputError(f"{printable(path)}: cannot be written ({reason}); name another --key-file")


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """Return the salt and the names of a key file.

    Raises:
        InputError: If it is something else.
    """
    try:
        content = read_json(path, "a key file of an audit", _MAX_BYTES)
        salt, names = content["salt"], dict(content["names"])
        if not isinstance(salt, str) or not all(isinstance(name, str) for name in names.values()):
            raise TypeError
        return salt, names
    except (InputError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{printable(path)}: expected a key file of an audit, got something else; name another --key-file"
        ) from None

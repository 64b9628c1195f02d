"""Names out of the report: salted hashes, and the key file that resolves them."""

import hashlib
import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from recognition.errors import InputError
from recognition.images import atomic_path


class Pseudonyms:
    """A pseudonym for each name; without the key file's salt no name can be tried against them.

    Args:
        path: the key file; its salt is taken where it exists.

    Raises:
        InputError: the file is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: dict[str, str] = {}
        if not path.exists():
            self._salt = secrets.token_hex(16)
            self.write(())
            return
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._salt = str(content["salt"])
            self._names = dict(content["names"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path}: expected a key file of an audit, got something else") from None

    def of(self, name: str) -> str:
        """The pseudonym of a name: P and ten hexadecimal digits."""
        return "P" + hashlib.blake2b(name.encode(), key=self._salt.encode(), digest_size=5).hexdigest()

    def write(self, names: Iterable[str]) -> None:
        """Write the key file, for the owner's eyes alone."""
        self._names |= {self.of(name): name for name in names}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from None
        with atomic_path(self.path) as temporary:
            content = {"salt": self._salt, "names": dict(sorted(self._names.items()))}
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        self.path.chmod(0o600)

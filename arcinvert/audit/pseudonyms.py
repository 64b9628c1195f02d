"""Names stay out of the report: salted hashes, and the key file that resolves them."""

import hashlib
import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from recognition.errors import InputError
from recognition.images import atomic_path


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
        if not path.exists():
            self._salt = secrets.token_hex(16)
            self.write(())
            return
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._salt = str(content["salt"])
            self._names = dict(content["names"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}: expected a key file of an audit, got something else; name another --key-file"
            ) from None

    def of(self, name: str) -> str:
        """Return the pseudonym of a name: P and ten hexadecimal digits."""
        return "P" + hashlib.blake2b(name.encode(), key=self._salt.encode(), digest_size=5).hexdigest()

    def write(self, names: Iterable[str]) -> None:
        """Write the key file, readable by its owner alone.

        Args:
            names: Names to add to it.
        """
        self._names |= {self.of(name): name for name in names}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); name another --key-file"
            ) from None
        with atomic_path(self.path) as temporary:
            content = {"salt": self._salt, "names": dict(sorted(self._names.items()))}
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        self.path.chmod(0o600)

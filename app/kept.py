"""Finished results, kept in memory for a while, so that a page that is loaded again shows them again."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

#: Seconds that a result is kept, and the number of results that are.
KEPT_SECONDS = 3600.0
MOST_KEPT = 8


@dataclass(frozen=True)
class Kept:
    """A finished attack, comparison or audit.

    Args:
        tab: The name of the tab that it belongs to.
        shown: What the tab shows; of an attack a `Shown`.
        timer: Deletes it, even if nobody visits the page.
    """

    tab: str
    shown: Any = field(repr=False)
    timer: threading.Timer = field(repr=False)


class KeptResults:
    """Results by a key that nobody can guess; safe to use from several threads.

    Args:
        most: The number of results that are kept.
        seconds: How long each is kept.
    """

    def __init__(self, most: int = MOST_KEPT, seconds: float = KEPT_SECONDS) -> None:
        self._most, self._seconds = most, seconds
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, tab: str, shown: Any) -> str:
        """Keep a result, and return its key."""
        key = secrets.token_urlsafe(16)
        timer = threading.Timer(self._seconds, self.drop, [key])
        timer.daemon = True
        with self._lock:
            self._kept[key] = Kept(tab, shown, timer)
            oldest = next(iter(self._kept)) if len(self._kept) > self._most else None
        timer.start()
        if oldest is not None:
            self.drop(oldest)
        return key

    def get(self, key: str) -> Kept | None:
        """Return a result; None if there is none of this key, or no longer."""
        with self._lock:
            return self._kept.get(key)

    def drop(self, key: str) -> None:
        """Delete a result, if it is there."""
        with self._lock:
            kept = self._kept.pop(key, None)
        if kept is not None:
            kept.timer.cancel()

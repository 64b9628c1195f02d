"""Who is connected: the streams that browsers keep open, and what is kept of visitors who have left."""

import threading
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]

#: Endings of the paths of Gradio's two streams. The browser opens the first while it waits for a handler,
#: and the second, which goes on with the session's name, as long as the page is open.
_EVENTS, _HEARTBEAT = "/queue/data", "/heartbeat/"
#: Seconds that the state of a visitor who has left is kept, for a connection that was lost for a moment.
KEPT = 60.0
#: Seconds between two searches for visitors who have left.
SWEEP_INTERVAL = 10.0


class Visitors:
    """Counts the open streams of each session; safe to use from several threads."""

    def __init__(self) -> None:
        self._events: Counter[str] = Counter()
        self._pages: Counter[str] = Counter()
        self._lock = threading.Lock()

    def listening(self, session: str) -> bool:
        """Return whether a visitor's browser waits for the result of a handler."""
        with self._lock:
            return self._events[session] > 0

    def connected(self, session: str) -> bool:
        """Return whether a visitor's page is open, or waits for a result."""
        with self._lock:
            return self._events[session] > 0 or self._pages[session] > 0

    def opened(self, path: str, query: bytes) -> Callable[[], None] | None:
        """Count a stream, and return what to call when it ends; None if the request is no stream.

        Args:
            path: The path of the request.
            query: Its query string.
        """
        if path.endswith(_EVENTS):
            streams, session = self._events, parse_qs(query.decode("latin-1")).get("session_hash", [""])[0]
        elif _HEARTBEAT in path:
            streams, session = self._pages, path.rpartition(_HEARTBEAT)[2]
        else:
            return None
        with self._lock:
            streams[session] += 1

        def closed() -> None:
            with self._lock:
                streams[session] -= 1
                if not streams[session]:
                    del streams[session]

        return closed


class WatchStreams:
    """Counts the streams that pass through, as middleware.

    Args:
        app: The application.
        visitors: Counts them.
    """

    def __init__(self, app: Application, visitors: Visitors) -> None:
        self._app, self._visitors = app, visitors

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        closed = None
        if scope["type"] == "http":
            closed = self._visitors.opened(scope["path"], scope.get("query_string", b""))
        try:
            await self._app(scope, receive, send)
        finally:
            if closed is not None:
                closed()


def forget_absent(holder: Any, visitors: Visitors, *, kept: float = KEPT) -> None:
    """Delete what Gradio keeps of sessions that are no longer connected: states, and the values of outputs.

    Gradio itself keeps the outputs of 10,000 sessions, pictures included, and states for an hour.

    Args:
        holder: Gradio's `StateHolder`.
        visitors: Says who is connected.
        kept: The number of seconds since the last use after which an absent session is deleted.
    """
    oldest = datetime.now() - timedelta(seconds=kept)
    for session, used in list(holder.time_last_used.items()):
        if used < oldest and not visitors.connected(session):
            holder.delete_state(session)
            holder.session_data.pop(session, None)
            holder.time_last_used.pop(session, None)


def sweep(holder: Any, visitors: Visitors, end: threading.Event) -> None:
    """Delete what is kept of absent visitors, again and again until the event is set."""
    while not end.wait(SWEEP_INTERVAL):
        forget_absent(holder, visitors)


def start_sweeping(holder: Any, visitors: Visitors) -> Callable[[], None]:
    """Sweep in a thread of its own, and return what ends it."""
    end = threading.Event()
    threading.Thread(target=sweep, args=(holder, visitors, end), daemon=True, name="sweep").start()
    return end.set

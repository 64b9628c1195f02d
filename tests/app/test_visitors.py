"""Streams are counted, and nothing is kept of visitors who have left."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app.visitors import Visitors, WatchStreams, forget_absent
from tests.app.conftest import run_apart


def test_streams_are_counted_by_session() -> None:
    visitors = Visitors()
    first = visitors.opened("/gradio_api/queue/data", b"session_hash=ab1")
    second = visitors.opened("/gradio_api/queue/data", b"x=1&session_hash=ab1")
    page = visitors.opened("/gradio_api/heartbeat/cd2", b"")
    assert visitors.opened("/gradio_api/queue/join", b"session_hash=ab1") is None
    assert first is not None
    assert second is not None
    assert page is not None
    first()
    assert visitors.listening("ab1")
    second()
    assert not visitors.connected("ab1")
    assert visitors.connected("cd2")
    assert not visitors.listening("cd2")
    page()
    assert not visitors.connected("cd2")


@pytest.mark.parametrize("fails", [False, True])
def test_a_stream_is_open_as_long_as_its_request(fails: bool) -> None:
    visitors, seen = Visitors(), list[bool]()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(visitors.listening("a"))
        if fails:
            raise ConnectionError

    scope = {"type": "http", "path": "/gradio_api/queue/data", "query_string": b"session_hash=a"}
    run = WatchStreams(application, visitors)(scope, None, None)
    if fails:
        with pytest.raises(ConnectionError):
            run_apart(run)
    else:
        run_apart(run)
    assert seen == [True]
    assert not visitors.listening("a")


def test_absent_visitors_are_forgotten_after_a_while() -> None:
    now, visitors, deleted = datetime.now(), Visitors(), list[str]()
    visitors.opened("/gradio_api/heartbeat/here", b"")
    long_ago = now - timedelta(seconds=100)
    holder = SimpleNamespace(
        time_last_used={"here": long_ago, "gone": long_ago, "recent": now},
        session_data={"here": 1, "gone": 2, "recent": 3},
        delete_state=deleted.append,
    )
    forget_absent(holder, visitors, kept=60)
    assert deleted == ["gone"]
    assert set(holder.session_data) == set(holder.time_last_used) == {"here", "recent"}

"""Calls with addresses in place of uploaded files are refused."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from app.guard import MAX_CALL, RefuseAddresses, foreign_address
from tests.app.caller import Caller
from tests.app.conftest import Server, run_apart

HOST = "127.0.0.1:7860"
OWN = {"path": "/uploads/a/b.png", "url": f"http://{HOST}/gradio_api/file=/uploads/a/b.png"}


def call(*data: Any) -> bytes:
    return json.dumps({"data": list(data), "fn_index": 3}).encode()


@pytest.mark.parametrize(
    "body",
    [
        call(1, "text", None, OWN),
        call([OWN, OWN | {"url": None}], OWN | {"url": "/gradio_api/file=/uploads/a/b.png"}),
        call({"path": "C:\\folder\\b.png"}),
        b"no JSON",
        b"[" * 100_000,
    ],
)
def test_files_of_this_server_pass(body: bytes) -> None:
    assert foreign_address(body, HOST) is None


@pytest.mark.parametrize(
    "file",
    [
        {"path": "http://192.168.0.1/admin"},
        {"path": "ftp://example.com/a.png"},
        {"path": "//example.com/a.png"},
        {"path": "data:image/png;base64,AAAA"},
        OWN | {"url": "http://example.com/gradio_api/file=/a.png"},
        OWN | {"url": f"http://{HOST}/other"},
        OWN | {"url": "data:image/png;base64,AAAA"},
        OWN | {"url": "file:///gradio_api/file=/etc/passwd"},
        OWN | {"url": "http://[::1"},
    ],
)
def test_addresses_are_found_at_any_depth(file: dict[str, str]) -> None:
    expected = file["url"] if "url" in file else file["path"]
    assert foreign_address(call(0, [{"deep": [file]}]), HOST) == expected


def answer(body: bytes, path: str = "/gradio_api/queue/join") -> tuple[int, bytes]:
    """The status of a call through the middleware, and the body that the application got."""
    sent: list[dict[str, Any]] = []
    got = b""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal got
        while True:
            message = await receive()
            got += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})

    parts = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", HOST.encode())]}
    run_apart(RefuseAddresses(application)(scope, receive, send))
    return sent[0]["status"], got


def test_a_call_arrives_whole_or_not_at_all() -> None:
    good, bad = call(OWN), call({"path": "http://example.com/a.png"})
    assert answer(good) == (200, good)
    assert answer(bad) == (400, b"")
    assert answer(b" " * (MAX_CALL + 2)) == (413, b"")
    # Uploads are no calls.
    assert answer(bad, "/gradio_api/upload") == (200, bad)


def test_no_file_is_handed_out(server: Server) -> None:
    before = server.tracebacks()
    uploaded = Caller(server).upload("a.png", b"a picture")["path"]
    for path in (uploaded, f"{server.uploads}/gone.png", __file__):
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"{server.address}gradio_api/file={path}")  # noqa: S310  (our own server)
        refused.value.close()
    assert server.tracebacks() == before


def test_what_is_no_upload_is_refused_without_a_traceback(server: Server, tmp_path: Path) -> None:
    """Above all, no file of the server is read or deleted."""
    private = tmp_path / "private.txt"
    private.write_text("a secret")
    before = server.tracebacks()
    file = {"meta": {"_type": "gradio.FileData"}}
    values = (
        {"path": str(private)},
        {"path": str(private)} | file,
        {"path": f"{server.uploads}/../{private.name}"},
        [{"path": str(private)}],
        file,
        {},
        "photograph.jpg",
        ["a", 1],
        7,
    )
    for value in values:
        caller = Caller(server)
        caller.set(**{"photograph": value, "own-photograph": value, "report": value})
        for elem_id, event in (("photograph", "input"), ("own-photograph", "input"), ("report", "upload")):
            answered = "".join(caller.begin(elem_id, event))
            assert "secret" not in answered
            assert "process_completed" in answered
        assert private.read_text() == "a secret"
    assert server.tracebacks() == before

"""What requests may contain: a handler gets uploaded files, never an address, and no file is handed out."""

import functools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from .visitors import Application, Message

#: Largest body of a call of a handler, bytes. Uploads are requests of another kind.
MAX_CALL = 4_000_000
#: Where Gradio serves the files that were uploaded to it.
_OWN_FILES = "/gradio_api/file="


class KeepFiles:
    """Answers that there are no files, since the page shows none: what is uploaded is deleted at once.

    The browser asks for an upload's preview while it is deleted, which Gradio answers with a traceback.

    Args:
        app: The application.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and _OWN_FILES in scope["path"]:
            await _refuse(send, 404, "uploaded files are not handed out")
        else:
            await self._app(scope, receive, send)


class RefuseAddresses:
    """Refuses calls of handlers with a file that lies elsewhere, before Gradio looks the address up.

    Args:
        app: The application.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].endswith("/upload"):
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more and len(body) <= MAX_CALL:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > MAX_CALL:
            await _refuse(send, 413, f"expected at most {MAX_CALL} bytes, got more")
            return
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if address := foreign_address(body, host):
            await _refuse(send, 400, f"expected an uploaded file, got the address {address[:80]}")
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


def refuse_other_values(page: gr.Blocks) -> None:
    """Refuse calls whose values no control of the page has, such as files elsewhere, without a traceback.

    A method is replaced for the reason given in `upload`.

    Args:
        page: The page.
    """
    read = page.preprocess_data

    @functools.wraps(read)
    async def preprocess(*given: Any, **named: Any) -> Any:
        try:
            return await read(*given, **named)
        except (ValueError, TypeError, LookupError, AttributeError):
            raise gr.Error("Expected values of the page's controls.", print_exception=False) from None

    page.preprocess_data = preprocess


def foreign_address(body: bytes, host: str) -> str | None:
    """Return the first address of a file in a call that is not a file of this server, or None.

    Args:
        body: The body of the request; anything but JSON has no addresses.
        host: This server's name and port, as the browser knows them.
    """
    try:
        called = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for key, text in _places(called):
        if key == "path" and ("://" in text or text.startswith(("//", "data:"))):
            return text
        if key == "url" and not _own(text, host):
            return text
    return None


def _own(address: str, host: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.netloc in ("", host) and parts.scheme in ("", "http", "https") and _OWN_FILES in parts.path


def _places(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the paths and addresses in a call, without recursion, which deep input would exhaust."""
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, list):
            rest.extend(one)
        elif isinstance(one, dict):
            rest.extend(one.values())
            yield from ((key, one[key]) for key in ("path", "url") if isinstance(one.get(key), str))


async def _refuse(send: Any, code: int, why: str) -> None:
    content = json.dumps({"detail": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": content})

"""Start the page on 127.0.0.1, without a request to anywhere else."""

import argparse
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from app.settings import MAX_UPLOAD, Settings
from recognition.errors import InputError

#: Holds the password that `--share` asks for; a command line would show it to every user of the machine.
PASSWORD = "ARCINVERT_APP_PASSWORD"  # noqa: S105  (a name)
USER = "arcinvert"
ADDRESS = "127.0.0.1"
#: What a page may load: itself, and what it holds. Gradio's page needs inline and evaluated scripts.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Headers:
    """Adds the policy to each answer: whatever a library tries, the browser asks nobody else."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


def check_share(share: bool, password: str) -> None:
    """Refuse a public address without a password.

    Raises:
        InputError: there is none.
    """
    if share and not password:
        raise InputError(f"share: expected a password in the variable {PASSWORD}, found none; set one")


def check_port(port: int) -> None:
    """See that the port is free.

    Raises:
        InputError: it is out of range, taken, or not for this user.
    """
    if not 1 <= port <= 65535:
        raise InputError(f"port: expected 1 to 65535, got {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise InputError(
                f"port: {port} cannot be had ({error.strerror}); choose another --port"
            ) from None


def private_folder() -> Path:
    """A new folder for uploads on their way in, this user's alone; in memory where there is a place."""
    memory = Path("/dev/shm")  # noqa: S108  (the folder in it is private and its name is new)
    in_memory = memory.is_dir() and os.access(memory, os.W_OK)
    return Path(tempfile.mkdtemp(prefix="arcinvert-app-", dir=memory if in_memory else None))


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C, or until the machine ends it by SIGTERM.

    Raises:
        InputError: an option is out of range, or the port is taken.
    """
    settings = Settings(options.models, options.device, options.time_limit, options.queue)
    password = os.environ.get(PASSWORD, "")
    check_share(options.share, password)
    check_port(options.port)
    folder = private_folder()
    # Read when Gradio is imported: no telemetry, and uploads in our own folder.
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    # As Ctrl-C does: what the page holds is wiped by the lines after it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return _serve(settings, options, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(settings: Settings, options: argparse.Namespace, password: str) -> int:
    from recognition.runtime import choose_device, keep_freed_memory
    from recognition.terminal import quiet_warnings

    choose_device(settings.device)
    keep_freed_memory()
    quiet_warnings()
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from app.page import build_page, look

    page = build_page(settings)
    middleware = [Middleware(Headers)]
    if not options.share:
        # A stranger's page whose name points here is no visitor.
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=[ADDRESS, "localhost"]))
    _, address, public = page.launch(
        **look(),
        server_name=ADDRESS,
        server_port=options.port,
        share=options.share,
        auth=(USER, password) if password else None,
        inbrowser=options.open,
        max_file_size=MAX_UPLOAD,
        app_kwargs={"middleware": middleware},
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
    )
    print(f"arcinvert app: {address}" + (f" and {public}" if options.share else ""), flush=True)
    print("Ctrl-C ends it.", flush=True)
    page.block_thread()
    return 0

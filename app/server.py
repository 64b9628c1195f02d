"""Serve the page on 127.0.0.1, without requests to any other machine."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from recognition.errors import InputError

from .settings import MAX_UPLOAD, Settings
from .visitors import Application, Message, Visitors, WatchStreams, start_sweeping

#: The environment variable with the password of a shared page. Other users of the machine can see options.
PASSWORD = "ARCINVERT_APP_PASSWORD"  # noqa: S105  (the name of a variable)
USER = "arcinvert"
ADDRESS = "127.0.0.1"
#: Largest upload that is received, bytes. One that is larger than `MAX_UPLOAD` is then refused with a message
#: in its place; Gradio's own message would leave an earlier one beside it.
MAX_RECEIVED = 3 * MAX_UPLOAD
#: Threads for handlers.
THREADS = 40
#: What the page can load: itself, and what it contains. Gradio needs inline and evaluated scripts.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class Headers:
    """Adds the policy to each response, so that the browser sends no request to other servers."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
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
        InputError: If there is none.
    """
    if share and not password:
        raise InputError(f"share: expected a password in the variable {PASSWORD}, found none; set one")


def check_port(port: int) -> None:
    """Check that the port is free.

    Raises:
        InputError: If it is taken, or not allowed for this user.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise InputError(
                f"port: expected a free one, got {port} ({error.strerror}); choose another --port"
            ) from None


def private_folder() -> Path:
    """Return a new folder for uploads, which only this user can read; in memory if the system offers that."""
    memory = Path("/dev/shm")  # noqa: S108  (the new folder is private)
    in_memory = memory.is_dir() and os.access(memory, os.W_OK)
    return Path(tempfile.mkdtemp(prefix=f"arcinvert-app-{os.getpid()}-", dir=memory if in_memory else None))


def serve(settings: Settings) -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit code.

    Raises:
        InputError: If the port is taken, or a shared page has no password.
    """
    password = os.environ.get(PASSWORD, "")
    check_share(settings.share, password)
    check_port(settings.port)
    folder = private_folder()
    # Gradio reads these when it is imported: no telemetry, and uploads in this folder.
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    # As with Ctrl-C, the uploads are deleted below.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return _launch(settings, password, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _launch(settings: Settings, password: str, folder: Path) -> int:
    from recognition.runtime import choose_device, keep_freed_memory
    from recognition.terminal import quiet_warnings

    choose_device(settings.device)
    keep_freed_memory()
    quiet_warnings()
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from recognition.loading import BUNDLED

    from .context import Context, attempt
    from .guard import KeepFiles, RefuseAddresses
    from .page import build_page, look

    visitors = Visitors()
    context = Context(settings, visitors, folder)
    page = build_page(context)
    middleware = [Middleware(Headers)]
    if not settings.share:
        # Refuses pages of others whose host name was pointed to this machine.
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=[ADDRESS, "localhost"]))
    middleware += [
        Middleware(KeepFiles),
        Middleware(RefuseAddresses),
        Middleware(WatchStreams, visitors=visitors),
    ]
    _, address, public = page.launch(
        **look(),
        server_name=ADDRESS,
        server_port=settings.port,
        share=settings.share,
        auth=(USER, password) if password else None,
        inbrowser=settings.open,
        max_file_size=MAX_RECEIVED,
        # Each job in the queue keeps a thread waiting; these are besides.
        max_threads=THREADS + settings.queue,
        app_kwargs={"middleware": middleware},
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
    )
    print(f"arcinvert app: {address}" + (f" and {public}" if settings.share else ""), flush=True)
    print("Ctrl-C ends it.", flush=True)
    end_sweeping = start_sweeping(page.state_holder, visitors)
    # While the first visitor's browser reads the page: the second one would wait for it.
    loading = threading.Thread(target=attempt, args=(lambda: context.attacker(BUNDLED),), name="load")
    loading.start()
    try:
        page.block_thread()
    finally:
        end_sweeping()
        # Python must not end while a thread computes.
        context.jobs.close()
        loading.join()
        page.close(verbose=False)
    return 0

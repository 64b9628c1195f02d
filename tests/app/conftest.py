"""Fixtures of the page: a server in a process of its own, and a real browser."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from arcinvert import Attacker
from tests.arcinvert.audit.conftest import people

pytest.importorskip("gradio", reason="needs the extra 'app'")

__all__ = ["people"]

Result = TypeVar("Result")

#: Seconds that a loaded machine may take for whatever a test waits for.
PATIENCE = 120


@dataclass(frozen=True)
class Server:
    """A running page: its address, its folder of networks, its folder for uploads."""

    address: str
    models: Path
    uploads: Path

    def tracebacks(self) -> int:
        """Return how many tracebacks the server has printed."""
        return (self.models.parent / "server.log").read_text().count("Traceback")


@pytest.fixture(scope="session")
def tiny_attacker(tiny_model: Path) -> Attacker:
    """The tiny network, loaded for attacks."""
    return Attacker(tiny_model, device="cpu")


@pytest.fixture(scope="session")
def server(tiny_model: Path, people: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running `python -m app` with the tiny network, and people who can be audited."""
    models = tmp_path_factory.mktemp("models")
    shutil.copy(tiny_model, models / "tiny.safetensors")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app", "--port", str(port), "--models", str(models), "--queue", "3"]
    command += ["--images", str(people)]
    log = (models.parent / "server.log").open("w+")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    address = f"http://127.0.0.1:{port}/"
    try:
        end = time.monotonic() + PATIENCE
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > end:
                log.seek(0)
                pytest.fail(f"the server did not start: {log.read()}")
            time.sleep(0.2)
        (uploads,) = upload_folders(process.pid)
        yield Server(address, models, uploads)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        log.close()


def upload_folders(process: int) -> list[Path]:
    """Return the folders for uploads of a server, by the number of its process."""
    roots = {Path("/dev/shm"), Path(tempfile.gettempdir())}  # noqa: S108  (only read)
    return [folder for root in roots if root.is_dir() for folder in root.glob(f"arcinvert-app-{process}-*")]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310  (our own server)
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def run_apart(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of a coroutine, in a thread of its own: Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium, if this machine has one."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra 'dev'")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs a Chromium: apt-get install chromium")
    api.expect.set_options(timeout=PATIENCE * 1000)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            # Chromium's own sandbox does not work for root in a container.
            args=["--no-sandbox"],
        )
        yield browser
        browser.close()


class Visitor:
    """A browser window on the page, which records its requests and errors.

    Args:
        profile: A browser's context, whose cache of files the windows in it share.
        server: The running page.
        query: The query of the address.
        script: JavaScript that runs before the page's own.
    """

    def __init__(self, profile: Any, server: Server, query: str = "", script: str = "") -> None:
        self.page = profile.new_page()
        if script:
            self.page.add_init_script(script)
        self.page.set_default_timeout(PATIENCE * 1000)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(server.address + query)
        self.see(".ai-header")

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def button(self, name: str) -> Any:
        return self.page.locator("button:visible", has_text=name)

    def advanced(self) -> None:
        """Open the options of the tab that few visitors need."""
        self.page.locator(".ai-advanced button:visible", has_text="Advanced").click()

    def set_number(self, label: str, value: int) -> None:
        field = self.page.locator(f"input[type=number][aria-label*='{label}']:visible")
        # A field that has just appeared may be set to its first value once more.
        for _ in range(5):
            field.fill(str(value))
            field.press("Tab")
            self.page.wait_for_timeout(200)
            if field.input_value() == str(value):
                return
        raise AssertionError(f"{label}: expected {value}, got {field.input_value()}")

    def expect(self, target: Any) -> Any:
        """Return assertions on a selector or a locator, each of which waits until it holds."""
        from playwright.sync_api import expect

        return expect(self.page.locator(target) if isinstance(target, str) else target)

    def expect_faces(self, *names: str) -> None:
        """Wait until the result has these faces: the last line of a caption is its name and figures."""
        captions = [re.compile(rf"{name}(:[^\n]*)?$") for name in names]
        faces = self.page.locator("[data-result] .ai-faces figcaption")
        self.expect(faces).to_have_text(captions, use_inner_text=True)

    def see(self, selector: str) -> Any:
        """Wait for a visible element, and return the first."""
        found = self.page.locator(f"{selector}:visible").first
        found.wait_for()
        return found

    def close(self) -> None:
        self.page.close()


@pytest.fixture(scope="session")
def profile(chromium: Any) -> Iterator[Any]:
    """A browser's context: its windows have one cache, so that the page's scripts are compiled once."""
    context = chromium.new_context()
    yield context
    context.close()


@pytest.fixture
def visitor(profile: Any, server: Server) -> Iterator[Visitor]:
    someone = Visitor(profile, server)
    yield someone
    others = [url for url in someone.requests if not url.startswith((server.address, "data:", "blob:"))]
    someone.close()
    assert others == []
    assert someone.errors == []

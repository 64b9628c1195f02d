"""How the page's server bears visitors who come often, who leave early, and who send nonsense.

python -m benchmarks.app_load

It speaks to the server as browsers do, without a browser. It needs the extra app.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

#: Seconds after which the benchmark fails.
PATIENCE = 900
#: What cannot be a number of samples, of steps or a seed.
WRONG_NUMBERS: tuple[Any, ...] = (None, "many", -1, 0, 0.5, 1e9, [])


class Server:
    """A server in a process of its own, with its log.

    Args:
        port: Its port.
        log: The file of its log.
    """

    def __init__(self, port: int, log: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._log = log
        with log.open("w") as opened:
            command = [sys.executable, "-m", "app", "--port", str(port), "--time-limit", str(PATIENCE)]
            self.process = subprocess.Popen(command, stdout=opened, stderr=subprocess.STDOUT)
        end = time.monotonic() + PATIENCE
        while "Ctrl-C" not in self.log():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the server did not start: {self.log()}")
            time.sleep(0.2)
        (self.uploads,) = upload_folders(self.process.pid)

    def log(self) -> str:
        """Return what the server has printed."""
        return self._log.read_text()

    def megabytes(self) -> float:
        """Return the memory that the server holds, MB; on Linux alone."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise SystemExit("no VmRSS")

    def files(self) -> list[str]:
        """Return the files in the folder for uploads."""
        return [path.name for path in self.uploads.rglob("*") if path.is_file()]


class Visitor:
    """What the script of a page does: it calls handlers, and listens to their results.

    Args:
        address: The server's address.
        config: The page, from `page_config`.
    """

    def __init__(self, address: str, config: dict[str, Any]) -> None:
        self._address, self._config = address, config
        self.session = uuid.uuid4().hex[:11]

    def call(self, elem_id: str, event: str, **given: Any) -> None:
        """Call the handler of an element's event.

        Args:
            elem_id: The element.
            event: The event.
            given: Values of inputs by their label or identifier; the others keep their first value.
        """
        components = {one["id"]: one for one in self._config["components"]}
        handler, target = next(
            (one, cid)
            for one in self._config["dependencies"]
            for cid, name in one["targets"]
            if name == event and components.get(cid, {}).get("props", {}).get("elem_id") == elem_id
        )
        data = []
        for cid in handler["inputs"]:
            props = components[cid]["props"]
            names = (props.get("label"), props.get("elem_id"))
            data.append(next((given[name] for name in names if name in given), props.get("value")))
        body = {"data": data, "fn_index": handler["id"], "session_hash": self.session, "trigger_id": target}
        self._post("/gradio_api/queue/join", json.dumps(body).encode(), "application/json")

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Upload a file, and return it as a handler takes it."""
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        (path,) = json.loads(
            self._post("/gradio_api/upload", body, f"multipart/form-data; boundary={edge}").decode()
        )
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def preview(self, file: dict[str, Any]) -> None:
        """Ask for an uploaded file, which the server need not have."""
        try:
            with request(f"{self._address}/gradio_api/file={file['path']}") as answer:
                answer.read()
        except urllib.error.HTTPError as refused:
            refused.close()

    def listen(self) -> Generator[str]:
        """Yield the messages of the handlers that were called, until the last one has ended."""
        address = f"{self._address}/gradio_api/queue/data?session_hash={self.session}"
        with request(address) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    yield line.decode()
                    if b'"close_stream"' in line:
                        return

    def finish(self) -> str:
        """Listen until the handlers have ended, and return all their messages."""
        return "".join(self.listen())

    def _post(self, path: str, body: bytes, kind: str) -> bytes:
        with request(self._address + path, body, {"Content-Type": kind}) as answer:
            return bytes(answer.read())


def request(address: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    """Return the server's answer, to be read as a stream."""
    sent = urllib.request.Request(address, body, headers or {})  # noqa: S310  (our own server)
    return urllib.request.urlopen(sent, timeout=PATIENCE)  # noqa: S310


def expect(condition: bool, words: str) -> None:
    """End the benchmark with a message unless something holds."""
    if not condition:
        raise SystemExit(f"expected {words}")


def upload_folders(process: int) -> list[Path]:
    """Return the folders for uploads of a server, by the number of its process."""
    roots = {Path("/dev/shm"), Path(tempfile.gettempdir())}  # noqa: S108  (only read)
    return [folder for root in roots if root.is_dir() for folder in root.glob(f"arcinvert-app-{process}-*")]


def page_config(address: str) -> dict[str, Any]:
    """Return the components and handlers of the page."""
    with request(f"{address}/config") as answer:
        return dict(json.loads(answer.read()))


def wait_in_queue(server: Server, config: dict[str, Any]) -> float:
    """Return the seconds until a second visitor reads his place, while the first one's attack runs."""
    first, second = Visitor(server.address, config), Visitor(server.address, config)
    first.call("start-identity", "click", Samples=1, Steps=500)
    messages = first.listen()
    while "of 500" not in next(messages):
        pass
    begin = time.monotonic()
    second.call("start-identity", "click", Samples=1, Steps=1)
    waiting = second.listen()
    place = next(message for message in waiting if "before you" in message)
    waited = time.monotonic() - begin
    expect("1 visitor before you" in place, "one visitor before the second")
    # Both leave.
    waiting.close()
    messages.close()
    return waited


def attack(server: Server, config: dict[str, Any], count: int) -> None:
    """Run attacks of one sample and two steps, each of another visitor, to their ends."""
    for _ in range(count):
        visitor = Visitor(server.address, config)
        visitor.call("start-identity", "click", Samples=1, Steps=2)
        expect("Done" in visitor.finish(), "a finished attack")


def abandon(server: Server, config: dict[str, Any], count: int) -> float:
    """Start attacks that nobody listens to, and return the seconds until another visitor's is finished."""
    for _ in range(count):
        Visitor(server.address, config).call("start-identity", "click", Samples=1, Steps=500)
    begin = time.monotonic()
    attack(server, config, 1)
    return time.monotonic() - begin


def bad_uploads(server: Server, config: dict[str, Any], count: int) -> None:
    """Upload files that are no photographs, and call the handler with most of them."""
    visitor = Visitor(server.address, config)
    for number in range(count):
        file = visitor.upload(f"bad{number}.png", os.urandom(1000))
        if number % 4 == 0:
            # This one is never used.
            continue
        visitor.call("photograph", "input", photograph=file)
        # As the browser does, which shows what was chosen.
        visitor.preview(file)
        expect("not a photograph" in visitor.finish(), "a message about the file")
        if number % 4 == 1:
            # The file has gone by now.
            visitor.call("photograph", "input", photograph=file)
            visitor.finish()
    for value in ({"path": str(server.uploads.parent / "a.png")}, "a.png", 7):
        visitor.call("photograph", "input", photograph=value)
        expect("Expected values" in visitor.finish(), f"that {value} is refused as a file")
    try:
        address = {"path": "http://127.0.0.1:9/a.png", "meta": {"_type": "gradio.FileData"}}
        visitor.call("photograph", "input", photograph=address)
    except urllib.error.HTTPError as refused:
        code = refused.code
        refused.close()
    else:
        code = 200
    expect(code == 400, f"that an address is refused as a file, got the code {code}")


def wrong_numbers(server: Server, config: dict[str, Any]) -> None:
    """Give each number of an attack each value that it cannot have."""
    for label in ("Samples", "Steps", "Seed"):
        for value in WRONG_NUMBERS:
            if (label, value) != ("Seed", 0) and (label, value) != ("Seed", 1e9):
                visitor = Visitor(server.address, config)
                visitor.call("start-identity", "click", **{"Samples": 1, "Steps": 1, label: value})
                visitor.finish()


def end(server: Server, config: dict[str, Any]) -> tuple[float, int]:
    """End the server while an attack runs; return the seconds that it takes, and its exit code."""
    visitor = Visitor(server.address, config)
    visitor.call("start-identity", "click", Samples=1, Steps=500)
    messages = visitor.listen()
    while "of 500" not in next(messages):
        pass
    begin = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    code = server.process.wait(PATIENCE)
    return time.monotonic() - begin, code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7862)
    parser.add_argument("--jobs", type=int, default=50, help="attacks that run to their end")
    parser.add_argument("--abandoned", type=int, default=20, help="attacks that nobody listens to")
    parser.add_argument("--uploads", type=int, default=100, help="files that are no photographs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.port, Path(folder) / "log")
        try:
            measure(server, options)
        finally:
            if server.process.poll() is None:
                server.process.kill()
        print(f"Tracebacks in the log: {server.log().count('Traceback')}.")
        print(f"Folder for uploads after the end: {'there' if server.uploads.exists() else 'deleted'}.")


def measure(server: Server, options: argparse.Namespace) -> None:
    """Print what the server bears."""
    config = page_config(server.address)
    print(f"Memory at the start: {server.megabytes():.0f} MB.")
    few = min(5, options.jobs)
    attack(server, config, few)
    print(f"Memory after {few} attacks: {server.megabytes():.0f} MB.", flush=True)
    attack(server, config, options.jobs - few)
    print(f"Memory after {options.jobs} attacks: {server.megabytes():.0f} MB.", flush=True)
    print(f"A second visitor reads his place after {wait_in_queue(server, config):.2f} s.")
    seconds = abandon(server, config, options.abandoned)
    print(f"After {options.abandoned} attacks that nobody listens to, a visitor's takes {seconds:.1f} s.")
    bad_uploads(server, config, options.uploads)
    wrong_numbers(server, config)
    begin = time.monotonic()
    while server.files() and time.monotonic() < begin + 60:
        time.sleep(1)
    later = time.monotonic() - begin
    print(
        f"Files left of {options.uploads} bad uploads: {len(server.files())}, {later:.0f} s after the last."
    )
    print(f"Memory after all of it: {server.megabytes():.0f} MB.")
    took, code = end(server, config)
    print(f"SIGTERM during an attack: ended after {took:.1f} s with code {code}.")


if __name__ == "__main__":
    main()

"""A small verification server on this machine, to try attacks on an HTTP endpoint; see `http_client`.

    python -m arcinvert.access.reference_server --model MODEL --access scores --enrol FOLDER --port 8008

It answers on the loopback address only. A rate limit refuses requests with status 429 and says when to come
back; failures of a given share are answered with status 503.
"""

import argparse
import base64
import contextlib
import http.server
import json
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from arcinvert.access.black_box import Answer, Ask, comparing_ask, embedding_function, function_ask
from arcinvert.access.http_client import KEYS
from recognition.data.faces import at_size, read_face
from recognition.errors import InputError
from recognition.images import decode_image, list_images
from recognition.loading import load

#: Largest request in bytes: a PNG file of a megapixel in base64.
_MAX_REQUEST = 8 << 20


class ReferenceServer(http.server.ThreadingHTTPServer):
    """A server of one black box.

    Args:
        ask: What answers; its counting is not used.
        answer: What the answers are.
        port: The port; 0 takes a free one.
        rate: The most requests of one second; None sets no limit.
        failures: The share of requests that fail, from 0 to 1.
        seed: Decides which fail.

    Example:
        >>> with ReferenceServer(ask, "embeddings") as server:
        ...     box = http_ask(server.url, "embeddings")
    """

    daemon_threads = True

    def __init__(
        self,
        ask: Ask,
        answer: Answer,
        *,
        port: int = 0,
        rate: float | None = None,
        failures: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._ask, self._answer, self._rate, self._failures = ask, answer, rate, failures
        self._random, self._guard = random.Random(seed), threading.Lock()  # noqa: S311
        self._next = 0.0
        #: Requests received, refused and failed ones included.
        self.requests = 0

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def __enter__(self) -> "ReferenceServer":
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def respond(self, body: bytes) -> tuple[int, dict[str, Any], float | None]:
        """Return the status, the JSON, and the seconds to wait before the next attempt, if any."""
        with self._guard:
            self.requests += 1
            now = time.monotonic()
            if self._rate is not None and now < self._next:
                return 429, {"error": "too many requests"}, self._next - now
            if self._rate is not None:
                self._next = now + 1 / self._rate
            if self._random.random() < self._failures:
                return 503, {"error": "busy"}, None
            try:
                content = json.loads(body)
                image = decode_image(base64.b64decode(content["image"], validate=True), name="image")
                answers = self._ask(image[None], str(content.get("person", "")), lambda *_, **__: None)
            except (InputError, ValueError, KeyError, TypeError) as error:
                return 400, {"error": str(error)}, None
        (value,) = np.asarray(answers).tolist()
        return 200, {KEYS[self._answer]: bool(value) if self._answer == "decisions" else value}, None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ReferenceServer

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= _MAX_REQUEST:
            status, content, wait = 413, {"error": "expected an image"}, None
        else:
            status, content, wait = self.server.respond(self.rfile.read(length))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if wait is not None:
            self.send_header("Retry-After", f"{wait:.3f}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: images of people are sent here."""


def enrolled(folder: Path, embed: Callable[[Any], Any], size: int) -> dict[str, Any]:
    """Return the template of each person of a folder of folders, of the first photograph with a face.

    Raises:
        InputError: If nobody is there.
    """
    people = {path.name: list_images(path) for path in sorted(folder.iterdir()) if path.is_dir()}
    found = {}
    for name, paths in people.items():
        for path in paths:
            with contextlib.suppress(InputError):
                found[name] = embed(at_size(read_face(path), size)[None])[0]
                break
    if not found:
        raise InputError(f"{folder}: expected a folder of photographs for each person, found none")
    return found


def main() -> None:
    """Parse the command line and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="the network that answers")
    parser.add_argument("--access", choices=get_args(Answer), default="embeddings", help="what it answers")
    parser.add_argument("--enrol", type=Path, help="enrolled people: one folder of photographs each")
    parser.add_argument("--threshold", type=float, default=0.3, help="the least accepted similarity")
    parser.add_argument("--decimals", type=int, help="the decimals of scores")
    parser.add_argument("--port", type=int, default=8008, help="the port on the loopback address")
    parser.add_argument("--rate", type=float, help="the most requests in a second")
    parser.add_argument("--failures", type=float, default=0.0, help="the share of requests that fail")
    given = parser.parse_args()
    recogniser = load(given.model)
    embed = embedding_function(recogniser)
    if given.access == "embeddings":
        ask = function_ask(embed, "embeddings")
    elif given.enrol is None:
        parser.error("expected --enrol with scores and decisions")
    else:
        ask = comparing_ask(
            embed,
            enrolled(given.enrol, embed, recogniser.input_size),
            threshold=given.threshold if given.access == "decisions" else None,
            decimals=given.decimals,
        )
    with ReferenceServer(
        ask, given.access, port=given.port, rate=given.rate, failures=given.failures
    ) as server:
        print(f"Answers {given.access} at {server.url}; end it with Ctrl-C", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()

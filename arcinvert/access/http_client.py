"""A black box behind HTTP: one image in a JSON object each, with retries that count.

The request is `{"image": BASE64_PNG, "person": NAME}`, by POST; `person` is left out where embeddings are
asked for. The answer is `{"embedding": [...]}`, `{"score": X}` or `{"match": true}`.
"""

import base64
import http.client
import io
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from PIL import Image

from arcinvert.access.black_box import Answer, Ask, Charge, Images
from arcinvert.access.meter import BudgetSpentError
from recognition.errors import InputError, one_line

#: How often one image is sent at most, and the seconds before a second attempt, which double each time.
ATTEMPTS, FIRST_WAIT = 6, 0.25
#: The longest that a server may make a client wait, and that one attempt may take, in seconds.
LONGEST_WAIT, TIMEOUT = 60.0, 30.0
#: Largest answer in bytes: an embedding of 16,384 numbers as text.
_MAX_ANSWER = 1 << 20
#: What each kind of answer is called in the JSON.
KEYS: dict[Answer, str] = {"embeddings": "embedding", "scores": "score", "decisions": "match"}
#: Answers after which the same request may succeed: too many requests, and failures of the server.
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


def http_ask(url: str, answer: Answer, *, wait: Callable[[float], None] = time.sleep) -> Ask:
    """Return what asks an HTTP endpoint, image by image.

    An attempt that fails, or is refused by a rate limit, is repeated after the time that the server asks for
    (`Retry-After`), or else after a growing one. Every attempt counts as an image shown.

    Args:
        url: The endpoint, http or https.
        answer: What it answers.
        wait: Waits for so many seconds.

    Raises:
        InputError: If it is no such address.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        # Reading a port that there cannot be raises.
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if not url.startswith(("http://", "https://")) or not host or not url.isascii():
        raise InputError(f"black box: expected an address such as https://host/path, got {url!r}")

    def ask(images: Images, person: str, charge: Charge) -> Any:
        answers: list[Any] = []
        for image in images:
            try:
                answers.append(_answer(url, image, person, answer, charge, wait))
            except BudgetSpentError as error:
                # They were paid for.
                error.answers = answers
                raise
        return answers

    return ask


def shown_address(url: str) -> str:
    """Return an address for messages and results: without user, password and query, which may be secrets."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def png_base64(image: Images) -> str:
    """Return an image, uint8 (h, w, 3), as a PNG file in base64."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _answer(
    url: str, image: Images, person: str, answer: Answer, charge: Charge, wait: Callable[[float], None]
) -> Any:
    content: dict[str, Any] = {"image": png_base64(image)}
    if answer != "embeddings":
        content["person"] = person
    body = json.dumps(content).encode()
    pause, reason = FIRST_WAIT, ""
    for attempt in range(ATTEMPTS):
        charge(1, again=attempt > 0)
        asked: float | None = None
        try:
            return _value(_post(url, body), answer, url)
        except urllib.error.HTTPError as error:
            reason = f"status {error.code}"
            asked = _seconds(error.headers.get("Retry-After"))
            error.close()
            if error.code not in _TRY_AGAIN:
                raise InputError(
                    f"{shown_address(url)}: expected an answer, got {reason}; check the address"
                ) from None
        except (http.client.HTTPException, OSError) as error:
            reason = one_line(error)
        if attempt + 1 < ATTEMPTS:
            wait(min(pause if asked is None else asked, LONGEST_WAIT))
            pause *= 2
    raise InputError(
        f"{shown_address(url)}: expected an answer in {ATTEMPTS} attempts, got none ({reason}); try later"
    )


def _post(url: str, body: bytes) -> bytes:
    # The scheme was checked: no file of this machine is opened.
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        return bytes(response.read(_MAX_ANSWER + 1))


def _value(data: bytes, answer: Answer, url: str) -> Any:
    key = KEYS[answer]
    try:
        if len(data) > _MAX_ANSWER:
            raise ValueError
        value = json.loads(data)[key]
        return [float(number) for number in value] if isinstance(value, list) else float(value)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise InputError(
            f"{shown_address(url)}: expected JSON with {key!r}, got something else; check --access"
        ) from None


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None where it has none, or has a date."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None

"""A black box behind HTTP, against the reference server on the loopback address."""

from typing import Any

import numpy as np
import pytest

from arcinvert.access.black_box import Answer, BlackBox, comparing_ask, function_ask
from arcinvert.access.http_client import ATTEMPTS, http_ask, shown_address
from arcinvert.access.meter import BudgetSpentError, QueryMeter
from arcinvert.access.reference_server import ReferenceServer
from recognition.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def embeddings(images: Any) -> Any:
    """Return the mean colour and 1, of unit norm: what arrives must be the very image."""
    rows = np.concatenate([images.reshape(len(images), -1, 3).mean(1) / 255, np.ones((len(images), 1))], 1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def box_of(server: ReferenceServer, answer: Answer, meter: QueryMeter) -> BlackBox:
    """Return the black box of a server, whose waits are kept in `waits`."""
    return BlackBox(http_ask(server.url, answer, wait=lambda seconds: None), answer, meter, name="server")


def test_images_arrive_unchanged_and_are_counted() -> None:
    with ReferenceServer(function_ask(embeddings, "embeddings"), "embeddings") as server:
        meter = QueryMeter(10)
        found = box_of(server, "embeddings", meter).query(IMAGES, "test")
        np.testing.assert_allclose(found, embeddings(IMAGES), atol=1e-12)
        assert meter.count == server.requests == len(IMAGES)
        assert meter.retries == 0


@pytest.mark.parametrize("answer", ["scores", "decisions"])
def test_the_person_is_named(answer: Answer) -> None:
    templates = {"ann": np.array([0.0, 0.0, 0.0, 1.0])}
    threshold = 0.75 if answer == "decisions" else None
    with ReferenceServer(comparing_ask(embeddings, templates, threshold=threshold), answer) as server:
        box = box_of(server, answer, QueryMeter())
        found = box.query(IMAGES, "test", person="ann")
        scores = embeddings(IMAGES)[:, 3]
        expected = scores if threshold is None else (scores >= threshold).astype(float)
        np.testing.assert_allclose(found, expected)
        with pytest.raises(InputError, match="status 400"):
            box.query(IMAGES[:1], "test", person="bob")


def test_failed_attempts_are_repeated_and_counted() -> None:
    ask = function_ask(embeddings, "embeddings")
    with ReferenceServer(ask, "embeddings", failures=0.4, seed=1) as server:
        meter = QueryMeter()
        found = box_of(server, "embeddings", meter).query(IMAGES, "test")
        np.testing.assert_allclose(found, embeddings(IMAGES), atol=1e-12)
        assert meter.retries > 0
        assert meter.count == server.requests == len(IMAGES) + meter.retries


def test_a_rate_limit_is_waited_for_as_long_as_the_server_asks() -> None:
    waits: list[float] = []
    with ReferenceServer(function_ask(embeddings, "embeddings"), "embeddings", rate=0.001) as server:
        ask = http_ask(server.url, "embeddings", wait=waits.append)
        meter = QueryMeter()
        box = BlackBox(ask, "embeddings", meter, name="server")
        box.query(IMAGES[:1], "test")
        with pytest.raises(InputError, match=f"in {ATTEMPTS} attempts, got none \\(status 429\\)"):
            box.query(IMAGES[1:2], "test")
    # A thousand seconds is more than anybody waits for.
    assert waits == [60.0] * (ATTEMPTS - 1)
    assert (meter.count, meter.retries) == (1 + ATTEMPTS, ATTEMPTS - 1)


def test_retries_do_not_exceed_the_budget() -> None:
    with ReferenceServer(function_ask(embeddings, "embeddings"), "embeddings", failures=1.0) as server:
        meter = QueryMeter(3)
        with pytest.raises(BudgetSpentError):
            box_of(server, "embeddings", meter).query(IMAGES, "test")
        assert meter.count == server.requests == 3


def test_answers_before_the_budget_ended_are_kept() -> None:
    ask = function_ask(embeddings, "embeddings")
    with ReferenceServer(ask, "embeddings", failures=0.4, seed=1) as server:
        with pytest.raises(BudgetSpentError) as spent:
            box_of(server, "embeddings", QueryMeter(5)).query(IMAGES, "test")
        kept = len(spent.value.answers)
        assert 0 < kept < 5
        np.testing.assert_allclose(spent.value.answers, embeddings(IMAGES[:kept]), atol=1e-12)


def test_an_address_without_a_server_is_reported() -> None:
    with ReferenceServer(function_ask(embeddings, "embeddings"), "embeddings") as server:
        pass
    with pytest.raises(InputError, match="expected an answer in"):
        box_of(server, "embeddings", QueryMeter()).query(IMAGES[:1], "test")


def test_another_kind_of_answer_is_reported() -> None:
    with (
        ReferenceServer(function_ask(embeddings, "embeddings"), "embeddings") as server,
        pytest.raises(InputError, match="expected JSON with 'score'"),
    ):
        box_of(server, "scores", QueryMeter()).query(IMAGES[:1], "test")


def test_secrets_of_an_address_are_not_shown() -> None:
    shown = shown_address("https://ann:secret@host.example:8443/v1/verify?key=secret#part")
    assert shown == "https://host.example:8443/v1/verify"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host/",
        "host:80",
        "http://[::",
        "http:///path",
        "http://host/v\u00e9rifier",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="black box: expected an address such as"):
        http_ask(url, "scores")

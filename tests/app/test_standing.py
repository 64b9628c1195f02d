"""A result is shown only below the name and the photograph that it is of."""

import base64
import io
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.tabs.photograph import example
from tests.app.caller import Caller
from tests.app.conftest import Server

TINY = "tiny.safetensors"


def attacked(server: Server, person: str) -> Caller:
    """A visitor with a finished attack on an identity of the tiny network."""
    caller = Caller(server)
    caller.do("start-identity", "click", network=TINY, identity=person, Samples=1, Steps=1)
    return caller


def photographed(server: Server) -> Caller:
    """A visitor with a finished attack on the example photograph."""
    caller = Caller(server)
    upload(caller, "collins.jpg", example().data, network=TINY)
    caller.do("start-photograph", "click", Samples=1, Steps=1)
    return caller


def upload(caller: Caller, name: str, content: bytes, **given: Any) -> None:
    caller.do("photograph", "input", photograph=caller.upload(name, content), **given)


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def key_of(caller: Caller) -> str:
    found = re.search('data-result="([^"]+)"', caller.seen())
    assert found is not None
    return found[1]


def test_a_result_has_its_persons_name_and_its_seed(server: Server) -> None:
    seen = attacked(server, "1").seen()
    assert "Bob Baker</h2>" in seen
    assert "seed 0" in seen
    # How often the bundled network has seen a person is known.
    bundled = Caller(server)
    bundled.do("start-identity", "click", Samples=1, Steps=1)
    assert re.search(r"</h2><p[^>]*>Seen in [\d,]+ photographs, ", bundled.seen())


def test_the_film_of_a_quick_attack_has_its_steps(server: Server) -> None:
    caller = Caller(server)
    caller.do("start-identity", "click", network=TINY, identity="1", Samples=1, Steps=30)
    film = re.search('download="film.webp" href="data:image/webp;base64,([^"]+)"', caller.seen())
    assert film is not None
    with Image.open(io.BytesIO(base64.b64decode(film[1]))) as image:
        assert getattr(image, "n_frames", 1) >= 20


def test_a_result_goes_with_its_person_and_comes_back(server: Server) -> None:
    caller = attacked(server, "1")
    for same in ("1: Bob Baker", "bob_baker"):
        caller.do("identity", "change", identity=same)
        assert "data-result" in caller.seen()
        assert "Done: 1 reconstruction" in caller.seen()
    for other in ("2", "nobody here", None):
        caller.do("identity", "change", identity=other)
        assert "data-result" not in caller.seen()
        assert "Done" not in caller.seen()
        assert "reconstructions appear here" in caller.seen()
    caller.do("identity", "input", identity="1: Bob Baker")
    assert "data-result" in caller.seen()
    assert "Done: 1 reconstruction" in caller.seen()


def test_a_result_goes_with_its_network(server: Server) -> None:
    caller = attacked(server, "1")
    caller.do("network", "change", network="lfw-distilled")
    assert "data-result" not in caller.seen()


def test_a_result_goes_with_its_photograph(server: Server, astronaut: NDArray[np.uint8]) -> None:
    caller = photographed(server)
    assert "The face in collins.jpg</h2>" in caller.seen()
    mirrored = np.ascontiguousarray(astronaut[:260, 80:360][:, ::-1])
    upload(caller, "mirrored.png", png(mirrored))
    assert "data-result" not in caller.seen()
    upload(caller, "again.jpg", example().data)
    assert "data-result" in caller.seen()
    upload(caller, "broken.jpg", b"no picture")
    assert "data-result" not in caller.seen()


def test_an_attack_ends_when_another_person_is_chosen(server: Server) -> None:
    """Of somebody in the list, and of one of the people with whom the page opens."""
    for elem_id, event, given in (
        ("identity", "input", {"identity": "2: Cat Charlie"}),
        ("people", "click", {}),
    ):
        caller = Caller(server)
        caller.set(network=TINY, identity="1: Bob Baker", Samples=1, Steps=500)
        messages = caller.begin("start-identity", "click")
        live = next(message for message in messages if "of 500" in message)
        assert "Bob Baker" in live
        caller.set(**given)
        person = {"person": first_person(caller)}
        caller.begin(elem_id, event, event_data=person)
        rest = "".join(messages)
        assert "was ended, because" in rest
        assert "data-result" not in rest


def test_an_event_that_comes_late_ends_nothing(server: Server) -> None:
    """Such as that of the restored page, whose values are older than the attack."""
    caller = Caller(server)
    caller.set(network=TINY, identity="1: Bob Baker", Samples=1, Steps=40)
    messages = caller.begin("start-identity", "click")
    next(message for message in messages if "of 40" in message)
    caller.set(identity="0: Ann Able")
    caller.begin("identity", "change")
    assert "data-result" in "".join(messages)


def test_a_message_of_a_start_stays_when_the_page_is_restored(server: Server) -> None:
    caller = Caller(server)
    caller.do("start-photograph", "click")
    caller.load(f"?network={TINY}")
    assert "There is no photograph yet" in caller.seen()


def first_person(caller: Caller) -> str:
    found = re.search('data-person="([^"]+)"', caller.seen())
    assert found is not None
    return found[1]


def test_a_start_that_fails_leaves_the_result_and_says_why(server: Server) -> None:
    caller = attacked(server, "1")
    for given, message in (
        ({"Seed": -5}, "Seed must be a whole number from 0 up, not -5"),
        ({"Seed": 0, "Steps": 501}, "Steps must be a number from 1 to 500, not 501"),
    ):
        caller.do("start-identity", "click", **given)
        assert message in caller.seen()
        assert "data-result" in caller.seen()


def test_numbers_out_of_range_get_a_message_after_the_page_was_restored(server: Server) -> None:
    """The restored state makes the visitor components of its own."""
    caller = Caller(server)
    caller.load(f"?network={TINY}&seed=7")
    caller.do("start-identity", "click", identity="1", Samples=1, Steps=1)
    for given, message in (
        ({"Seed": -5}, "Seed must be a whole number from 0 up, not -5"),
        ({"Seed": 0, "Samples": 99}, "Samples must be a number from 1 to 8, not 99"),
    ):
        caller.do("start-identity", "click", **given)
        assert message in caller.seen()
    caller.do("yaw-identity", "input", **{"yaw-identity": 99})
    assert "Yaw must be a number from -40 to 40, not 99" in caller.seen()


def test_a_message_goes_with_what_it_was_about(server: Server) -> None:
    caller = Caller(server)
    caller.do("start-photograph", "click")
    assert "There is no photograph yet" in caller.seen()
    assert "reconstructions appear here" in caller.seen()
    upload(caller, "collins.jpg", example().data, network=TINY)
    assert "There is no photograph yet" not in caller.seen()


def test_a_photograph_is_there_again_with_its_result(server: Server) -> None:
    key = key_of(photographed(server))
    later = Caller(server)
    later.load(f"?tab=photograph&network={TINY}", key)
    assert "data-result" in later.seen()
    assert "Your photograph collins.jpg" in later.seen()
    assert "32 numbers" in later.seen()
    later.do("start-photograph", "click", Steps=501)
    assert "data-result" in later.seen()


def test_a_restored_result_of_somebody_else_stays_hidden(server: Server) -> None:
    key = key_of(attacked(server, "1"))
    for person, is_shown in (("1: Bob Baker", True), ("2: Cat Charlie", False)):
        later = Caller(server)
        later.load(f"?tab=identity&network={TINY}&person={person}", key)
        assert ("data-result" in later.seen()) == is_shown

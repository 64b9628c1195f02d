"""What the attacker has of the recogniser: the controls, and an attack by answers alone."""

import json
import re
from typing import Any

import pytest

from app.access import MAX_QUERIES, WEIGHTS, AccessControls, answered, other_networks
from app.tabs.photograph import example
from arcinvert import InputError
from arcinvert.access.options import QUERIES
from tests.app.caller import Caller
from tests.app.conftest import Server

TINY = "tiny.safetensors"
SAMPLES = {"samples": 1}


class Names:
    """The networks of a server, without a server."""

    class settings:  # noqa: N801  (as the context has it)
        @staticmethod
        def model(name: str) -> str:
            return f"models/{name}"


@pytest.fixture
def controls() -> AccessControls:
    found = AccessControls.__new__(AccessControls)
    found._context = Names()  # type: ignore[assignment]
    return found


def test_the_weights_need_no_other_control(controls: AccessControls) -> None:
    assert controls.asked("a", SAMPLES, WEIGHTS, None, None) is None


def test_the_choices_become_options(controls: AccessControls) -> None:
    found = controls.asked("a", SAMPLES, "scores", 60, "b")
    assert found is not None
    assert (found.own, found.options.access, found.options.query_budget) == ("b", "scores", 60)
    assert found.options.surrogate == "models/b"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("anything", 60, "b"), "Choose what the attacker has"),
        (("scores", None, "b"), f"Queries: expected a number from 20 to {MAX_QUERIES}, got nothing"),
        (("scores", 19, "b"), "Queries: expected a number from 20 to"),
        (("scores", MAX_QUERIES + 1, "b"), "Queries: expected a number from 20 to"),
        (("scores", 60.5, "b"), "Queries: expected a whole number"),
        (("scores", 60, "a"), "Choose another network as the attacker's own"),
        (("scores", 60, None), "Choose another network as the attacker's own"),
    ],
)
def test_other_values_are_refused(controls: AccessControls, given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        controls.asked("a", SAMPLES, *given)


def test_the_attackers_own_network_is_another_one() -> None:
    assert other_networks(["a", "b", "c"], "a") == ["b", "c"]


def test_nothing_is_said_of_an_attacker_who_has_the_network() -> None:
    assert answered({"kind": "weights"}) == ""


def photographed(server: Server) -> Caller:
    caller = Caller(server)
    caller.do("photograph", "input", photograph=caller.upload("collins.jpg", example().data))
    return caller


@pytest.mark.parametrize(
    ("access", "answers"), [("embeddings", "with templates"), ("decisions", "with yes or no")]
)
def test_an_attack_by_answers_alone(server: Server, access: str, answers: str) -> None:
    caller = photographed(server)
    assert "Queries" not in visible_labels(caller)
    caller.do("access-photograph", "input", **{"access-photograph": access})
    assert "Queries" in visible_labels(caller)
    assert caller.value("queries-photograph") == QUERIES[access]
    # The attacked network is none that the attacker may have.
    names = [value for _, value in caller.choices("surrogate-photograph")]
    assert TINY in names
    assert "lfw-distilled" not in names
    # The tiny network embeds the attacker's faces in no time.
    wanted = {"queries-photograph": 40, "surrogate-photograph": TINY}
    caller.do("start-photograph", "click", Samples=1, Steps=1, **wanted)
    seen = caller.seen()
    assert "data-result" in seen
    count = re.search(rf"it was shown (\d+) images and answered {answers}", seen)
    assert count is not None
    assert 20 <= int(count[1]) <= 40
    assert "own network, tiny" in seen
    assert server.tracebacks() == 0


def test_the_offered_networks_follow_the_attacked_one(server: Server) -> None:
    caller = photographed(server)
    caller.do("access-photograph", "input", **{"access-photograph": "scores"})
    first = caller.value("surrogate-photograph")
    caller.do("network", "change", network=first)
    names = [value for _, value in caller.choices("surrogate-photograph")]
    assert first not in names
    assert caller.value("surrogate-photograph") in names


def test_too_few_queries_are_a_sentence(server: Server) -> None:
    caller = photographed(server)
    caller.do("access-photograph", "input", **{"access-photograph": "scores"})
    caller.do("start-photograph", "click", Samples=1, Steps=1, **{"queries-photograph": 3})
    assert f"Queries must be a number from 20 to {MAX_QUERIES}, not 3" in caller.seen()
    assert server.tracebacks() == 0


def visible_labels(caller: Caller) -> str:
    shown = [props for cid, props in caller._props.items() if caller._is_visible(cid)]
    return json.dumps([props.get("label") for props in shown])

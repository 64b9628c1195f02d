"""Comparisons and audits are there again when the page is loaded again, and after a start that fails."""

import re

from app.tabs.compare import PHOTOGRAPH
from tests.app.caller import Caller
from tests.app.conftest import Server
from tests.app.test_standing import TINY, key_of


def test_a_comparison_is_there_again(server: Server) -> None:
    caller = Caller(server)
    caller.do("start-compare", "click", network=TINY, identity="1", Passes=2)
    assert caller.seen().count("data-steps") == 4
    # The one before stays where no other can be made.
    for given, message in (
        ({"Passes": 201}, "Passes must be a number from 2 to 200, not 201"),
        ({"Passes": 2, "Who is attacked": PHOTOGRAPH}, "There is no photograph yet"),
    ):
        caller.do("start-compare", "click", **given)
        assert message in caller.seen()
    assert caller.seen().count("data-steps") == 4
    # It says what it is of, whatever is chosen now.
    assert f"Network {TINY}, seed 0" in caller.seen()
    later = Caller(server)
    later.load(f"?tab=compare&network={TINY}", key_of(caller))
    assert later.seen().count("data-steps") == 4
    assert "Attacked network" in later.seen()


def test_an_audit_tells_its_time_can_be_cancelled_and_is_there_again(server: Server) -> None:
    caller = Caller(server)
    caller.do("audit-people", "change", network=TINY, People=2)
    assert re.search(r"2 people: about \d+ s on this machine", caller.seen())
    messages = caller.begin("start-audit", "click")
    assert "The report appears here" in next(message for message in messages if "report" in message)
    next(message for message in messages if "Reading the photographs" in message)
    caller.stop("start-audit")
    rest = "".join(messages)
    assert "Cancelling" in rest
    assert "Cancelled." in rest
    caller.do("start-audit", "click", People=51)
    assert "People must be a number from 2 to 50, not 51" in caller.seen()
    assert "The answer of the example report" in caller.seen()
    caller.do("start-audit", "click", People=2)
    # The made-up people are all alike to the judge: those outside show that its thresholds do not hold.
    answer = "Nobody judged whether the people could be recognised."
    assert answer in caller.seen()
    later = Caller(server)
    later.load("?tab=audit", key_of(caller))
    assert answer in later.seen()
    # Its sections can be read as before.
    titles = [title for title, _ in later.choices("section")]
    assert "Reproducibility" in titles
    later.do("section", "input", section="Reproducibility")
    assert "Reproducibility" in later.value("section")
    # A start that fails says whose report stands below it, and a file that is no report leaves none.
    before = "This is the report from before:"
    assert before not in caller.seen()
    caller.do("start-audit", "click", People=51)
    assert before in caller.seen()
    caller.do("start-audit", "click", People=2)
    assert before not in caller.seen()
    assert "Done. The server keeps the report" in caller.seen()
    caller.do("report", "upload", report=[caller.upload("bad.json", b"{}")])
    assert "bad.json is not the audit.json of a finished audit" in caller.seen()
    assert "Done." not in caller.seen()
    assert answer not in caller.seen()


def test_an_address_with_somebody_unknown_says_so(server: Server) -> None:
    caller = Caller(server)
    caller.load(f"?tab=identity&network={TINY}&person=nobody here&seed=1e9")
    assert caller.value("identity") == "nobody here"
    assert "The network tiny.safetensors does not know nobody here" in caller.seen()
    assert "The seed 1e9 of this address" in caller.seen()
    caller.do("identity", "input", identity="1")
    assert "does not know" not in caller.seen()
    other = Caller(server)
    other.load("?network=gone.onnx")
    assert "The network gone.onnx of this address is not on the server." in other.seen()
    # Nor is somebody of another network replaced in silence.
    other.do("network", "input", network=TINY)
    assert "does not know George W Bush. Ann Able is chosen." in other.seen()
    assert other.value("identity") == "0: Ann Able"
    assert "gone.onnx" not in other.seen()

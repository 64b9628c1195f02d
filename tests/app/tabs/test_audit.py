"""Reports of audits on the page."""

import json

import pytest

from app.tabs.audit import PICTURES, example, read_report
from app.upload import Upload
from arcinvert import InputError


def test_the_example_report() -> None:
    shown = read_report(example())
    report = json.loads(example()[0].data)
    assert next(iter(shown)) == "Answer"
    assert 'class="verdict' in shown["Answer"]
    assert report["threat_model"]["network"] in shown["Answer"]
    assert all(
        html.startswith('<div class="audit-report">') for title, html in shown.items() if title != PICTURES
    )
    everything = "".join(shown.values())
    assert all(entry["pseudonym"] in everything for entry in report["identities"])
    assert shown["Plots"].count("<svg") >= 2


def test_pictures_of_a_report_are_isolated() -> None:
    page = Upload("report.html", b'<img src="data:,"><script>alert("x")</script>')
    shown = read_report([*example(), page])[PICTURES]
    assert 'sandbox=""' in shown
    assert "<script>" not in shown
    assert "contains no pictures" in read_report(example())[PICTURES]


def damaged() -> list[Upload]:
    report = json.loads(example()[0].data)
    without = {key: value for key, value in report.items() if key != "judges"}
    wrong = report | {"identities": [{"pseudonym": "P", "risk": "high", "judges": {}}]}
    return [Upload("audit.json", json.dumps(one).encode()) for one in (without, wrong)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([Upload("a.json", b"{")], "expected the JSON"),
        ([Upload("a.json", b"[" * 100_000)], "expected the JSON"),
        ([Upload("a.json", b"[1]")], "expected the JSON"),
        ([Upload("a.json", b'{"schema": "arcinvert-result-1"}')], "got 'arcinvert-result-1'"),
        ([Upload("report.html", b"")], "expected one audit.json"),
        ([Upload("a.json", b"{}"), Upload("b.json", b"{}")], "expected one audit.json"),
        (damaged()[:1], "damaged: .*judges"),
        (damaged()[1:], "damaged: "),
    ],
)
def test_other_files_are_refused(files: list[Upload], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_report(files)

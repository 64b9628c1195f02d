"""Reports of audits on the page, opened and made."""

import json
import re

import pytest

from app.folder_audit import pdf_of
from app.tabs.audit import PICTURES, example, read_report, show_report
from app.upload import Upload
from app.wording import report_words
from arcinvert import InputError
from arcinvert.audit.policy import decide
from arcinvert.audit.report.pdf import to_pdf
from arcinvert.audit.report.rewording import reworded
from arcinvert.audit.report.sections import audit_blocks


def test_the_example_report() -> None:
    report = read_report(example())
    content = json.loads(example()[0].data)
    assert next(iter(report.sections)) == "Answer"
    assert 'class="verdict' in report.sections["Answer"]
    assert content["threat_model"]["network"] in report.sections["Answer"]
    assert all(
        html.startswith('<div class="audit-report">')
        for title, html in report.sections.items()
        if title != PICTURES
    )
    everything = "".join(report.sections.values())
    assert all(entry["pseudonym"] in everything for entry in content["identities"])
    assert report.sections["Plots"].count("<svg") >= 2
    # What it names is not the server's: no command repeats it here.
    assert "report.pdf" in report.files
    assert "arcinvert audit" not in report.files


def test_a_report_on_the_page_has_no_options_of_the_command_line() -> None:
    result = json.loads(example()[0].data)
    result["answer"] |= decide(None, [])
    report = show_report(result, b"")
    assert "No policy was set." in report.sections["Answer"]
    for title, html in report.sections.items():
        # How to repeat an audit on the command line is a section of its own.
        if title != "Reproducibility":
            assert not re.search(r"(?<![\w(])--[a-z]|pip install", html), title
    blocks = reworded(audit_blocks(result), report_words)
    assert "--max-sar" in str(audit_blocks(result))
    assert not any(option in str(blocks) for option in ("--max-sar", "--judges", "--pictures", "pip install"))
    title = f"report: {result['schema']}"
    assert pdf_of(result) == to_pdf(blocks, title=title, created=result["created"])


def test_pictures_of_a_report_are_isolated() -> None:
    page = Upload("report.html", b'<img src="data:,"><script>alert("x")</script>')
    shown = read_report([*example(), page]).sections[PICTURES]
    assert 'sandbox=""' in shown
    assert "<script>" not in shown
    assert "contains no pictures" in read_report(example()).sections[PICTURES]


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

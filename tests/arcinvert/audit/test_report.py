"""The report's forms: self-contained, readable without seeing, safe, and the same each time."""

import html.parser
import itertools
import re
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from arcinvert.audit.answer import answer_sentences, headline_fmr
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.policy import Policy, decide
from arcinvert.audit.report import read_audit
from arcinvert.audit.report.document import (
    Block,
    Bullets,
    Code,
    Figure,
    Heading,
    Paragraph,
    Picture,
    Pictures,
    Table,
    Title,
    Verdict,
)
from arcinvert.audit.report.html import to_html
from arcinvert.audit.report.markdown import to_markdown
from arcinvert.audit.report.pdf import to_pdf
from arcinvert.audit.report.plots import Label, Line, Mark, Series, chart, dumbbells, share_range
from arcinvert.audit.report.sections import audit_blocks
from arcinvert.audit.report.sections.method import limits
from arcinvert.audit.report.text import time_text
from arcinvert.output.verdicts import one_in
from recognition.errors import InputError
from recognition.metrics.intervals import estimate, estimate_share_difference

#: The audit that comes with the page.
EXAMPLE = Path(__file__).parents[3] / "app" / "data" / "audit.json"
HOSTILE = '<script>alert("x")</script> & | `'
BLOCKS: list[Block] = [
    Title(HOSTILE, "below"),
    Heading("Answer"),
    Paragraph(HOSTILE, strong=True),
    Paragraph("plain"),
    Verdict("fail", HOSTILE),
    Bullets((HOSTILE, "two")),
    Heading("Figures"),
    Table(HOSTILE, ("a", "b"), ((HOSTILE, "1"), ("x", "2"))),
    Figure(
        chart(
            [
                Series(HOSTILE, ((0.001, 0.1), (0.1, 0.9)), ((0.0, 0.2), (0.8, 1.0))),
                Series("dot", ((0.01, 0.5),)),
            ],
            x_label="x",
            y_label="y",
            x=(0.001, 0.1),
            y=(0, 1),
            x_scale="log",
            marks=[Mark("here", 0.01)],
        ),
        HOSTILE,
        "what it shows",
    ),
    Figure(dumbbells([("P1", 0.1, 0.4, 0.8)], x_label="s", names=("low", "mid", "high")), "gap", "words"),
    Pictures("sheet", (Picture("P1", (("made", np.full((112, 112, 3), 90, np.uint8)),)),)),
    Code("a = 1 # ü €"),
]


class Reader(html.parser.HTMLParser):
    """Which tags are open, and every attribute seen."""

    VOID = ("meta", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def test_html_is_well_formed_self_contained_and_says_what_it_shows() -> None:
    text = to_html(BLOCKS)
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert not reader.all("script")
    assert "http" not in text.replace("http-equiv", "")
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in reader.all("img"))
    assert all(image["alt"] for image in reader.all("img"))
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in reader.all("svg"):
        assert attributes["role"] == "img"
        assert set(str(attributes["aria-labelledby"]).split()) <= set(ids)
    assert [link["href"] for link in reader.all("a")] == ["#main", "#answer", "#figures"]
    assert {"#" + str(name) for name in ids} >= {"#main", "#answer", "#figures"}
    assert len(reader.all("table")) == len(reader.all("caption")) == 1
    assert all(cell["scope"] in ("col", "row") for cell in reader.all("th"))
    assert reader.all("html")[0]["lang"] == "en"
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_markdown_escapes_what_would_be_markup() -> None:
    hostile = "[a](http://b) ![c](d) <i> **e** `f` | ~g~ & \\\nnext"
    paragraphs = [Paragraph(words) for words in (hostile, "# no heading", "1. no list")]
    text = to_markdown([Title("t", "b"), *paragraphs])
    paragraph = text.split("\n\n")[2]
    assert "\n" not in paragraph
    for mark in "[]!<>*`|~&":
        assert f"\\{mark}" in paragraph
        assert len(re.findall(rf"(?<!\\){re.escape(mark)}", paragraph)) == 0
    assert text.splitlines()[-3:] == ["\\# no heading", "", "1\\. no list"]
    assert to_markdown([Code("a ``` b\n````")]) == "`````text\na ``` b\n````\n`````\n"


def test_markdown_has_every_row_and_no_markup_of_the_data() -> None:
    text = to_markdown(BLOCKS)
    assert text.startswith("# \\<script\\>")
    assert "| x | 2 |" in text
    assert "what it shows" in text


def test_pdf_is_a_pdf_and_the_same_each_time() -> None:
    once, again = (to_pdf(BLOCKS, title="t", created="2026-01-02T03:04:05+00:00") for _ in range(2))
    assert once.startswith(b"%PDF-")
    assert once == again
    assert once != to_pdf(BLOCKS, title="t", created="2026-01-02T03:04:06+00:00")


def test_no_word_in_a_table_of_the_pdf_is_broken() -> None:
    columns = (
        "attribute",
        "read by",
        "people",
        "right",
        "by chance",
        "kappa",
        "mean face",
        "real photograph",
    )
    figures = ("0.150 [0.032, 0.379]", "0.205", "-0.069 [-0.218, 0.219]", "0.100 [0.012, 0.317]")
    row = ("skin tone", "typology angle of the cheeks' pixels, six classes", "20", *figures, figures[0])
    made = to_pdf([Table("Attributes", columns, (row,))], title="t", created="2026-01-02T03:04:05+00:00")
    content = b"".join(
        zlib.decompress(one) for one in re.findall(rb"stream\n(x.*?)\nendstream", made, re.DOTALL)
    ).decode("latin-1")
    shown = {word for text in re.findall(r"\((.*?)\) Tj", content) for word in text.split()}
    assert {word for text in (*columns, "skin tone") for word in text.split()} <= shown


def test_a_chart_puts_points_where_they_belong() -> None:
    plot = chart(
        [Series("s", ((0.001, 0.0), (0.01, 0.5), (0.1, 1.0)))],
        x_label="x",
        y_label="y",
        x=(0.001, 0.1),
        y=(0, 1),
        x_scale="log",
    )
    line = next(shape for shape in plot.shapes if isinstance(shape, Line) and shape.role == "first")
    (left, bottom), (middle, half), (right, top) = line.points
    assert middle == pytest.approx((left + right) / 2, abs=0.01)
    assert half == pytest.approx((bottom + top) / 2, abs=0.01)
    assert bottom > top
    labels = [shape.text for shape in plot.shapes if isinstance(shape, Label)]
    assert {"0.001", "0.01", "0.1", "0", "1", "s", "x", "y"} <= set(labels)


def box(label: Label, character: float = 7.6) -> tuple[float, float]:
    """The left and right end of a label in the browser's font of 12 pixels."""
    width = len(label.text) * character
    left = label.at[0] - {"start": 0, "middle": width / 2, "end": width}[label.anchor]
    return left, left + width


def test_marks_have_names_that_no_line_crosses() -> None:
    names = ("FMR 1 in 100", "FMR 1 in 1,000", "FMR 1 in 10,000")
    for places in ((0.4, 0.43, 0.46), (0.9, 0.95, 0.99), (0.02, 0.5, 0.98)):
        marks = [Mark(name, place) for name, place in zip(names, places, strict=True)]
        curve = Series("s", ((0.0, 0.0), (1.0, 1.0)))
        plot = chart([curve], x_label="x", y_label="y", x=(0, 1), y=(0, 1), marks=marks)
        highest = min(
            y
            for shape in plot.shapes
            if isinstance(shape, Line) and shape.role == "first"
            for _, y in shape.points
        )
        lines = [shape for shape in plot.shapes if isinstance(shape, Line) and shape.dash == (3, 3)]
        labels = [shape for shape in plot.shapes if isinstance(shape, Label) and shape.text in names]
        assert len(lines) == len(labels) == 3
        for label in labels:
            left, right = box(label)
            assert left >= 0
            assert right <= plot.width
            assert label.at[1] <= highest
            for line in lines:
                (across, top), _ = line.points
                assert not (left < across < right and top < label.at[1])


def test_no_tick_is_cut_off() -> None:
    blocks = audit_blocks(read_audit(EXAMPLE))
    labels = [
        (block.plot, shape)
        for block in blocks
        if isinstance(block, Figure)
        for shape in block.plot.shapes
        if isinstance(shape, Label) and not shape.turned
    ]
    assert "1 in 10" in {label.text for _, label in labels}
    assert [
        label.text for plot, label in labels if box(label)[1] > plot.width + 0.1 or box(label)[0] < 0
    ] == []


def test_names_of_rows_are_whole_and_within_the_plot() -> None:
    plot = dumbbells([("Pe8f478325e", 0.1, 0.4, 0.8)], x_label="s", names=("low", "mid", "high"))
    name = next(shape for shape in plot.shapes if isinstance(shape, Label) and shape.text.startswith("Pe8"))
    assert name.text == "Pe8f478325e"
    assert box(name)[0] >= 0


def test_false_match_rates_are_frequencies() -> None:
    blocks = audit_blocks(read_audit(EXAMPLE))
    figures = [block for block in blocks if isinstance(block, Figure)]
    ticks = {shape.text for figure in figures for shape in figure.plot.shapes if isinstance(shape, Label)}
    assert {"1 in 10", "1 in 1,000", "FMR 1 in 100", "FMR 1 in 1,000"} <= ticks
    # The headers of the tables, the captions, and the sentences.
    assert re.findall(r"FMR 0\.\d+|0\.\d+ of cases", to_markdown(blocks)) == []


def test_normal_deviates_make_a_line_of_normal_similarities() -> None:
    # Similarities of equal variance, two standard deviations apart: FNMR of the deviate z is z' = -2 - z.
    deviates = np.linspace(-2.3, 0, 5)
    points = tuple((float(ndtr(z)), float(ndtr(-2 - z))) for z in deviates)
    plot = chart(
        [Series("s", points)],
        x_label="x",
        y_label="y",
        x=(0.001, 0.6),
        y=(0.001, 0.6),
        x_scale="deviate",
        y_scale="deviate",
    )
    line = next(shape for shape in plot.shapes if isinstance(shape, Line) and shape.role == "first")
    slopes = np.diff([y for _, y in line.points]) / np.diff([x for x, _ in line.points])
    assert slopes == pytest.approx(np.full(4, slopes[0]), rel=1e-3)
    labels = {shape.text for shape in plot.shapes if isinstance(shape, Label)}
    assert {"0.001", "0.01", "0.05", "0.2", "0.4"} <= labels


@pytest.mark.parametrize(
    ("shares", "ends"),
    [
        ([0.00075, 0.00316], (0.0005, 0.005)),
        ([0.019, 0.048], (0.01, 0.05)),
        ([0.01], (0.01, 0.02)),
        ([0.3, 0.93], (0.2, 0.95)),
        ([1e-8, 0.5], (1e-8, 0.6)),
    ],
)
def test_an_axis_of_deviates_ends_at_the_round_shares_about_the_data(
    shares: list[float], ends: tuple[float, float]
) -> None:
    assert share_range(shares) == pytest.approx(ends)


def test_the_error_trade_off_fills_its_axes_and_marks_the_thresholds() -> None:
    blocks = audit_blocks(read_audit(EXAMPLE))
    (figure,) = (one for one in blocks if isinstance(one, Figure) and "DET" in one.caption)
    shapes = figure.plot.shapes
    curve = next(shape for shape in shapes if isinstance(shape, Line) and shape.role == "first")
    across, up = zip(*curve.points, strict=True)
    assert max(across) - min(across) > 0.5 * figure.plot.width
    assert max(up) - min(up) > 0.4 * figure.plot.height
    texts = [shape.text for shape in shapes if isinstance(shape, Label)]
    # The lines of thresholds at which no photograph is missed are not within the data.
    assert [text for text in texts if text.startswith("threshold")] == ["threshold at FMR 1 in 1,000"]
    assert "FNMR 0.048 at FMR 1 in 1,334, 0 from FMR 1 in 237 on" in figure.description


@pytest.mark.parametrize("ends", [(1e-6, 0.5), (0.0005, 0.4), (0.001, 0.6), (0.02, 0.05)])
def test_the_marks_of_an_axis_do_not_touch(ends: tuple[float, float]) -> None:
    plot = chart(
        [Series("s", tuple((share, share) for share in ends))],
        x_label="x",
        y_label="y",
        x=ends,
        y=ends,
        x_scale="deviate",
        y_scale="deviate",
        x_text=one_in,
    )
    ticks = [shape for shape in plot.shapes if isinstance(shape, Label) and shape.text[0].isdigit()]
    below = sorted(box(tick) for tick in ticks if tick.text.count(" in "))
    assert len(below) >= 2
    assert all(one[1] < other[0] for one, other in itertools.pairwise(below))
    levels = sorted(tick.at[1] for tick in ticks if not tick.text.count(" in "))
    assert len(levels) >= 2
    assert min(np.diff(levels)) >= 14


@pytest.mark.parametrize(
    ("created", "text"),
    [
        ("2026-01-02T03:04:05+00:00", "2026-01-02 03:04 UTC"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02 01:04 UTC"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ("<b>yesterday", "<b>yesterday"),
    ],
)
def test_times_are_read_without_knowing_iso_8601(created: str, text: str) -> None:
    assert time_text(created) == text


def judge(accepted: int, people: int, name: str = "one") -> dict[str, object]:
    figure = asdict(estimate(np.arange(people) < accepted, range(people)))
    ends = {"low": figure["value"], "high": figure["value"]}
    ceiling = asdict(estimate(np.ones(people, bool), range(people)))
    thresholds = [{"fmr": 0.001, "identities": 200, "source": "calibration"}]
    calibration = {"alike": 0, "identities": 200}
    sar = {"type_2": figure, "type_2_at_ends": ends, "ceiling": ceiling}
    return {"name": name, "sar": {"0.001": sar}, "thresholds": thresholds, "calibration": calibration}


@pytest.mark.parametrize(
    ("limit", "bound", "verdict"),
    [
        # Of 20, 2 are accepted: 0.1 [0.012, 0.317].
        (0.2, "value", "pass"),
        (0.1, "value", "pass"),
        (0.05, "value", "fail"),
        (0.01, "upper", "fail"),
        (0.05, "upper", "undecided"),
        (0.1, "upper", "undecided"),
        (0.3, "upper", "undecided"),
        (0.32, "upper", "pass"),
    ],
)
def test_the_policy(limit: float, bound: str, verdict: str) -> None:
    policy = Policy(limit, 1e-3, bound)  # type: ignore[arg-type]
    assert decide(policy, [judge(2, 20)])["verdict"] == verdict
    # The judge that accepts most counts.
    assert decide(policy, [judge(0, 20, "mild"), judge(2, 20)])["verdict"] == verdict


@pytest.mark.parametrize(
    ("accepted", "people", "limit", "needed"),
    [
        (0, 20, 0.05, "attack 72 people"),
        (1, 20, 0.05, "no number of people"),
        (1, 100, 0.05, "attack 114 people"),
    ],
)
def test_it_says_how_many_people_decide(accepted: int, people: int, limit: float, needed: str) -> None:
    found = decide(Policy(limit, 1e-3), [judge(accepted, people)])
    assert found["verdict"] == "undecided"
    assert needed in found["reason"]


def test_a_threshold_that_is_uncertain_takes_more_people() -> None:
    wide = judge(0, 100)
    wide["sar"]["0.001"]["type_2"]["high"] = 0.06  # type: ignore[index]
    # As wide as 60 people: 72 of them would be needed, of which each is worth 100 / 60.
    assert "attack 121 people" in decide(Policy(0.05, 1e-3), [wide])["reason"]


def test_a_pass_says_when_there_are_too_few_people() -> None:
    assert "too few to show" in decide(Policy(0.2, 1e-3, "value"), [judge(2, 20)])["reason"]
    assert "too few" not in decide(Policy(0.4, 1e-3, "value"), [judge(2, 20)])["reason"]


def test_what_cannot_be_decided_is_said() -> None:
    refused = {"name": "poor", "sar": {}, "thresholds": []}
    assert decide(Policy(1.0, 1e-3), [judge(2, 20), refused])["verdict"] == "undecided"
    # One judge above the limit settles it, whatever another one lacks.
    failed = decide(Policy(0.05, 1e-3), [judge(19, 20), refused])
    assert failed["verdict"] == "fail"
    assert "one finds 0.950" in failed["reason"]
    assert decide(Policy(1.0, 1e-3), [])["verdict"] == "undecided"
    assert decide(None, [judge(2, 20)])["verdict"] == "no policy"


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text('{"schema": "arcinvert-audit-0"}')
    with pytest.raises(
        InputError, match="expected a finished audit of arcinvert-audit-2, got 'arcinvert-audit-0'"
    ):
        read_audit(tmp_path)


@pytest.mark.parametrize(
    ("rate", "people", "fmr", "wording"),
    [
        # Reconstructions of strangers, and one of them who is accepted by chance.
        (0.0, 20, 1e-3, "were not shown"),
        (0.01, 100, 0.01, "may be turned"),
        (0.05, 20, 1e-3, "may be turned"),
        (1 / 300, 300, 1e-3, "may be turned"),
        (0.5, 20, 1e-3, "can be turned"),
        (0.1, 300, 0.01, "can be turned"),
    ],
)
def test_one_person_does_not_make_the_headline(rate: float, people: int, fmr: float, wording: str) -> None:
    accepted = np.arange(people) < round(rate * people)
    nobody = np.zeros(people, bool)
    share, floor = (asdict(estimate(one, range(people))) for one in (accepted, nobody))
    above = asdict(estimate_share_difference(accepted, nobody))
    figures = {"type_2": share, "mean_face": floor, "above_mean_face": above, "ceiling": share}
    rank = {"gallery": 10, "attack": {"1": share}, "chance": {"1": 0.1}}
    judges = [
        {"name": "one", "sar": {f"{fmr:g}": figures}, "rank": rank},
        {"name": "poor", "sar": {}, "rank": rank},
    ]
    options = AuditOptions(images=Path("people"), fmr=(fmr,), policy_fmr=fmr)
    headline = headline_fmr(judges, options)
    sentences = answer_sentences(
        {
            "judges": judges,
            "threat_model": {"held": "templates", "network": "net", "reference": {"type": "type_2"}},
            "people": {"attacked": people},
            "answer": {"headline_fmr": headline, "verdict": "no policy", "reason": "No policy."},
        }
    )
    assert wording in sentences[0]
    assert f"at a threshold that 1 in {round(1 / fmr):,} pairs of strangers pass" in sentences[0]
    assert sentences[2].startswith("poor cannot say")


def test_limits_speak_of_defences_where_there_are_some() -> None:
    faces = {"faces": {"distribution": None}}
    (without,), (with_some,) = (limits(faces | {"defences": rows}) for rows in ([], [{"defence": "noise:1"}]))
    assert isinstance(without, Bullets)
    assert isinstance(with_some, Bullets)
    assert not any("efence" in item for item in without.items)
    (said,) = set(with_some.items) - set(without.items)
    # Each row names its attacker, which is no simple estimate.
    assert "the strongest estimate known here" in said

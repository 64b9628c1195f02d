"""Audits of the folder that the server's owner offers."""

import base64
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.folder_audit import (
    FIGURES,
    audit_folder,
    audit_seconds,
    command,
    figures_view,
    folder_options,
    people_of,
    recognised,
    report_files,
)
from app.job import Abandoned, Job
from app.jobs import Jobs
from app.updates import Ending, Preparing, Progress
from arcinvert import Attacker, InputError
from arcinvert.audit import cohort
from arcinvert.audit.cohort import Cohort
from arcinvert.audit.duration import StepSeconds
from arcinvert.audit.options import AuditOptions
from arcinvert.cli.main import build_parser
from recognition.config import gather
from tests.arcinvert.audit.conftest import options, other_model, people

__all__ = ["options", "other_model", "people"]


def judged(
    accepted: list[float], *, rate: str = "0.001", other: float = 0.0, low: float = 0.1
) -> dict[str, Any]:
    """The part of an audit.json that the answer is made of, with a second judge that accepts nobody.

    The lower end of the share accepted, and of what it is above the mean face's, is `low`.
    """
    share = sum(one > 0 for one in accepted) / len(accepted)
    return {
        "answer": {"headline_fmr": rate},
        "people": {"notes": []},
        "judges": [
            {
                "name": name,
                "sar": {rate: {"type_2": {"value": value, "low": low}, "above_mean_face": {"low": low}}},
            }
            for name, value in (("strict", other), ("lenient", share))
        ],
        "identities": [
            {"judges": {"strict": {"accepted": {rate: 0.0}}, "lenient": {"accepted": {rate: one}}}}
            for one in accepted
        ],
    }


def test_one_of_eight_as_figures() -> None:
    result = judged([0, 0, 0.5, 0, 0, 0, 0, 0])
    assert recognised(result) == (1, 8)
    html = figures_view(result)
    assert "<b>1 of 8 people could be recognised.</b>" in html
    assert "1 in 1,000 pairs of strangers" in html
    assert html.count("ai-figure marked") == 1
    assert html.count("ai-figure plain") == 7


def test_many_people_share_figures() -> None:
    html = figures_view(judged([1.0] * 90 + [0.0] * 90))
    assert html.count("ai-figure marked") == FIGURES / 2
    assert "Each figure stands for about 3 people." in html


def test_what_is_not_shown_beyond_chance_is_said_beside_the_figures() -> None:
    words = "These are too few people to show that this is more than chance."
    assert words in figures_view(judged([1.0, 0.0], low=0.0))
    assert words not in figures_view(judged([1.0, 0.0]))
    # Of nobody there is nothing to show.
    assert words not in figures_view(judged([0.0, 0.0], low=0.0))


@pytest.mark.parametrize(
    ("accepted", "taken"), [([0.0, 0.0], "none"), ([1.0, 0.0], "1"), ([1.0, 1.0], "all")]
)
def test_the_sentence_says_how_many_were_taken_for_the_person(accepted: list[float], taken: str) -> None:
    html = figures_view(judged(accepted))
    assert f"took {taken} of these faces for the person" in html
    # That nobody was recognised proves no safety.
    assert ("a better attack may succeed" in html) == (taken == "none")


def test_what_limits_the_answer_stands_below_it() -> None:
    few = "3 people are attacked, fewer than the 8 asked for: the folder has 80."
    html = figures_view(
        judged([1.0, 0.0, 0.0]) | {"people": {"notes": [few, "Give <others> (see --judges)."]}}
    )
    assert f'<p class="ai-note">{few}</p>' in html
    assert "Give &lt;others&gt;." in html


def test_nobody_judged() -> None:
    unjudged = {"answer": {"headline_fmr": None}, "judges": [], "people": {"notes": ["Few people."]}}
    assert recognised(unjudged) is None
    assert "Nobody judged" in figures_view(unjudged)
    assert "Few people." in figures_view(unjudged)


@pytest.mark.parametrize("broken", [{}, {"answer": 3, "judges": []}, {"answer": {"headline_fmr": "x"}}])
def test_damaged_content_is_refused(broken: dict[str, Any]) -> None:
    damaged = judged([1.0]) | broken if broken else {}
    with pytest.raises(InputError, match="damaged"):
        figures_view(damaged)


@pytest.mark.parametrize(
    ("count", "seed", "message"),
    [
        (1, 0, "People: expected a number from 2 to 50, got 1"),
        (None, 0, "People: .* got nothing"),
        (8, -1, "Seed: expected a whole number from 0 up, got -1"),
        (8, None, "Seed: .* got nothing"),
    ],
)
def test_numbers_out_of_range(count: float | None, seed: float | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        folder_options(tmp_path, "lfw-iresnet18", count, seed)


def test_the_command_repeats_the_audit(tmp_path: Path) -> None:
    images = tmp_path / "staff photographs"
    images.mkdir()
    made = folder_options(images, str(tmp_path / "net.onnx"), 8, 3)
    given = build_parser().parse_args(shlex.split(command(made))[1:])
    repeated = AuditOptions(**gather(AuditOptions, given))
    assert str(tmp_path) not in command(made)
    assert replace(repeated, images=images, model=made.model) == made


def test_an_audit_leaves_nothing_behind(options: AuditOptions, tmp_path: Path) -> None:
    jobs = Jobs()
    job = jobs.start("a", lambda job: audit_folder(job, options, tmp_path), limit=600, stoppable=False)
    steps = [update for update in job.updates() if isinstance(update, Progress)]
    result, pdf = job.result()
    assert list(tmp_path.iterdir()) == []
    assert steps[-1].step == steps[-1].steps
    assert result["people"]["attacked"] == 6
    files = report_files(result, pdf, "arcinvert audit --images 'a b'")
    found = re.search(r'download="report.pdf" href="data:application/pdf;base64,([^"]+)"', files)
    assert found is not None
    assert base64.b64decode(found[1]) == pdf
    assert pdf.startswith(b"%PDF-")
    assert "<code>arcinvert audit --images &#x27;a b&#x27;</code>" in files
    jobs.close()


def test_an_audit_is_cancelled_while_photographs_are_read(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    whole = cohort.read_face

    def counted(path: Path) -> object:
        read.append(path)
        job.stop()
        return whole(path)

    monkeypatch.setattr(cohort, "read_face", counted)
    jobs = Jobs()
    job = jobs.start("a", lambda job: audit_folder(job, options, tmp_path), limit=600, stoppable=False)
    seen = list(job.updates())
    with pytest.raises(Abandoned, match="Cancelled"):
        job.result()
    assert len(read) == 1
    assert Ending("Cancelling") in seen
    assert list(tmp_path.iterdir()) == []
    jobs.close()


def test_an_audit_says_how_many_photographs_are_read(options: AuditOptions, tmp_path: Path) -> None:
    jobs = Jobs()
    job = jobs.start("a", lambda job: audit_folder(job, options, tmp_path), limit=600, stoppable=False)
    stages = [update for update in job.updates() if isinstance(update, Preparing)]
    job.result()
    assert {update.text for update in stages} == {"Reading the photographs"}
    # Six people with two each, and ten others, who calibrate the judges.
    assert (stages[-1].done, stages[-1].total) == (stages[-1].total, stages[-1].total)
    assert stages[-1].total >= 6 * 2 + 10
    jobs.close()


def drawn(people: int) -> Cohort:
    """People who are attacked, and ten photographs of others."""
    return Cohort({str(number): [] for number in range(people)}, [(Path(), "other")] * 10, 0)


def test_the_time_of_an_audit_grows_with_people_and_steps(
    tiny_attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds(people: int, each: float) -> tuple[float, float]:
        return audit_seconds(tiny_attacker, tiny_attacker.knowledge, drawn(people), StepSeconds(0.0, each))

    assert seconds(8, 0.1) > seconds(3, 0.1) > seconds(3, 0.01) > (0, 0)
    plan = tiny_attacker.plan("template", samples=1, steps=50)
    assert seconds(8, 1.0)[0] - seconds(7, 1.0)[0] == pytest.approx(plan.steps_per_batch, abs=2)
    # Five restarts of 12 steps and 38 more, and all of that twice again.
    several = replace(plan, restarts=5, restart_steps=12, retries=2)
    monkeypatch.setattr("app.folder_audit.resolve", lambda *given: several)
    least, most = (after - before for before, after in zip(seconds(7, 1.0), seconds(8, 1.0), strict=True))
    assert least == pytest.approx(98, abs=2)
    assert most == pytest.approx(3 * 98, abs=2)


def test_the_time_of_an_audit_is_that_of_its_batches(tiny_attacker: Attacker) -> None:
    def seconds(people: int, step: StepSeconds) -> float:
        return audit_seconds(tiny_attacker, tiny_attacker.knowledge, drawn(people), step)[0]

    steps = tiny_attacker.plan("template", samples=1, steps=50).steps_per_batch
    at_once = StepSeconds(1.0, 0.0)
    # 16 people are one batch, 17 are two: what a step takes with any number of images counts once for each.
    for count, batches in ((2, 1), (16, 1), (17, 2)):
        more = seconds(count, at_once) - seconds(count, StepSeconds(0.0, 0.0))
        assert more == pytest.approx(batches * steps)


def test_the_time_of_an_audit_counts_the_people_in_the_folder(
    tiny_attacker: Attacker, options: AuditOptions
) -> None:
    assert options.images is not None
    cohort = people_of(folder_options(options.images, "tiny", 50, 0), tiny_attacker)
    # Sixteen people are there, and six must be outside the attack or nobody is.
    assert len(cohort.attacked) == 16
    few = people_of(folder_options(options.images, "tiny", 2, 0), tiny_attacker)
    assert (len(few.attacked), len(few.calibration)) == (2, 28)
    nothing = StepSeconds(0.0, 0.0)
    seconds = [
        audit_seconds(tiny_attacker, tiny_attacker.knowledge, one, nothing)[0] for one in (cohort, few)
    ]
    assert seconds == pytest.approx([5 + 0.1 * 32 + 0.42 * 16, 5 + 0.1 * (4 + 28) + 0.42 * 2])


def test_a_cancelled_audit_leaves_nothing_behind(options: AuditOptions, tmp_path: Path) -> None:
    jobs = Jobs()

    def work(job: Job) -> None:
        job.abandon("Cancelled.")
        audit_folder(job, options, tmp_path)

    job = jobs.start("a", work, limit=600)
    assert all(not isinstance(update, Progress) for update in job.updates())
    with pytest.raises(BaseException, match="Cancelled"):
        job.result()
    assert list(tmp_path.iterdir()) == []
    jobs.close()

"""Audits of the folder of photographs that the server's owner offers, and how their result is shown."""

import shlex
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from arcinvert import Attacker
from arcinvert.audit.answer import is_shown
from arcinvert.audit.attack import BATCH, batch_images
from arcinvert.audit.cohort import Cohort, sample_identities
from arcinvert.audit.duration import StepSeconds
from arcinvert.audit.options import BUDGETS, AuditOptions
from arcinvert.audit.progress import Stage
from arcinvert.audit.report.pdf import to_pdf
from arcinvert.audit.report.rewording import reworded
from arcinvert.audit.report.sections import audit_blocks
from arcinvert.audit.runner import run_audit
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.options import AttackOptions
from arcinvert.output.folder import json_text
from arcinvert.output.verdicts import one_in
from arcinvert.resolve import resolve
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.interruption import interruptible

from .context import MEASURING
from .html import data_uri, note
from .job import Job
from .settings import number_in, seed_of
from .wording import report_words

#: Fewest and most people of an audit on the page, and how many at first.
LEAST_PEOPLE, MOST_PEOPLE, DEFAULT_PEOPLE = 2, 50, 8
#: Photographs of other people that judges without thresholds of their own are calibrated on. More would take
#: longer than a visitor waits.
CALIBRATION_IMAGES = 60
#: Seconds of an audit on one core besides the steps of the attack, from audits of 2 and 34 people with 20 and
#: 220 photographs of others: to load the judges and write the report, to read and embed a photograph, and to
#: judge a reconstruction, also cropped, blurred and compressed.
_ONCE, _PHOTOGRAPH, _JUDGED = 5.0, 0.1, 0.42
#: Most people of whom each gets a figure.
FIGURES = 60


def folder_options(
    images: Path, model: str, people: float | None, seed: float | None, *, device: str = "auto"
) -> AuditOptions:
    """Return the options of an audit on the page.

    Args:
        images: The folder, with one folder for each person.
        model: The network: the bundled one's name, or a file.
        people: The number of people to attack.
        seed: The seed of the choice of people and of the attack.
        device: Where the attack runs.

    Raises:
        InputError: If a number is out of its range.
    """
    attacked = number_in("People", people, LEAST_PEOPLE, MOST_PEOPLE)
    return AuditOptions(
        model=model,
        images=images,
        people=attacked,
        budget="quick",
        calibration_images=CALIBRATION_IMAGES,
        seed=seed_of(seed),
        device=device,
    )


def audit_folder(
    job: Job, options: AuditOptions, private: Path | None = None
) -> tuple[dict[str, Any], bytes]:
    """Run an audit, and return the content of its audit.json and its report.pdf. Nothing of it stays on disk.

    Args:
        job: Receives the steps, and ends the audit if it is abandoned.
        options: The options.
        private: The folder in which its files are written meanwhile; None for the system's.

    Raises:
        InputError: If the folder or the network cannot be used.
    """

    def preparing(stage: Stage, done: int, total: int) -> None:
        if stage == "synthetic faces":
            job.prepare(MEASURING, done, total, is_limited=False)
        else:
            job.prepare("Reading the photographs", done, total)

    def look() -> None:
        job.check()

    with tempfile.TemporaryDirectory(prefix="audit-", dir=private) as folder, interruptible(look):
        report = Path(folder) / "report"
        result = run_audit(options, report, progress=job.advance, preparing=preparing)
        return result, pdf_of(result)


def people_of(options: AuditOptions, attacker: Attacker) -> Cohort:
    """Return who an audit on the page attacks and who calibrates its judges.

    Where a judge was trained on some of the people, the audit itself has fewer.

    Args:
        options: The audit's.
        attacker: The network.

    Raises:
        InputError: If nobody in the folder can be attacked.
    """
    assert options.images is not None  # noqa: S101  (`folder_options` sets it)
    return sample_identities(
        read_folders(options.images),
        people=options.people,
        calibration_images=CALIBRATION_IMAGES,
        seed=options.seed,
        trained=frozenset(attacker.recogniser.class_names or ()),
    )


def audit_seconds(
    attacker: Attacker, knowledge: Knowledge, cohort: Cohort, step: StepSeconds
) -> tuple[float, float]:
    """Return about how many seconds an audit takes, and how many if every face is attacked again and again.

    Args:
        attacker: The network; nothing is measured.
        knowledge: What will be known of it when the audit attacks.
        cohort: Who is attacked, and who calibrates the judges.
        step: The seconds of a step of the attack.
    """
    budget = BUDGETS["quick"]
    options = AttackOptions(samples=budget["samples"], steps=budget["steps"])
    plan = resolve(options, attacker.recogniser, knowledge, "template")
    people = len(cohort.attacked)
    once = _ONCE + (len(cohort.calibration) + 2 * people) * _PHOTOGRAPH + people * plan.samples * _JUDGED
    # One step of every batch.
    each = sum(step.of(images) for images in batch_images(people, plan.samples))
    seconds = once + plan.preparation_steps * step.of(BATCH) + plan.steps_per_batch * each
    return seconds, seconds + plan.most_further_steps * each


def command(options: AuditOptions) -> str:
    """Return the command that repeats an audit. Folder and network are named without their places."""
    assert options.images is not None  # noqa: S101  (`folder_options` sets it)
    words = [
        "arcinvert",
        "audit",
        "--images",
        options.images.name,
        "--model",
        Path(options.model).name,
        "--budget",
        options.budget,
        "--people",
        str(options.people),
        "--calibration-images",
        str(options.calibration_images),
        "--seed",
        str(options.seed),
        "--out",
        "report",
    ]
    return shlex.join(words)


def recognised(result: dict[str, Any]) -> tuple[int, int] | None:
    """Return how many people could be recognised, and of how many; None if it was not judged.

    A person counts if a reconstruction of theirs is accepted as them by the judge that accepts most, at the
    false match rate of the report's first page.
    """
    rate = result["answer"]["headline_fmr"]
    if (worst := _worst_judge(result)) is None:
        return None
    accepted = [entry["judges"][worst["name"]]["accepted"].get(rate) or 0 for entry in result["identities"]]
    return sum(share > 0 for share in accepted), len(accepted)


def _worst_judge(result: dict[str, Any]) -> dict[str, Any] | None:
    """Return the judge that accepts most at the false match rate of the first page; None without one."""
    rate, judges = result["answer"]["headline_fmr"], result["judges"]
    if not judges or rate is None:
        return None
    judged = [judge for judge in judges if rate in judge["sar"]]
    return max(judged, key=lambda judge: judge["sar"][rate]["type_2"]["value"])


def figures_view(result: dict[str, Any]) -> str:
    """Return the answer of an audit as little figures, one for each person, with a sentence.

    Below it stands what limits the answer, such as why fewer people were attacked than the visitor wanted.

    Raises:
        InputError: If the content is damaged.
    """
    try:
        found = recognised(result)
        rate = result["answer"]["headline_fmr"]
        passing = None if found is None else one_in(float(rate))
        worst = _worst_judge(result)
        shown_beyond_chance = worst is not None and is_shown(worst["sar"][rate], float(rate))
        notes = "".join(note(report_words(one)) for one in result["people"]["notes"])
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"audit.json: damaged ({type(error).__name__}); audit again") from None
    if found is None:
        return f'<p class="ai-headline">Nobody judged whether the people could be recognised.</p>{notes}'
    count, of = found
    sentence = f"{count} of {of} people could be recognised."
    shown = of if of <= FIGURES else FIGURES
    marked = count if of <= FIGURES else round(count * FIGURES / of)
    marks = "".join(_figure(number < marked) for number in range(shown))
    drawn = "" if shown == of else f" Each figure stands for about {of / shown:.0f} people."
    taken = "all" if count == of else str(count or "none")
    harmless = "" if count else " That does not make the templates harmless: a better attack may succeed."
    if count and not shown_beyond_chance:
        # As the report's own first sentence.
        harmless = " These are too few people to show that this is more than chance."
    return (
        f'<p class="ai-headline"><b>{sentence}</b> A face was made from what the recogniser stores of each, '
        f"and another recogniser, which was not attacked, took {taken} of these faces for the person, at a "
        f'threshold that {passing} pairs of strangers pass.{harmless}{drawn}</p><div class="ai-figures" '
        f'role="img" aria-label="{escape(sentence)}">{marks}</div>{notes}'
    )


def _figure(marked: bool) -> str:
    """Return a person as a small picture: filled with a check mark, or an outline."""
    kind = "marked" if marked else "plain"
    check = '<path class="check" d="M13 34l5 6 10-13"/>' if marked else ""
    return (
        f'<svg class="ai-figure {kind}" viewBox="0 0 40 54" aria-hidden="true">'
        '<circle cx="20" cy="11" r="9"/>'
        f'<path d="M3 52V37a14 14 0 0 1 14-14h6a14 14 0 0 1 14 14v15z"/>{check}</svg>'
    )


def pdf_of(result: dict[str, Any]) -> bytes:
    """Return a report as PDF, in words of the page.

    Args:
        result: The content of audit.json.

    Raises:
        InputError: If the content is damaged.
    """
    try:
        title = f"report: {result['schema']}"
        blocks = reworded(audit_blocks(result), report_words)
        return bytes(to_pdf(blocks, title=title, created=str(result["created"])))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"audit.json: damaged ({type(error).__name__}); audit again") from None


def report_files(result: dict[str, Any], pdf: bytes, repeat: str = "") -> str:
    """Return links that contain the report's files, and the command that repeats the audit.

    Args:
        result: The content of audit.json.
        pdf: The report as PDF.
        repeat: The command; empty for a report from elsewhere.
    """
    links = (
        ("report.pdf", pdf, "application/pdf", "the report, to print or to pass on"),
        ("audit.json", json_text(result).encode(), "application/json", "all numbers of the report"),
    )
    items = "".join(
        f'<li><a class="ai-download" download="{name}" href="{data_uri(data, kind)}">Download {name}</a> '
        f"<span>{words}</span></li>"
        for name, data, kind, words in links
    )
    again = ""
    if repeat:
        again = (
            '<p class="ai-note">This command repeats the audit on the server, and writes the report to a '
            f'folder:</p><div class="ai-copied"><pre class="ai-command"><code>{escape(repeat)}</code></pre>'
            '<button type="button" class="ai-copy"><span aria-live="polite">Copy</span></button></div>'
        )
    return f'<ul class="ai-downloads" aria-label="Downloads">{items}</ul>{again}'

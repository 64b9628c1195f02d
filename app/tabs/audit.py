"""The Audit tab: audits the folder that the server's owner offers, and reads reports of `arcinvert audit`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from arcinvert import InputError
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report import read_audit, sections

from .. import resources
from ..context import Context, attempt, on_change
from ..controls import CANCEL, JobControls, seed_field
from ..folder_audit import (
    DEFAULT_PEOPLE,
    LEAST_PEOPLE,
    MOST_PEOPLE,
    audit_folder,
    audit_seconds,
    command,
    figures_view,
    folder_options,
    pdf_of,
    people_of,
    report_files,
)
from ..html import note, progress, status
from ..job import Job
from ..kept import Kept
from ..settings import STATE_SECONDS
from ..speed import measuring_text, rounded
from ..updates import Progress
from ..upload import Upload, report_input
from ..wording import PageError, report_words

#: The report of an audit of held-out people of LFW, by pseudonyms.
EXAMPLE = "audit.json"
#: The section that shows the pictures of the report's HTML file, which audit.json does not contain.
PICTURES = "Pictures"
_HTML_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True)
class Report:
    """A report as it is shown.

    Args:
        answer: The answer as figures, HTML.
        sections: The sections as HTML, by title.
        files: The files to download, HTML.
    """

    answer: str
    sections: dict[str, str]
    files: str


def example() -> list[Upload]:
    """Return the report that comes with the page."""
    return [Upload(EXAMPLE, resources.data(EXAMPLE))]


def read_report(uploads: Sequence[Upload]) -> Report:
    """Return a report from its files.

    Args:
        uploads: The report's audit.json, and its HTML file if its pictures are to be shown.

    Raises:
        InputError: If there is no audit.json, or it is something else or damaged.
    """
    pages = [upload for upload in uploads if upload.name.lower().endswith(_HTML_SUFFIXES)]
    others = [upload for upload in uploads if upload not in pages]
    if len(others) != 1 or len(pages) > 1:
        raise InputError("Report: expected one audit.json, and at most one HTML file; choose them again")
    result = read_audit(others[0].data, name=others[0].name)
    shown = show_report(result, pdf_of(result))
    return Report(shown.answer, shown.sections | {PICTURES: _pictures(pages)}, shown.files)


def show_report(result: dict[str, Any], pdf: bytes, repeat: str = "") -> Report:
    """Return a report from the content of its audit.json.

    Args:
        result: The content.
        pdf: The report as PDF.
        repeat: The command that repeats the audit; empty if it was made elsewhere.

    Raises:
        InputError: If it is damaged.
    """
    found = {
        title: f'<div class="audit-report">{html}</div>'
        for title, html in sections(result, report_words).items()
    }
    return Report(figures_view(result), found, report_files(result, pdf, repeat))


def _pictures(pages: Sequence[Upload]) -> str:
    if not pages:
        return note(
            "audit.json contains no pictures. To see them here, choose it together with the report's HTML "
            "file of an audit that was made with pictures."
        )
    # Anybody may have made the file: it gets no scripts, no forms and no origin.
    return (
        f'<iframe class="ai-page" sandbox="" title="The report with its pictures" '
        f'srcdoc="{escape(pages[0].data.decode("utf-8", "replace"))}"></iframe>'
    )


#: What stands in the place of a report while it is made.
COMING = (
    "The report appears here. The photographs are read first, then a face is made for each person and judged."
)


#: What stands above a report when another one has not come about.
BEFORE = "This is the report from before:"


def _first_view() -> str:
    """Return what the tab shows before a report is opened: the answer of the example."""
    return note("The answer of the example report:") + figures_view(
        read_audit(example()[0].data, name=EXAMPLE)
    )


class AuditTab:
    """Lays out the tab, and connects it.

    Args:
        context: The server's context.
        model: The control with the network's name.
    """

    name = "audit"

    def __init__(self, context: Context, model: gr.Dropdown) -> None:
        self._context, self._model = context, model
        gr.HTML(
            note(
                "How many of the people whose templates a recogniser stores could be recognised from them? "
                "An audit makes a face from each template, lets another recogniser judge, and writes a "
                "report."
            )
        )
        with gr.Row(elem_classes="ai-columns ai-audit"):
            with gr.Column(elem_classes="ai-controls"):
                self._lay_out_start(model)
                gr.HTML(
                    '<h2 class="ai-title">Open a report</h2>'
                    + note("Choose its audit.json, and its HTML file too if it was made with pictures.")
                )
                upload = report_input(
                    label="Report",
                    height=150,
                    elem_id="report",
                )
                use_example = gr.Button("Open the example report")
            with gr.Column(elem_classes="ai-results"):
                self._coming = gr.HTML()
                with gr.Column() as self._report:
                    self._answer = gr.HTML(_first_view(), elem_id="report-answer")
                    self._files = gr.HTML()
                    self._section = gr.Radio([], label="Section", visible=False, elem_id="section")
                    self._shown = gr.HTML(elem_id="report-section")
                    self._onward = gr.Button("Next section", visible=False)
                self._state: gr.State = gr.State(time_to_live=STATE_SECONDS)
        self._outputs = [self._answer, self._files, self._section, self._shown, self._onward, self._state]
        if self._controls is not None:
            self._given = [model, self._people, self._seed]
            started = self._controls.connect(
                self._run,
                [*self._given, self._state],
                [self._coming, self._report, *self._outputs],
            )
            # When a job has ended, its network is measured.
            for event in (self._people.change, model.change, started.then):
                on_change(event, self._estimated, self._given, [self._estimate])
        self._connect(upload, use_example)

    def _lay_out_start(self, model: gr.Dropdown) -> None:
        self._controls: JobControls | None = None
        folder = self._context.settings.images
        title = '<h2 class="ai-title">Start an audit</h2>'
        if folder is None:
            gr.HTML(
                title
                + note(
                    "The owner of this server offers no photographs to audit. Whoever starts the server can "
                    "offer a folder of them, as its documentation says."
                )
            )
            return
        gr.HTML(title + note(f"The owner of this server offers the photographs in '{folder.name}'."))
        self._people = gr.Slider(
            LEAST_PEOPLE,
            MOST_PEOPLE,
            DEFAULT_PEOPLE,
            step=1,
            label="People",
            info="Drawn from the folder; more take longer",
            elem_id="audit-people",
        )
        self._estimate = gr.HTML(elem_id="audit-estimate")
        with gr.Accordion("Advanced", open=False):
            self._seed = seed_field()
        self._controls = JobControls(
            self._context,
            "Start the audit",
            "start-audit",
            stop=CANCEL,
            loading="Reading the network and the photographs",
        )

    def connect(self, tab: gr.Tab) -> None:
        """Estimate the time when the tab is chosen."""
        if self._controls is not None:
            on_change(tab.select, self._estimated, self._given, [self._estimate])

    def _estimated(self, name: str, people: float | None, seed: float | None) -> str:
        """Return about how long an audit takes, as HTML."""

        def estimate() -> str:
            attacker, options = self._context.attacker(name), self._options(name, people, seed)
            cohort = people_of(options, attacker)
            first_use = self._context.times.first_use(attacker)
            step = self._context.times.of_batches(attacker)
            seconds, most = audit_seconds(attacker, first_use.knowledge, cohort, step)
            longer = "" if most == seconds else f", and up to {rounded(most).removeprefix('about ')}"
            why = " the more faces have to be attacked again" if longer else ""
            before = measuring_text(first_use)
            attacked = len(cohort.attacked)
            fewer = "" if attacked == options.people else ", as more cannot be drawn from the folder"
            return note(f"{attacked} people{fewer}: {rounded(seconds)} on this machine{longer}{why}.{before}")

        estimated, message = attempt(estimate)
        return estimated or message

    @property
    def restored_outputs(self) -> list[Any]:
        """The outputs of `restored`."""
        return self._outputs

    def restored(self, kept: Kept, key: str, network: str) -> dict[Any, Any]:
        """Return the updates that show a kept report again."""
        return self._show(kept.shown, key)

    def _options(self, name: str, people: float | None, seed: float | None) -> AuditOptions:
        settings = self._context.settings
        if settings.images is None or not settings.images.is_dir():
            raise PageError("The photographs of this server are not there any more.")
        return folder_options(settings.images, settings.model(name), people, seed, device=settings.device)

    def _run(
        self,
        request: gr.Request,
        name: str,
        people: float | None,
        seed: float | None,
        standing: dict[str, str] | None,
    ) -> Iterator[dict[Any, Any]]:
        controls, settings = self._controls, self._context.settings
        assert controls is not None  # noqa: S101  (only then is this connected)
        # A report from before is there again if this one does not come about, and says so.
        before = {self._coming: note(BEFORE) if standing else "", self._report: gr.Column(visible=True)}
        options, message = attempt(lambda: self._options(name, people, seed))
        if options is None:
            yield {controls.status: message} | before
            return

        def work(job: Job) -> Report:
            result, pdf = audit_folder(job, options, self._context.folder)
            return show_report(result, pdf, command(options))

        yield controls.busy() | {self._coming: note(COMING), self._report: gr.Column(visible=False)}
        job = self._context.jobs.start(
            request.session_hash, work, limit=settings.time_limit, stoppable=False, about=self
        )

        def show(done: Progress) -> dict[Any, Any]:
            text = f"Step {done.step} of {done.steps}, about {done.seconds_left:.0f} s left"
            return {controls.status: progress(done.step, done.steps, text)}

        yield from controls.follow(job, show)
        report, message = attempt(job.result)
        if report is None:
            yield controls.idle(message) | before
        else:
            key = self._context.kept.keep(self.name, report)
            words = "Done. The server keeps the report in its memory for an hour at most, and no file of it."
            shown = self._show(report, key)
            yield controls.idle(status(words)) | before | {self._coming: ""} | shown

    def _cleared(self) -> dict[Any, Any]:
        return {
            self._answer: "",
            self._files: "",
            self._section: gr.Radio(choices=[], visible=False),
            self._shown: "",
            self._onward: gr.Button(visible=False),
            self._state: None,
        }

    def _show(self, report: Report, key: str = "") -> dict[Any, Any]:
        titles = list(report.sections)
        # The page's script finds the key of a report that is kept in the HTML.
        kept = f'<div data-result="{key}">{report.answer}</div>' if key else report.answer
        return {
            self._answer: kept,
            self._files: report.files,
            self._section: gr.Radio(choices=titles, value=titles[0], visible=True),
            self._shown: report.sections[titles[0]],
            self._onward: gr.Button(visible=True),
            self._state: report.sections,
        }

    def _connect(self, upload: gr.File, use_example: gr.Button) -> None:
        controls = self._controls

        def receive(request: gr.Request, files: list[Upload] | None) -> dict[Any, Any]:
            if not files:
                return {upload: None}
            report, message = attempt(lambda: read_report(files))
            found = self._cleared() | {self._answer: message} if report is None else self._show(report)
            job = self._context.jobs.of(request.session_hash)
            if controls is not None and (job is None or job.about is not self):
                # How an audit ended whose report goes now.
                found[controls.status] = ""
            return {upload: None, self._coming: "", self._report: gr.Column(visible=True)} | found

        def show(title: str, found: dict[str, str] | None) -> str:
            return found.get(title, "") if found else ""

        def advance(title: str | None, found: dict[str, str] | None) -> tuple[Any, str]:
            titles = list(found or {})
            if not titles:
                return gr.Radio(), ""
            following = titles[(titles.index(title) + 1) % len(titles)] if title in titles else titles[0]
            return following, show(following, found)

        outputs = [upload, self._coming, self._report, *self._outputs]
        outputs += [] if controls is None else [controls.status]
        on_change(upload.upload, receive, [upload], outputs)

        def open_example(request: gr.Request) -> dict[Any, Any]:
            return receive(request, example())

        on_change(use_example.click, open_example, [], outputs)
        on_change(self._section.input, show, [self._section, self._state], [self._shown])
        on_change(self._onward.click, advance, [self._section, self._state], [self._section, self._shown])

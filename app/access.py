"""The controls that say what the attacker has of the recogniser: its weights, or answers only."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from arcinvert import AccessOptions, BlackBoxAttacker
from arcinvert.access.options import FEWEST_QUERIES, QUERIES, Access

from .context import Context, on_change
from .job import Job
from .settings import number_in
from .wording import PageError

#: The choice of an attacker who has the network.
WEIGHTS = "weights"
_CHOICES = (
    ("The network itself", WEIGHTS),
    ("The template of any face", "embeddings"),
    ("How similar a face is to this person", "scores"),
    ("Whether a face is accepted as this person", "decisions"),
)
#: What the recogniser answers, in words.
ANSWERS = {
    "embeddings": "templates",
    "scores": "similarities to the person",
    "decisions": "yes or no",
}
#: Most images that an attack on this server shows; as many decisions are the default of the command line.
MAX_QUERIES = max(QUERIES.values())


@dataclass(frozen=True)
class Asked:
    """How a recogniser is asked.

    Args:
        own: The name of the attacker's own network on the page.
        options: What is asked, and how often.
    """

    own: str
    options: AccessOptions

    def attacker(self, context: Context, name: str, job: Job) -> BlackBoxAttacker:
        """Return what attacks a network of this server as a black box.

        Args:
            context: The server's context.
            name: The network's name on the page.
            job: The job, which receives how much is asked.

        Raises:
            InputError: If a network cannot be loaded.
        """
        recogniser, own = context.attacker(name).recogniser, context.attacker(self.own)
        return BlackBoxAttacker(self.options, recogniser, own=own, on_stage=job.prepare)


class AccessControls:
    """A choice of the access, and below it, without the network, the queries and the attacker's own network.

    Args:
        context: The server's context.
        name: The tab's name, which identifiers in the document end in.
    """

    def __init__(self, context: Context, name: str) -> None:
        self._context = context
        with gr.Accordion("What the attacker has", open=False, elem_classes="ai-advanced"):
            self._access = gr.Radio(
                list(_CHOICES),
                value=WEIGHTS,
                label="Access",
                info="Without the network, an attacker can show images to it",
                elem_id=f"access-{name}",
            )
            with gr.Column(visible=False) as self._more:
                self._queries = gr.Number(
                    QUERIES["embeddings"],
                    label="Queries",
                    info="How many images the recogniser is shown at most",
                    minimum=FEWEST_QUERIES,
                    maximum=MAX_QUERIES,
                    precision=0,
                    elem_id=f"queries-{name}",
                )
                self._own = gr.Dropdown(
                    [],
                    label="The attacker's own network",
                    info="Its gradients take the place of the recogniser's",
                    elem_id=f"surrogate-{name}",
                )

    @property
    def inputs(self) -> list[Any]:
        """The last inputs of `asked`."""
        return [self._access, self._queries, self._own]

    def connected(self, model: gr.Dropdown) -> list[Any]:
        """Show what an access needs, offer the networks that are not attacked, and return `inputs`."""

        def choose(access: str, name: str, own: str | None) -> tuple[Any, Any, Any]:
            number = gr.Number(value=QUERIES[access]) if access in QUERIES else gr.Number()
            return gr.Column(visible=access in QUERIES), number, self._offered(name, own)

        inputs = [self._access, model, self._own]
        on_change(self._access.input, choose, inputs, [self._more, self._queries, self._own])
        on_change(model.change, self._offered, [model, self._own], [self._own])
        return self.inputs

    def _offered(self, name: str, own: str | None) -> Any:
        """Return the networks that the attacker may have; the one that was chosen stays, if it can."""
        others = other_networks(self._context.settings.model_names(), name)
        return gr.Dropdown(choices=others, value=own if own in others else others[0])

    def asked(
        self, name: str, attack: dict[str, int], access: Access, queries: float | None, own: str | None
    ) -> Asked | None:
        """Return how the recogniser is asked; None where the attacker has it.

        Args:
            name: The network's name.
            attack: The options of the attack.
            access: What the attacker has.
            queries: How many images are shown.
            own: The attacker's own network.

        Raises:
            InputError: If a number is out of its range, or the queries are too few for the samples.
            PageError: If the attacker's own network is none, or the attacked one.
        """
        if access == WEIGHTS:
            return None
        if access not in QUERIES:
            raise PageError("Choose what the attacker has from the list.")
        number = number_in("Queries", queries, FEWEST_QUERIES, MAX_QUERIES)
        if own is None or own == name:
            raise PageError(
                "An attacker who has the attacked network needs no answers. Choose another network as the "
                "attacker's own."
            )
        options = AccessOptions(access=access, queries=number, surrogate=self._context.settings.model(own))
        options.for_estimate(attack["samples"])
        return Asked(own, options)


def other_networks(names: Sequence[str], attacked: str) -> list[str]:
    """Return the networks that are not the attacked one."""
    return [name for name in names if name != attacked]


def answered(access: dict[str, Any]) -> str:
    """Return how a recogniser was asked, as a paragraph; nothing where the attacker had it.

    Args:
        access: What the result says of the access.
    """
    if access["kind"] == WEIGHTS:
        return ""
    kind, count = access["kind"], access["queries"]["count"]
    explained = (access["map"] or {}).get("explained_variance")
    share = "" if explained is None else f"; it explains {explained:.0%} of the variance of those templates"
    words = (
        f"The attacker did not have the recogniser: it was shown {count:,} images and answered with "
        f"{ANSWERS[kind]}. The gradients are those of the attacker's own network, "
        f"{access['surrogate']['name']}{share}."
    )
    return f'<p class="ai-leaves">{escape(words)}</p>'

"""The tab that the page opens with: a finished result, people to try it with, and an upload."""

from typing import Any

import gradio as gr

from recognition.loading import BUNDLED

from ..context import Context, on_change
from ..jobs import REPLACED
from ..opening import Opening, example_view, people_view
from ..upload import Upload, photograph_input
from .identity import IdentityTab
from .photograph import IN_TURN, PhotographTab

#: Passes the person of the button that was clicked to the handler.
_CLICKED = (
    "element.addEventListener('click', event => { const button = event.target.closest('[data-person]'); "
    "if (button) trigger('click', {person: button.dataset.person}); });"
)
#: Starts the attack on the tab of identities.
_START = "() => { window.arcinvert.press('start-identity'); return []; }"


class StartTab:
    """Lays out the tab; `connect` connects it with the tabs that it leads to.

    Args:
        context: The server's context.
        opening: What was made beforehand.
    """

    def __init__(self, context: Context, opening: Opening) -> None:
        self._context = context
        self._choices = [person.choice for person in opening.people]
        gr.HTML(example_view(opening))
        self._people = gr.HTML(people_view(opening), js_on_load=_CLICKED, elem_id="people")
        gr.HTML('<h2 class="ai-title">Or with a photograph of your own</h2>')
        self._upload = photograph_input(
            label="Photograph of you, or of somebody who agrees",
            sources=["upload", "clipboard", "webcam"],
            height=200,
            buttons=[],
            elem_id="own-photograph",
        )

    def connect(
        self, tabs: gr.Tabs, model: gr.Dropdown, identity: IdentityTab, photograph: PhotographTab
    ) -> None:
        """Connect the people with the tab of identities, and the upload with that of photographs.

        Args:
            tabs: The page's tabs.
            model: The control with the network's name.
            identity: The tab of identities.
            photograph: The tab of photographs.
        """

        def choose(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
            # Only the page's own buttons name somebody; a call without a name changes nothing.
            person = event._data.get("person") if isinstance(event._data, dict) else None
            if person not in self._choices:
                return gr.Tabs(), gr.Dropdown(), gr.Dropdown()
            # The start button is free as soon as what ran before has ended.
            self._context.jobs.abandon(request.session_hash, REPLACED)
            return gr.Tabs(selected="identity"), BUNDLED, person

        chosen = self._people.click(
            choose,
            None,
            [tabs, model, identity.wanted],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        chosen.then(None, None, None, js=_START, api_visibility="private")
        # Another network may have been chosen before.
        on_change(chosen.then, identity.list_classes, *identity.listing)

        def receive(sent: Upload | None, name: str) -> dict[Any, Any]:
            if sent is None:
                return {self._upload: None}
            return {self._upload: None, tabs: gr.Tabs(selected="photograph")} | photograph.receive(sent, name)

        outputs = [self._upload, tabs, *photograph.outputs]
        received = on_change(self._upload.input, receive, [self._upload, model], outputs, in_turn=IN_TURN)
        photograph.panel.follow(received.then)

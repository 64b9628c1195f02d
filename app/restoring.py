"""The state of the page in its address, and the latest result, when the page is loaded."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import gradio as gr

from recognition.loading import BUNDLED

from .address import CORRECT, PLACE, read_place, remember, remember_tab, unusable
from .context import Context, on_change
from .html import problem
from .kept import Kept
from .tabs.identity import IdentityTab
from .tabs.photograph import PhotographTab


class Restorable(Protocol):
    """A tab whose latest result is shown again when the page is loaded again."""

    #: The tab's name in the address, and among the kept results.
    name: str

    @property
    def restored_outputs(self) -> list[Any]:
        """The outputs of `restored`."""
        ...

    def restored(self, kept: Kept, key: str, network: str) -> dict[Any, Any]:
        """Return the updates that show a result again.

        Args:
            kept: The result.
            key: Its key.
            network: The name of the network that is chosen.
        """
        ...


def connect_address(
    context: Context,
    page: gr.Blocks,
    tabs: gr.Tabs,
    places: Mapping[str, gr.Tab],
    model: gr.Dropdown,
    people: IdentityTab,
    photographs: PhotographTab,
    notice: gr.HTML,
    others: Sequence[Restorable] = (),
) -> Any:
    """Write the state into the address, and restore it and the latest result when the page is loaded.

    What of the address cannot be used stands in `notice`.

    Return the event of the restoration.
    """
    query, key = gr.Textbox(visible=False), gr.Textbox(visible=False)
    panels = (people.panel, photographs.panel)
    restorable: tuple[Restorable, ...] = (people, photographs, *others)

    def restore(query: str | None, key: str | None) -> dict[Any, Any]:
        networks = context.settings.model_names()
        place = read_place(query or "", list(places), networks)
        updates: dict[Any, Any] = {}
        if sentences := unusable(query or "", networks):
            updates[notice] = problem(" ".join(sentences))
        if place.tab is not None:
            updates[tabs] = gr.Tabs(selected=place.tab)
        if place.network is not None:
            updates[model] = place.network
        if place.person is not None:
            updates[people.wanted] = place.person
        if place.seed is not None:
            updates |= {panel.seed: place.seed for panel in panels}
        if (kept := context.kept.get(key or "")) is not None:
            owner = next(one for one in restorable if one.name == kept.tab)
            updates |= owner.restored(kept, key or "", place.network or BUNDLED)
        # Gradio expects an update of something.
        return updates or {model: gr.Dropdown()}

    results = [output for one in restorable for output in one.restored_outputs]
    restored = page.load(
        restore,
        [query, key],
        [notice, tabs, model, people.wanted, *(panel.seed for panel in panels), *results],
        js=PLACE,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    # The address may name another person or network than those of the result.
    for panel in panels:
        panel.follow(changes=(restored.then,))
    restored.then(None, [model, people.panel.seed], None, js=CORRECT, api_visibility="private")
    for event in (model.input, people.panel.seed.input):
        on_change(event, lambda: "", [], [notice])
    _write_address(places, model, people, photographs)
    return restored


def _write_address(
    places: Mapping[str, gr.Tab], model: gr.Dropdown, people: IdentityTab, photographs: PhotographTab
) -> None:
    """Write what is chosen into the address."""
    for name, tab in places.items():
        tab.select(None, None, None, js=remember_tab(name), api_visibility="private")
    for name, control in (
        ("network", model),
        ("person", people.wanted),
        ("seed", people.panel.seed),
        ("seed", photographs.panel.seed),
    ):
        control.change(None, [control], None, js=remember(name), api_visibility="private")

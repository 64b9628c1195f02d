"""A page without a browser: what its script does, so that tests see which components show what."""

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.app_load import Visitor, page_config
from tests.app.conftest import Server


class Caller(Visitor):
    """Calls handlers as the page's script does, with the handlers that follow, and keeps what they return.

    Args:
        server: The running page.
    """

    def __init__(self, server: Server) -> None:
        address = server.address.rstrip("/")
        super().__init__(address, page_config(address))
        self._props = {one["id"]: dict(one["props"]) for one in self._config["components"]}
        self._parents = dict(_parents(self._config["layout"]))

    def do(self, elem_id: str, event: str, **given: Any) -> list[dict[int, Any]]:
        """Call the handlers of an element's event, keep their updates, and return them in their order.

        Args:
            elem_id: The element.
            event: The event.
            given: Values of controls by their label or identifier, which stay; others are as they are.
        """
        self.set(**given)
        target, started = self._handlers(elem_id, event)
        return [update for one in started for update in self._carry_out(one, target)]

    def set(self, **given: Any) -> None:
        """Set controls by their label or identifier, without their events."""
        for props in self._props.values():
            for name in (props.get("label"), props.get("elem_id")):
                if name in given:
                    props["value"] = given[name]

    def begin(self, elem_id: str, event: str, event_data: Any = None) -> Iterator[str]:
        """Call the handlers of an element's event, and return the messages to come."""
        target, started = self._handlers(elem_id, event)
        for one in started:
            self._join(one, target, event_data)
        return self.listen()

    def _handlers(self, elem_id: str, event: str) -> tuple[int, list[dict[str, Any]]]:
        (target,) = [cid for cid, props in self._props.items() if props.get("elem_id") == elem_id]
        started = [
            one
            for one in self._config["dependencies"]
            if one["backend_fn"] and [target, event] in one["targets"]
        ]
        assert started, f"nothing happens at {event} of {elem_id}"
        return target, started

    def load(self, query: str = "", key: str = "") -> None:
        """Open the page at an address, with the key of the latest result."""
        (first, *_) = [
            one
            for one in self._config["dependencies"]
            if one["backend_fn"] and any(name == "load" for _, name in one["targets"]) and len(one["inputs"])
        ]
        for cid, value in zip(first["inputs"], (query, key), strict=True):
            self._props[cid]["value"] = value
        self._carry_out(first, first["targets"][0][0])

    def value(self, elem_id: str) -> Any:
        """Return the value of an element."""
        return next(props.get("value") for props in self._props.values() if props.get("elem_id") == elem_id)

    def seen(self) -> str:
        """Return the HTML of everything that is visible, whichever tab it is on."""
        return "\n".join(
            str(props.get("value") or "")
            for cid, props in self._props.items()
            if self._kind(cid) == "html" and self._is_visible(cid)
        )

    def choices(self, elem_id: str) -> list[tuple[str, str]]:
        """Return the choices of an element, each with its label."""
        (props,) = [props for props in self._props.values() if props.get("elem_id") == elem_id]
        return [(label, value) for label, value in props["choices"]]

    def stop(self, start: str) -> None:
        """Press the button that stops what another one starts, without waiting for the end."""
        self.begin(f"stop-{start}", "click")

    def _kind(self, cid: int) -> str:
        return str(next(one["type"] for one in self._config["components"] if one["id"] == cid))

    def _is_visible(self, cid: int | None) -> bool:
        while cid is not None:
            if self._props.get(cid, {}).get("visible", True) is False:
                return False
            cid = self._parents.get(cid)
        return True

    def _join(self, handler: dict[str, Any], target: int, event_data: Any = None) -> None:
        body = {
            "data": [self._props[cid].get("value") for cid in handler["inputs"]],
            "event_data": event_data,
            "fn_index": handler["id"],
            "session_hash": self.session,
            "trigger_id": target,
        }
        self._post("/gradio_api/queue/join", json.dumps(body).encode(), "application/json")

    def _carry_out(self, handler: dict[str, Any], target: int) -> list[dict[int, Any]]:
        self._join(handler, target)
        updates = []
        for message in self.listen():
            event = json.loads(message.removeprefix("data:"))
            if event["msg"] == "process_completed":
                assert event["success"], event["output"]
                updates.append(dict(zip(handler["outputs"], event["output"]["data"], strict=True)))
        for update in updates:
            self._keep(update)
        for one in self._config["dependencies"]:
            if one["trigger_after"] == handler["id"] and one["backend_fn"]:
                updates += self._carry_out(one, target)
        return updates

    def _keep(self, update: dict[int, Any]) -> None:
        for cid, value in update.items():
            if isinstance(value, dict) and value.get("__type__") == "update":
                self._props[cid] |= {name: one for name, one in value.items() if name != "__type__"}
            else:
                self._props[cid]["value"] = value


def _parents(layout: dict[str, Any], above: int | None = None) -> list[tuple[int, int | None]]:
    found = [(layout["id"], above)]
    for child in layout.get("children") or ():
        found += _parents(child, layout["id"])
    return found

"""The state of the page in its address: tab, network, person and seed.

An address can be shared. No result is in it: the browser keeps the key of the visitor's own latest one
as long as its window is open.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs

from .settings import MAX_SEED

#: JavaScript: the address and the key of the latest result.
PLACE = "() => window.arcinvert.place()"
#: JavaScript: what the address says of network and seed becomes what is chosen, if it was something else.
CORRECT = "(network, seed) => window.arcinvert.correct({ network, seed })"
#: Characters of a value that are read.
_LONGEST = 200


@dataclass(frozen=True)
class Place:
    """What an address says; None where it says nothing that can be used."""

    tab: str | None = None
    network: str | None = None
    person: str | None = None
    seed: int | None = None


def read_place(query: str, tabs: list[str], networks: list[str]) -> Place:
    """Return what an address says.

    Args:
        query: The part of the address from the question mark.
        tabs: The names of the tabs; others are ignored, and so is the first one, with which the page opens:
            a visitor may have chosen another one before the answer arrives.
        networks: The networks that can be chosen; others are ignored.
    """
    values = _values(query)
    tab, network, seed = values.get("tab"), values.get("network"), values.get("seed", "")
    usable = seed.isascii() and seed.isdecimal() and int(seed) <= MAX_SEED
    return Place(
        tab if tab in tabs[1:] else None,
        network if network in networks else None,
        values.get("person"),
        int(seed) if usable else None,
    )


def unusable(query: str, networks: list[str]) -> list[str]:
    """Return sentences on what an address says that cannot be used.

    Args:
        query: The part of the address from the question mark.
        networks: The networks that can be chosen.
    """
    place, values = read_place(query, [], networks), _values(query)
    found = []
    if "network" in values and place.network is None:
        found.append(
            f"The network {values['network']} of this address is not on the server. {networks[0]} is chosen."
        )
    if "seed" in values and place.seed is None:
        found.append(f"The seed {values['seed']} of this address is no whole number from 0 up. It is 0 now.")
    return found


def _values(query: str) -> dict[str, str]:
    return {name: found[0][:_LONGEST] for name, found in parse_qs(query.removeprefix("?")).items()}


def remember(name: str) -> str:
    """Return JavaScript that writes a control's value into the address under a name."""
    return f"value => window.arcinvert.remember('{name}', value)"


def remember_tab(tab: str) -> str:
    """Return JavaScript that writes the name of a tab into the address."""
    return f"() => window.arcinvert.remember('tab', '{tab}')"

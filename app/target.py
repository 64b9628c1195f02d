"""Whom an attack is on, so that no result stands below somebody else's name or photograph."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Target:
    """Whom an attack is on.

    Args:
        network: The name of the attacked network on the page.
        key: Differs for two targets of a network, however they were chosen.
        name: What people call the target.
        detail: What else is known of it, in a few words; empty if nothing is.
    """

    network: str
    key: str
    name: str
    detail: str = ""

    def is_same(self, other: "Target | None") -> bool:
        """Return whether another target is this one."""
        return other is not None and (self.network, self.key) == (other.network, other.key)


def title(target: Target, seed: int) -> str:
    """Return the title above the faces of an attack: the person's name, and what else made the faces.

    Args:
        target: Whom the attack is on.
        seed: Its seed.
    """
    words = ", ".join(part for part in (target.detail, f"network {target.network}", f"seed {seed}") if part)
    return (
        f'<h2 class="ai-title ai-target">{escape(target.name)}</h2><p class="ai-note">'
        f"{escape(words[:1].upper() + words[1:])}</p>"
    )

"""Where a network came from, and what its file leaves open."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where a network came from.

    Args:
        path: Its file, or the factory that built it.
        sha256: Hexadecimal SHA-256 of the file; empty without one.
        architecture: Family and size, for reports.
        format: Kind of file.
        reason: Why this preprocessing is assumed.
        readings: Values of `--preset` between which the file does not decide, the assumed one first; empty
            where it does.
        output: The output that is the embedding, of a network with several; empty with one.
    """

    path: str = ""
    sha256: str = ""
    architecture: dict[str, Any] = field(default_factory=dict)
    format: str = ""
    reason: str = ""
    readings: tuple[str, ...] = ()
    output: str = ""

    @property
    def fingerprint(self) -> str:
        """The name of the network in files made for it: its SHA-256, with a colon and its output if several.

        Empty for a network without a file.
        """
        return f"{self.sha256}:{self.output}" if self.sha256 and self.output else self.sha256

    @property
    def assumption(self) -> str | None:
        """What is assumed of the preprocessing though the file does not decide it, as a clause; else None."""
        if not self.readings:
            return None
        assumed, *others = self.readings
        return (
            f"its file does not say how images are prepared: {assumed} is assumed, and {' or '.join(others)} "
            "fits as well"
        )


def short_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint as messages show it: the first digits, and the output."""
    digest, colon, output = fingerprint.partition(":")
    return f"{digest[:12]}{colon}{output[:40]}"

"""Pictures of some of the people, if they may be shown."""

from collections.abc import Sequence
from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Picture, Pictures


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section of a report without pictures."""
    return [
        Paragraph(
            "This report shows no pictures; --pictures reconstructions or all shows those of some people."
        )
    ]


def sheet(shown: Sequence[Picture]) -> list[Block]:
    """Return the section with its contact sheet."""
    caption = (
        "The people most at risk, in the middle, and least at risk. A reconstruction shows what a network "
        "knows, not what a person looks like; it is biometric data all the same."
    )
    return [Pictures(caption, tuple(shown))]

"""A report in other words, for readers who do not use the command line."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from arcinvert.audit.report.document import Block, Code, Figure, Pictures

#: What has no sentences, or is to be copied as it is.
_AS_IT_IS = (Code, Figure, Pictures)


def reworded(blocks: Sequence[Block], reword: Callable[[str], str]) -> list[Block]:
    """Return blocks whose sentences are what a function makes of them.

    Args:
        blocks: Those of a report.
        reword: Returns a sentence in other words.
    """

    def changed(value: Any) -> Any:
        if isinstance(value, str):
            return reword(value)
        return tuple(map(changed, value)) if isinstance(value, tuple) else value

    return [
        block
        if isinstance(block, _AS_IT_IS)
        else dataclasses.replace(
            block, **{field.name: changed(getattr(block, field.name)) for field in dataclasses.fields(block)}
        )
        for block in blocks
    ]

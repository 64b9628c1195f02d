"""A class of options with every kind of field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recognition.config import check, option


@dataclass(frozen=True)
class Inner:
    """Options in a table."""

    rate: float | None = option(help="the rate", above=0)
    weights: dict[str, float] = option({}, help="weights by name")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Options:
    """One option of every kind."""

    steps: int = option(10, help="the number of steps", group="length", minimum=1)
    rate: float | None = option(help="the rate of 100 %", group="length", above=0, maximum=2)
    fraction: float = option(0.5, help="a fraction", minimum=0, below=1)
    flip: bool | None = option(help="whether to mirror")
    name: str = option("plain", help="the name")
    level: Literal["low", "high"] = option("low", help="the level")
    part: str | None = option(help="the part", choices=("one", "two"))
    folder: Path | None = option(help="the folder")
    sizes: tuple[int, ...] = option((), help="the sizes", minimum=1)
    weights: dict[str, float | None] = option({}, help="weights by name", minimum=0)
    inner: Inner = option(Inner(), help="options in a table")
    offset: float = option(0.0, help="an offset", flag="--moved-by", metavar="PIXELS")

    def __post_init__(self) -> None:
        check(self)

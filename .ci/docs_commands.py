"""Print the commands of a page's code blocks, so that CI runs what the documentation promises.

    python .ci/docs_commands.py README.md --under Install      the blocks below one heading
    python .ci/docs_commands.py README.md --skip Install Tests the blocks below all other headings
    python .ci/docs_commands.py docs/attacking.md              all blocks of the page, in their order
    python .ci/docs_commands.py --pages                        the pages of docs/ that have such blocks

Blocks marked `sh` are run as they are, those marked `python` as scripts. Blocks marked `console` show
commands that need data or time, and are not run. Blocks with a title show files; the tests add those to
a copy of the project.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: The delimiter of a python block's here-document.
_END = "END_OF_PYTHON_BLOCK"


@dataclass(frozen=True)
class Block:
    """One fenced code block.

    Args:
        info: What follows the opening fence, such as `sh` or `python title="file.py"`.
        text: Its lines, each with a line break.
        headings: The headings that it stands under, the outermost first.
        line: The line of its opening fence, from 1.
    """

    info: str
    text: str
    headings: tuple[str, ...]
    line: int

    def commands(self) -> str | None:
        """Return what a shell runs for this block, or None if it is not one to run."""
        if self.info == "sh":
            return self.text
        if self.info == "python":
            return f"python - <<'{_END}'\n{self.text}{_END}\n"
        return None


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced code blocks of a Markdown file; a fence may be indented.

    Raises:
        SystemExit: If a fence is not closed.
    """
    headings: list[str] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        if heading := re.match(r"(#+) (.*?)\s*$", lines[number]):
            headings[len(heading[1]) - 1 :] = [heading[2]]
        if fence := re.match(r"(\s*)```(\S.*?)\s*$", lines[number]):
            begin = number
            number += 1
            while number < len(lines) and lines[number].strip() != "```":
                number += 1
            if number == len(lines):
                sys.exit(f"{page}: expected an end of the code block that begins in line {begin + 1}")
            text = "".join(f"{line.removeprefix(fence[1])}\n" for line in lines[begin + 1 : number])
            yield Block(fence[2], text, tuple(headings), begin + 1)
        number += 1


def commands(page: Path, *, under: str | None = None, skip: Sequence[str] = ()) -> str:
    """Return the commands of a page's blocks, in their order.

    Args:
        under: Take only the blocks below this heading.
        skip: Leave out the blocks below these headings.

    Raises:
        SystemExit: If there is no command, or no block below a heading of `skip`.
    """
    runnable = [(block, text) for block in blocks(page) if (text := block.commands()) is not None]
    for heading in skip:
        if not any(heading in block.headings for block, _ in runnable):
            sys.exit(f"{page}: expected a sh or python block under the heading {heading!r}, found none")
    chosen = [
        text
        for block, text in runnable
        if (under is None or under in block.headings) and not set(skip) & set(block.headings)
    ]
    if not chosen:
        where = "" if under is None else f" under the heading {under!r}"
        sys.exit(f"{page}: expected a sh or python block{where}, found none")
    return "".join(chosen)


def pages() -> list[Path]:
    """Return the pages of docs/ whose blocks are run: they have commands, and no block that shows a file."""
    found = []
    for page in sorted(ROOT.joinpath("docs").rglob("*.md")):
        contents = list(blocks(page))
        shows_files = any("title=" in block.info for block in contents)
        if not shows_files and any(block.commands() for block in contents):
            found.append(page)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the commands of a page's code blocks.")
    parser.add_argument("page", nargs="?", type=Path, help="a Markdown file")
    parser.add_argument("--under", metavar="HEADING", help="take only the blocks below this heading")
    parser.add_argument(
        "--skip", metavar="HEADING", nargs="+", default=(), help="leave out the blocks of these"
    )
    parser.add_argument("--pages", action="store_true", help="list the pages of docs/ that have commands")
    given = parser.parse_args()
    if given.pages:
        print("\n".join(str(page.relative_to(ROOT)) for page in pages()))
    elif given.page is None:
        parser.error("expected a page or --pages")
    else:
        print(commands(given.page, under=given.under, skip=given.skip), end="")


if __name__ == "__main__":
    main()

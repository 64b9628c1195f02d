"""Print the commands of one of the README's `sh` blocks, by the heading that it stands under.

python .ci/readme_commands.py "Install"
"""

import re
import sys
from pathlib import Path


def commands(heading: str) -> list[str]:
    """The lines of the first `sh` block under `## heading`; exits where there is none."""
    text = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    section = re.search(rf"^##+ {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    block = re.search(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL) if section else None
    if block is None:
        sys.exit(f"README: expected a sh block under the heading {heading!r}, found none")
    return block[1].splitlines()


if __name__ == "__main__":
    print("\n".join(commands(sys.argv[1])))

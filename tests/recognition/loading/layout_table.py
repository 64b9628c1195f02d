"""The files that public projects write, and what each is to be taken for. `docs/public-files.md` shows it.

python -m tests.recognition.loading.layout_table     prints the page's table
"""

from tests.recognition.loading.body_layouts import of_bodies, of_small_networks
from tests.recognition.loading.iresnet_layouts import of_arcface_torch, of_iresnets_elsewhere
from tests.recognition.loading.layout_row import Loaded, Refused

LAYOUTS = [*of_arcface_torch(), *of_iresnets_elsewhere(), *of_bodies(), *of_small_networks()]


def table() -> str:
    """Return the table of the documentation."""
    lines = ["| project | file | taken for |", "|---|---|---|"]
    for row in LAYOUTS:
        lines.append(f"| {row.project} | {row.file} | {_words(row.expected)} |")
    return "\n".join(lines)


def _words(expected: Loaded | Refused) -> str:
    if isinstance(expected, Refused):
        return f"refused: {expected.reason}"
    parts = [f"{expected.network}, {expected.size} pixels, `{expected.preset}`, {expected.dim} dimensions"]
    if expected.classes is not None:
        parts.append(f"{expected.classes:,} class centres")
    if expected.ambiguous:
        parts.append("*ambiguous*: or " + " or ".join(f"`{name}`" for name in expected.ambiguous[1:]))
    return "; ".join(parts)


if __name__ == "__main__":
    print(table())

"""Files that come with the page, wherever this package is installed."""

from importlib.resources import files


def data(name: str) -> bytes:
    """Return the content of a file in the folder `data`."""
    return (files(__package__) / "data" / name).read_bytes()


def style() -> str:
    """Return the style sheet of the page."""
    return (files(__package__) / "style.css").read_text(encoding="utf-8")


def script() -> str:
    """Return the script of the page."""
    return (files(__package__) / "script.js").read_text(encoding="utf-8")

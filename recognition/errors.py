"""The error tree of recognising faces; `arcinvert.errors` hangs below it."""


class InputError(ValueError):
    """Something given from outside is wrong: says what was expected, what came, what to do."""


class NoFaceError(InputError):
    """The detector found no face in a photograph."""


def one_line(error: Exception) -> str:
    """Another library's message in one line, cut to what a terminal shows."""
    return " ".join(str(error).split())[:200]

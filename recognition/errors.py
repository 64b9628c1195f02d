"""The errors that users cause, in one tree.

    ValueError
    └── InputError        something given from outside cannot be used
        ├── NoFaceError   the detector found no such face in a photograph
        └── NotFiniteError  a network computed values that are no numbers

Every message is one line of the form "what: expected X, got Y; what to do". The command line prints it and
exits with code 2; any other exception is a bug and keeps its traceback.

An `InputWarning` says what is assumed where a file leaves it open. The command line prints it in one line.
"""


class InputError(ValueError):
    """An option, a file or an argument that cannot be used."""


class NoFaceError(InputError):
    """A photograph in which the detector found no face, or fewer faces than were asked for."""


class NotFiniteError(InputError):
    """Values of a network that are infinite or not a number."""


class InputWarning(UserWarning):
    """A file leaves something open that decides results; the message says what is assumed, and what to do."""


def one_line(error: Exception) -> str:
    """Return another library's message in one line of at most 200 characters; without one, its type."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that a device, or the machine, has no room for a tensor or a library."""
    if isinstance(error, MemoryError):
        return True
    # torch's allocators raise RuntimeErrors with these words, the loader of libraries the two others.
    words = ("not enough memory", "allocate memory", "out of memory", "bad_alloc", "failed to map segment")
    known = isinstance(error, RuntimeError | ImportError | OSError)
    return known and any(one in str(error).lower() for one in words)

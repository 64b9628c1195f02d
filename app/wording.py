"""Errors in the language of the page: without options of the command line, commands and names of code."""

import re

from recognition.errors import InputError


class PageError(InputError):
    """An error whose message is a sentence of the page already."""


#: What the messages of the package become on the page; groups are filled in.
_REPLACED: tuple[tuple[str, str], ...] = (
    (
        r"class id: expected 0 to (\d+), got (.+)",
        r"This network has nobody with the number \2. Its people have the numbers 0 to \1.",
    ),
    (
        r"class name: expected one of the network's [\d,]+, got '?(.+?)'?; the nearest: (.+)",
        r"This network does not know \1. The most similar names that it knows are \2.",
    ),
    (
        r"class name: expected one of the network's [\d,]+, got '?(.+?)'?; the nearest: ?",
        r"This network does not know \1. Choose somebody from the list.",
    ),
    (
        r"class name: expected one class, '?(.+?)'? fits \d+ \((.+)\); .*",
        r"\1 fits several people: \2. Choose one of them from the list.",
    ),
    (
        r"class name: expected a class number, got .*",
        r"The people of this network have no names. Type a number.",
    ),
    (
        r"(.+): expected a network with class centres, got a backbone alone.*",
        r"The network \1 keeps no identities, so there is nobody to choose. It can be attacked with a "
        r"photograph, on the tab 'From a photograph'.",
    ),
)
#: What no visitor can follow: options, commands, calls and files of code.
_TECHNICAL = re.compile(
    r"--[a-z]|\barcinvert [a-z]|\bpip install\b|\bfrom[-_](?:image|embedding|crops)\b|\w+\(\)|numpy|\.toml\b"
)


def for_page(error: InputError) -> str:
    """Return the message of an error as the page shows it.

    Args:
        error: The error, whose message says what was expected, what was given, and what to do.
    """
    message = str(error)
    if isinstance(error, PageError):
        return message
    for pattern, replacement in _REPLACED:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return found.expand(replacement)
    what, separator, advice = message.partition("; ")
    if separator and not _TECHNICAL.search(advice):
        what = f"{what}. {advice[:1].upper()}{advice[1:]}"
    # An option that is left is named without its dashes.
    plain = re.sub(r"--([a-z][a-z-]*)", lambda found: found[1].replace("-", " "), what)
    plain = plain[:1].upper() + plain[1:] if re.match(r"[a-z ]+: ", plain) else plain
    return plain if plain.endswith((".", "?", "!")) else plain + "."

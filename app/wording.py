"""Errors in the language of the page: without options of the command line, commands and names of code."""

import ast
import difflib
import re
from collections.abc import Sequence

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
    (
        r"overlap: expected public faces of other people, got .+ \(the first: .+",
        # No name: visitors read pseudonyms.
        r"Some of the people in the folder are among the faces that the attacker knows already, so that the "
        r"figures would be too high. Choose another network, or another seed, which draws other people.",
    ),
    (
        r"overlap: expected public faces of other people, got .+",
        r"This photograph is among the faces that the attacker knows already, so that the result would prove "
        r"nothing. Choose another photograph.",
    ),
    (
        r"(.+): expected an image \((.+)\), got something else; .+",
        r"\1: this is not a photograph that can be read. \2 and HEIC can.",
    ),
    (
        r"(.+): expected a face, the detector found none; .+",
        r"No face was found in \1. Choose a clear frontal photograph.",
    ),
    (
        r"(.+): expected at most (\d+) MB, got more; .+",
        r"\1 is larger than \2 MB. Choose a smaller file.",
    ),
    (
        r"(.+): expected at most ([\d,]+) pixels, got .+; .+",
        r"\1 has more than \2 pixels. Choose a smaller photograph.",
    ),
    (
        r"([A-Z][a-z]+): expected a ((?:whole )?number from -?\d+ (?:to \d+|up)), got nothing",
        r"\1 is empty. Type a \2.",
    ),
    (
        r"([A-Z][a-z]+): expected a ((?:whole )?number from -?\d+ (?:to \d+|up)), got (.+)",
        r"\1 must be a \2, not \3.",
    ),
    (
        r"(.+): expected the JSON of a finished audit, got .+",
        r"\1 is not the audit.json of a finished audit.",
    ),
    (
        r"(.+): expected a finished audit of (.+), got (.+); audit again",
        r"\1: this page reads finished audits of the form \2, not \3. Make the audit again.",
    ),
    (
        r"Report: expected one audit\.json, and at most one HTML file; .+",
        r"Choose one audit.json, and no more than one HTML file beside it.",
    ),
    (r"(\S+): expected (-?[\d.]+ to -?[\d.]+), got (.+)", r"\1 must be from \2, not \3."),
)
#: What the package says where a network does not know a name, as Python writes texts.
_UNKNOWN = re.compile(
    r"class name: expected one of the network's [\d,]+, got (.+); the nearest: ?(.*)", re.DOTALL
)
#: Least likeness of a name that is suggested, of 1.
_ALIKE = 0.6
#: What no visitor can follow: options, commands, calls and files of code.
_TECHNICAL = re.compile(
    r"--[a-z]|\barcinvert [a-z]|\bpip install\b|\bfrom[-_](?:image|embedding|crops)\b|\w+\(\)|numpy|\.toml\b"
)


#: The end of a report's sentence, or what is in brackets, that is about the command line.
_ADVICE = re.compile(r"(?:; [^;.]*| \([^()]*)(?:--[a-z]|\bpip install\b)[^;()]*?(?=\.?$|\))\)?")


def report_words(sentence: str) -> str:
    """Return a sentence of an audit's report as the page shows it."""
    return _ADVICE.sub("", sentence)


def _unknown(wanted: str, nearest: Sequence[str]) -> str:
    """Return what the page says where a network does not know a name.

    Args:
        wanted: The name.
        nearest: The names most like it.
    """
    # It imports torch, which the command line does without.
    from arcinvert.subjects import plain_name

    plain = plain_name(wanted)
    names = [
        name.replace("_", " ")
        for name in nearest
        if set(plain.split()) & set(plain_name(name).split())
        or difflib.SequenceMatcher(None, plain, plain_name(name)).ratio() >= _ALIKE
    ]
    if not names:
        return f"This network does not know {wanted}. Choose somebody from the list."
    some = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"This network does not know {wanted}. Names like it that it knows: {some}."


def for_page(error: InputError) -> str:
    """Return the message of an error as the page shows it.

    Args:
        error: The error, whose message says what was expected, what was given, and what to do.
    """
    message = str(error)
    if isinstance(error, PageError):
        return message
    if found := _UNKNOWN.fullmatch(message):
        return _unknown(ast.literal_eval(found[1]), ast.literal_eval(f"[{found[2]}]"))
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

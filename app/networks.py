"""The choice of the network that is attacked, in words for those who know none of them."""

from collections.abc import Iterator, Sequence

from arcinvert.attacked import assumption_notes
from recognition.bundled import BUNDLED, UNDISTILLED

from .context import Context, attempt
from .html import note

#: What the bundled networks are called, and what they learned from; others are called by their files' names.
_BUNDLED = {
    BUNDLED: ("The standard one", ", and has learned from a larger recogniser too"),
    UNDISTILLED: ("A simpler one", ", by photographs of them alone"),
}
#: Where attacks run, by the kind of the device.
_DEVICES = {"cpu": "the processor (CPU)", "cuda": "the graphics card (GPU)", "mps": "the graphics chip (GPU)"}


def network_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return what the list of networks shows, each with the network's name."""
    return [(f"{_BUNDLED[name][0]} ({name})" if name in _BUNDLED else name, name) for name in names]


def descriptions(context: Context, name: str) -> Iterator[str]:
    """Yield what is said of the chosen network: that it is loaded, which may take long, then what it knows.

    Without the first, the words about the network before would stand below the new one's name.
    """
    yield note(f"Loading the recogniser {name}.")
    yield describe(context, name)


def describe(context: Context, name: str) -> str:
    """Return what the chosen network knows, and where attacks on it run, as a paragraph."""

    def work() -> str:
        attacker = context.attacker(name)
        centres, kind = attacker.recogniser.centres, attacker.device.type
        knows = (
            "keeps no list of people, so that it can be attacked with a photograph alone"
            if centres is None
            else f"was trained to tell {len(centres):,} people apart{_BUNDLED.get(name, ('', ''))[1]}"
        )
        where = f"Attacks on it run on {_DEVICES.get(kind, kind)} of this server."
        # What its file leaves open changes every figure.
        assumed = " ".join(assumption_notes(attacker.recogniser))
        return note(f"The recogniser {attacker.recogniser.name} {knows}. {where} {assumed}".strip())

    described, message = attempt(work)
    return described or message

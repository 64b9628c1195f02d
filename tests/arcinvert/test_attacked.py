"""How results describe the attacked network."""

from torch import nn

from arcinvert.attacked import assumption_notes
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source


def network(*readings: str) -> Recogniser:
    source = Source(readings=readings)
    return Recogniser(nn.Flatten(), name="mine", preprocessing=Preprocessing(), source=source)


def test_what_a_file_leaves_open_is_one_sentence() -> None:
    assert assumption_notes(network()) == []
    (sentence,) = assumption_notes(network("insightface", "adaface", "channels=RGB"))
    assert sentence.startswith("mine: its file does not say how images are prepared: insightface is assumed")
    assert "adaface or channels=RGB fits as well" in sentence
    assert "--preset" in sentence

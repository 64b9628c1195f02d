"""What the figures of an audit rest on."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from torch import nn

from arcinvert.audit.findings import assumptions
from arcinvert.evaluation.judges import DlibJudge, RecogniserJudge
from recognition.recogniser import Recogniser
from recognition.source import Source


def test_assumptions_about_the_attacked_network_and_about_judges_are_told() -> None:
    open_source = Source(readings=("insightface", "adaface"))
    attacked, sure = (
        Recogniser(nn.Flatten(), name=name, source=open_source) for name in ("attacked", "sure")
    )
    sure.source = replace(open_source, readings=())
    judge = RecogniserJudge(Recogniser(nn.Flatten(), name="judge", source=open_source))
    inputs: Any = SimpleNamespace(recogniser=attacked, judges=[DlibJudge(), RecogniserJudge(sure), judge])
    notes = assumptions(inputs)
    assert [note.partition(":")[0] for note in notes] == ["attacked", "judge"]
    inputs = SimpleNamespace(recogniser=sure, judges=[])
    assert assumptions(inputs) == []

"""Verdicts as badges and as a sentence."""

from typing import Any

import pytest

from app.badges import NO_FACE, headline, is_accepted, verdict_badge


def verdict(lenient: bool, strict: bool, *, face: bool = True) -> dict[str, Any]:
    return {"accepted": {"0.01": lenient, "0.001": strict}, "face_detected": face}


UNJUDGED = {"accepted": None, "face_detected": True}


@pytest.mark.parametrize(
    ("judge", "words", "style"),
    [
        (verdict(True, True), "accepted at 1 in 1,000", "ai-accepted"),
        (verdict(True, False), "accepted at 1 in 100", "ai-accepted-lenient"),
        (verdict(False, False), "not accepted", "ai-rejected"),
        (UNJUDGED, "not judged", "ai-unknown"),
        (verdict(True, True, face=False), NO_FACE, "ai-unknown"),
        (verdict(False, False, face=False), NO_FACE, "ai-unknown"),
    ],
)
def test_badges(judge: dict[str, Any], words: str, style: str) -> None:
    html = verdict_badge(judge)
    assert html.endswith(f"</span> {words}</span>")
    assert f'class="ai-badge {style}"' in html


def test_a_picture_without_a_face_is_never_accepted() -> None:
    assert is_accepted(verdict(True, True))
    assert not is_accepted(verdict(True, True, face=False))
    assert not is_accepted(UNJUDGED)


def test_headlines() -> None:
    yes, lenient, no = verdict(True, True), verdict(True, False), verdict(False, False)
    assert "takes 2 of these 3 faces for the person" in headline([yes, lenient, no])
    assert "1 in 100 pairs of strangers" in headline([yes, lenient, no])
    assert "1 in 100 pairs of strangers" in headline([no])
    # All that pass the lenient threshold pass the strict one.
    assert "takes 1 of these 2 faces" in headline([yes, no])
    assert "1 in 1,000 pairs of strangers" in headline([yes, no])
    assert "takes this face for the person" in headline([yes])
    assert "takes all 2 of these faces" in headline([yes, lenient])
    rejected = headline([no])
    assert "does not take this face for the person" in rejected
    assert "does not make the numbers harmless" in rejected
    assert "takes none of these 2 faces" in headline([no, verdict(True, True, face=False)])
    assert "cannot be judged" in headline([UNJUDGED, UNJUDGED])

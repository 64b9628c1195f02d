"""Texts of the Learn tab."""

from app.learn import MARGINS, Margin
from app.tabs.learn import curves, decision


def test_texts_follow_the_margin() -> None:
    assert "at scale 16" in curves(MARGINS["ArcFace, m2 = 0.5"], 16)
    assert "up to 30.7 degrees" in decision(Margin(m2=0.5), 16, 90)
    assert "0.0 degrees in the middle" in decision(Margin(), 16, 90)

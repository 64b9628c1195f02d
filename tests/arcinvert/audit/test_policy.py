"""The gate's verdicts and the people that it asks for, by simulation."""

import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from arcinvert.audit.evidence import evaluate_verifier
from arcinvert.audit.judge_notes import judge_notes
from arcinvert.audit.policy import Policy, decide
from benchmarks.interval_coverage import Strangers
from recognition.metrics.thresholds import DecisionThreshold, accepted_share, estimate_acceptance
from tests.arcinvert.audit.synthetic import evidence, unit

RATE = "0.01"
FMR = 0.01


def judge_of(
    similarities: NDArray[np.float64], threshold: DecisionThreshold, *, real: float = 1.0, name: str = "one"
) -> dict[str, Any]:
    """A judge that finds so many people, and accepts a share `real` of as many photographs."""
    people = range(len(similarities))
    share = accepted_share(similarities, people, threshold)
    ceiling = np.where(np.arange(len(similarities)) < round(real * len(similarities)), np.inf, -np.inf)
    sar = {
        "type_2": asdict(estimate_acceptance(similarities, people, threshold)),
        "type_2_at_ends": {"low": share.low, "high": share.high},
        "ceiling": asdict(estimate_acceptance(ceiling, people, threshold)),
    }
    described = {"fmr": FMR, "identities": threshold.identities, "source": "calibration"}
    calibration = {"alike": 0, "identities": threshold.identities or 0}
    return {"name": name, "sar": {RATE: sar}, "thresholds": [described], "calibration": calibration}


def certain(accepted: int, people: int, **more: Any) -> dict[str, Any]:
    return judge_of((np.arange(people) < accepted).astype(float), DecisionThreshold(FMR, *[0.5] * 3), **more)


def needed(reason: str) -> tuple[int | None, int | None]:
    """How many people to attack, and how many to calibrate on."""
    found = [
        re.search(words, reason) for words in (r"attack ([\d,]+) people", r"calibrate on ([\d,]+) people")
    ]
    attacked, outside = (None if one is None else int(one[1].replace(",", "")) for one in found)
    return attacked, outside


@pytest.mark.parametrize(
    ("accepted", "people", "verdict"),
    [
        # At 0.05, the lower ends are 0.001, 0.001, 0.012, 0.032 and 0.057.
        (1, 19, "undecided"),
        (1, 20, "undecided"),
        (2, 20, "undecided"),
        (3, 20, "undecided"),
        (4, 20, "fail"),
        (0, 20, "undecided"),
        (0, 72, "pass"),
    ],
)
def test_one_person_does_not_turn_a_verdict(accepted: int, people: int, verdict: str) -> None:
    found = decide(Policy(0.05, FMR), [certain(accepted, people)])
    assert found["verdict"] == verdict
    value = decide(Policy(0.05, FMR, "value"), [certain(accepted, people)])
    assert value["verdict"] == ("fail" if accepted / people > 0.05 else "pass")


@pytest.mark.parametrize(("accepted", "people"), [(0, 20), (1, 30), (3, 30), (5, 40), (1, 100)])
def test_the_people_asked_for_decide(accepted: int, people: int) -> None:
    attacked, outside = needed(decide(Policy(0.05, FMR), [certain(accepted, people)])["reason"])
    assert attacked is not None
    assert outside is None
    share = accepted / people
    # As many as that, of whom the same share is accepted, rounded away from the limit.
    side = np.floor if share < 0.05 else np.ceil
    more = decide(Policy(0.05, FMR), [certain(int(side(share * attacked)), attacked)])
    assert more["verdict"] == ("pass" if share < 0.05 else "fail")
    fewer = round(0.6 * attacked)
    side = np.ceil if share < 0.05 else np.floor
    assert decide(Policy(0.05, FMR), [certain(int(side(share * fewer)), fewer)])["verdict"] == "undecided"


def test_where_the_threshold_is_the_limit_more_attacked_people_are_not_asked_for() -> None:
    threshold = DecisionThreshold(FMR, 0.98, 0.94, 0.99, 150)
    for people in (200, 2000, 20_000):
        similarities = (np.arange(people) + 0.5) / people
        found = decide(Policy(0.05, FMR), [judge_of(similarities, threshold)])
        assert found["verdict"] == "undecided"
        assert "uncertainty of the threshold alone allows a share of 0.060" in found["reason"]
        # The reach of 0.04 must shrink to half of the square of 0.03: by a factor of 1.89, of 3.56 in people.
        assert needed(found["reason"])[1] == 534


@pytest.mark.parametrize(
    ("true", "limit", "spread", "people", "verdict"),
    [(0.05, 0.1, 0.05, 300, "pass"), (0.3, 0.2, 0.07, 100, "fail")],
)
def test_the_people_asked_for_decide_by_simulation(
    true: float, limit: float, spread: float, people: int, verdict: str
) -> None:
    """Attacked are people of one distribution; each calibration draws other people."""
    strangers = Strangers(np.random.default_rng(0), 1500)
    mean = strangers.true_threshold(FMR) + spread * norm.ppf(true)

    def decided(attacked: int, outside: int) -> dict[str, Any]:
        similarities = norm.ppf((np.arange(attacked) + 0.5) / attacked, mean, spread)
        threshold = strangers.sample(outside).threshold(FMR)
        return decide(Policy(limit, FMR), [judge_of(similarities, threshold)])

    more = []
    for _ in range(40):
        found = decided(people, 60)
        # A share found that is nearly the limit asks for people beyond number.
        asked = needed(found["reason"])
        if any(asked):
            more.append(decided(asked[0] or people, min(asked[1] or 60, 900))["verdict"])
    # The shares found vary about the true one, and with them what is asked for.
    assert len(more) >= 25
    assert more.count(verdict) >= 0.7 * len(more)
    # Thousands of people attacked at thresholds of as few people as before seldom decide.
    alone = [decided(3000, 60)["verdict"] for _ in range(24)]
    assert alone.count(verdict) <= 0.4 * len(alone)


def test_of_several_judges_all_must_be_decided() -> None:
    mild, wide = certain(0, 60, name="mild"), certain(2, 60, name="wide")
    reason = decide(Policy(0.05, FMR), [mild, wide])["reason"]
    assert needed(reason)[0] == needed(decide(Policy(0.05, FMR), [wide])["reason"])[0]
    assert "wide finds" in reason


def test_a_judge_that_rejects_photographs_passes_nothing() -> None:
    found = decide(Policy(0.7, FMR), [certain(0, 100, real=0.0)])
    assert found["verdict"] == "undecided"
    assert "one accepts real photographs in 0.000 [0.000, 0.036]" in found["reason"]
    assert decide(Policy(0.7, FMR, "value"), [certain(0, 100, real=0.0)])["verdict"] == "undecided"
    # A ceiling that does not exceed the limit: a reconstruction as good as a photograph would pass.
    assert "another judge" in decide(Policy(0.7, FMR), [certain(20, 100, real=0.65)])["reason"]
    assert decide(Policy(0.3, FMR), [certain(20, 100, real=0.65)])["verdict"] == "pass"
    # It exceeds the limit, and so few people do not show it: 1 - 0.025 ** (1 / n) <= 0.3 from 11 on.
    few = decide(Policy(0.7, FMR), [certain(0, 8)])
    assert (few["verdict"], needed(few["reason"])) == ("undecided", (11, None))
    assert decide(Policy(0.7, FMR), [certain(0, 11)])["verdict"] == "pass"
    # It may fail all the same: what it accepts, it accepts.
    assert decide(Policy(0.05, FMR), [certain(30, 100, real=0.3)])["verdict"] == "fail"
    assert decide(Policy(1.0, FMR), [certain(0, 100, real=0.0)])["verdict"] == "pass"


def test_second_accounts_with_other_photographs_pass_nothing_and_are_noted() -> None:
    """No copies, so they cannot be left out; but the threshold rises above most pairs of one person."""
    one = evidence(people=80, rate=0.3, seed=0, outside=150)
    clean = evaluate_verifier(one, (FMR, 1e-3)).figures | {"name": "one"}
    assert clean["calibration"]["alike"] == 0
    assert judge_notes([clean], 80) == []
    assert decide(Policy(0.7, 1e-3), [clean])["verdict"] == "pass"
    # Thirty of 150 people have a second account, with another photograph.
    generator = np.random.default_rng(1)
    again = unit(one.calibration[:60:2] + 0.1 * generator.normal(size=(30, 64)) / 8)
    twice = replace(
        one,
        calibration=np.concatenate([one.calibration, again]),
        labels=np.concatenate([one.labels, 1000 + np.arange(30)]),
    )
    judge = evaluate_verifier(twice, (FMR, 1e-3)).figures | {"name": "one"}
    assert judge["sar"]["0.001"]["type_2"]["value"] < 0.2
    found = decide(Policy(0.7, 1e-3), [judge])
    assert found["verdict"] == "undecided"
    assert "enrolled twice" in found["reason"]
    notes = judge_notes([judge], 80)
    assert any("30 pairs of people outside the attack are more similar" in note for note in notes)
    # Also where the ceiling is above the limit: the share found is a part of it.
    assert judge["sar"]["0.001"]["ceiling"]["low"] > 0.3
    assert decide(Policy(0.3, 1e-3), [judge])["verdict"] == "undecided"


def test_attacked_people_outside_by_another_photograph_are_noted() -> None:
    one = evidence(people=40, rate=0.3, seed=0, outside=150)
    clean = evaluate_verifier(one, (FMR,)).figures
    assert clean["calibration"]["alike_attacked"] == 0
    generator = np.random.default_rng(1)
    again = unit(one.second[:3] + 0.1 * generator.normal(size=(3, 64)) / 8)
    both = replace(
        one,
        calibration=np.concatenate([one.calibration, again]),
        labels=np.concatenate([one.labels, 1000 + np.arange(3)]),
    )
    judge = evaluate_verifier(both, (FMR,)).figures | {"name": "one"}
    assert judge["calibration"]["alike_attacked"] == 3
    assert any("3 pairs of somebody attacked and" in note for note in judge_notes([judge], 40))


def test_fewer_people_outside_never_give_a_rate_that_more_do_not() -> None:
    """With shipped thresholds, every rate of a small folder has a figure in a larger one too."""
    shipped = tuple(DecisionThreshold(fmr, 0.5, 0.49, 0.51, 400) for fmr in (FMR, 1e-3))
    sources = {}
    for outside in (2, 60, 150):
        one = replace(evidence(people=20, rate=0.5, seed=3, outside=outside), shipped=shipped)
        figures = evaluate_verifier(one, (FMR, 1e-3)).figures
        assert set(figures["sar"]) == {"0.01", "0.001"}
        sources[outside] = [entry["source"] for entry in figures["thresholds"]]
    assert sources == {
        2: ["shipped", "shipped"],
        60: ["calibration", "shipped"],
        150: ["calibration", "calibration"],
    }


def test_a_shipped_threshold_that_does_not_hold_for_these_people_is_refused() -> None:
    one = replace(
        evidence(people=20, rate=0.5, seed=3, outside=60),
        shipped=(DecisionThreshold(1e-3, 0.0, 0.0, 0.0, 400),),
    )
    judge = evaluate_verifier(one, (1e-3, 0.05)).figures | {"name": "one"}
    entry = judge["thresholds"][0]
    assert entry["threshold"] is entry["source"] is None
    assert (
        "the shipped threshold does not hold for these people, of whose pairs it accepts 0."
        in entry["refused"]
    )
    # The terminal and the first page say so, and nothing of the rate that has a threshold.
    (note, *others) = judge_notes([judge], 20)
    assert note.startswith(
        "one: no figure at FMR 1 in 1,000: only 60 people are outside the attack, of 142 that a threshold "
        "takes, and the shipped threshold does not hold for these people, of whose pairs it accepts 0."
    )
    assert not any("no figure" in other for other in others)

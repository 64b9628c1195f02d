"""A judge's figures on synthetic attacks whose truth is known."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from arcinvert.audit.evidence import attacked_gap, evaluate_verifier, risks
from arcinvert.audit.shipped import shipped_thresholds
from arcinvert.evaluation.judges import make_judge
from arcinvert.evaluation.similarity import similarity
from recognition.bundled import NETWORKS
from recognition.metrics.thresholds import DecisionThreshold, estimate_acceptance
from tests.arcinvert.audit.synthetic import evidence

FMRS = (1e-2, 1e-3, 1e-4)


def test_a_known_rate_is_recovered_in_93_of_100_audits() -> None:
    within = 0
    for repeat in range(100):
        one = evidence(people=80, rate=0.35, seed=repeat)
        found = evaluate_verifier(one, (1e-3,)).figures["sar"]["0.001"]["type_2"]
        within += found["low"] <= 0.35 <= found["high"]
    assert within >= 93


def test_shuffled_identities_give_the_false_match_rate() -> None:
    within = 0
    for repeat in range(20):
        one = evidence(people=300, rate=1.0, seed=repeat, shuffled=True, outside=60)
        found = evaluate_verifier(one, (1e-2,)).figures["sar"]["0.01"]["type_2"]
        within += found["low"] <= 0.01 <= found["high"]
    assert within >= 18


def test_figures_of_a_perfect_and_a_worthless_attack() -> None:
    perfect = evaluate_verifier(evidence(people=30, rate=1.0, seed=1), FMRS).figures
    worthless = evaluate_verifier(evidence(people=30, rate=0.0, seed=1), FMRS).figures
    for fmr in ("0.01", "0.001"):
        assert perfect["sar"][fmr]["type_2"]["value"] == 1.0
        assert perfect["sar"][fmr]["ceiling"]["value"] == 1.0
        assert perfect["sar"][fmr]["stranger"]["value"] < 0.2
        assert worthless["sar"][fmr]["type_2"]["value"] < 0.2
    assert perfect["rank"]["attack"]["1"]["value"] == 1.0
    assert perfect["rank"]["gallery"] == 30 + 150
    assert perfect["rank"]["chance"] == {"1": 1 / 180, "5": 5 / 180}
    assert perfect["gap_closed"]["value"] == pytest.approx(1.0, abs=0.05)
    assert worthless["gap_closed"]["value"] == pytest.approx(0.0, abs=0.1)
    assert perfect["robustness"]["blur"]["0.001"] == perfect["sar"]["0.001"]["type_2"]


def test_a_rate_that_the_people_do_not_support_has_no_figure() -> None:
    figures = evaluate_verifier(evidence(people=5, rate=1.0, seed=0, outside=187), FMRS).figures
    refused = {entry["fmr"]: entry["refused"] for entry in figures["thresholds"]}
    # 374 photographs: 69,564 pairs, but of 187 people.
    assert refused[1e-2] is None
    assert refused[1e-3] is None
    assert "at least 448 people, of whose pairs 10 match falsely, got 187" in refused[1e-4]
    assert set(figures["sar"]) == {"0.01", "0.001"}


def test_type_1_is_not_told_where_the_photograph_is_unknown() -> None:
    one = evidence(people=5, rate=1.0, seed=0)
    unknown = type(one)(**{**vars(one), "source_is_template": False})
    assert evaluate_verifier(unknown, (1e-2,)).figures["sar"]["0.01"]["type_1"] is None
    assert evaluate_verifier(one, (1e-2,)).figures["sar"]["0.01"]["type_1"] is not None


def test_curve_and_histogram_agree_with_the_arrays() -> None:
    one = evidence(people=40, rate=0.5, seed=3)
    evaluation = evaluate_verifier(one, FMRS)
    for point in evaluation.figures["curve"]:
        threshold = np.sort(evaluation.nonmated)[::-1][int(len(evaluation.nonmated) * point["fmr"] + 1e-9)]
        similarities = similarity(one.reconstructions[:, 0], one.second, "cosine")
        assert point["sar"] == pytest.approx((similarities > threshold).mean())
        assert point["low"] <= point["sar"] <= point["high"]
    for kind in ("nonmated", "attack", "ceiling"):
        assert sum(evaluation.figures["histogram"][kind]) == pytest.approx(1.0)


def test_the_risk_of_a_met_person_is_smaller_than_of_a_missed_one() -> None:
    one = evidence(people=40, rate=0.5, seed=3)
    rates = risks(one, evaluate_verifier(one, FMRS).nonmated)
    met = one.type_2[:, 0] > 0.5
    assert rates[met].max() < rates[~met].min()


def test_the_gap_to_the_attacked_network() -> None:
    fooled, other = evidence(people=50, rate=1.0, seed=0), evidence(people=50, rate=0.0, seed=1)
    gap = attacked_gap(fooled, evaluate_verifier(fooled, FMRS), other, evaluate_verifier(other, FMRS))
    assert gap["0.001"]["value"] == pytest.approx(1.0, abs=0.1)
    itself = attacked_gap(fooled, evaluate_verifier(fooled, FMRS), fooled, evaluate_verifier(fooled, FMRS))
    # Nobody of 50 changes: a rise of more than 1 - 0.025^(1/50) can be ruled out.
    assert itself["0.001"]["value"] == 0.0
    assert itself["0.001"]["high"] == -itself["0.001"]["low"] == pytest.approx(1 - 0.025 ** (1 / 50))


def test_shipped_thresholds_serve_where_too_few_people_calibrate() -> None:
    one = evidence(people=12, rate=1.0, seed=2)
    shipped = tuple(DecisionThreshold(fmr, *[0.4 + 0.1 * place] * 3) for place, fmr in enumerate(FMRS[:2]))
    nobody = replace(one, calibration=np.zeros((0, 64)), labels=np.zeros(0, int), shipped=shipped)
    found = evaluate_verifier(nobody, FMRS)
    assert found.thresholds == {"0.01": shipped[0], "0.001": shipped[1]}
    assert [one["source"] for one in found.figures["thresholds"]] == ["shipped", "shipped", None]
    assert "no threshold is shipped" in found.figures["thresholds"][2]["refused"]
    accepted = similarity(one.reconstructions, one.second[:, None], "cosine") > 0.5
    assert found.figures["sar"]["0.001"]["type_2"]["value"] == accepted.mean()
    assert found.figures["rank"]["gallery"] == 12
    # Without other people there is no curve, and those attacked are each other's strangers.
    assert found.figures["curve"] == found.figures["roc"] == []
    first, second = np.concatenate([one.source, one.second]), np.tile(np.arange(12), 2)
    pairs = [first[i] @ first[j] for i in range(24) for j in range(i) if second[i] != second[j]]
    assert np.sort(found.nonmated) == pytest.approx(np.sort(pairs))
    # A calibration that supports a rate counts, and the shipped thresholds do not.
    enough = evaluate_verifier(replace(one, shipped=shipped), FMRS)
    assert [one["source"] for one in enough.figures["thresholds"]] == ["calibration", "calibration", None]
    assert enough.thresholds["0.01"] != shipped[0]
    # Three people give no rate: shipped thresholds serve then too.
    three = replace(one, calibration=one.calibration[:6], labels=one.labels[:6], shipped=shipped)
    assert evaluate_verifier(three, FMRS).thresholds == found.thresholds


@pytest.mark.parametrize("judge", ["dlib", *NETWORKS])
def test_shipped_thresholds_have_intervals(judge: str) -> None:
    shipped = shipped_thresholds(make_judge(judge))
    assert [one.fmr for one in shipped] == [0.01, 0.001]
    assert all(one.low < one.value < one.high for one in shipped)


def test_several_samples_by_hand() -> None:
    one = evidence(people=30, rate=0.5, seed=2, samples=3)
    assert one.chosen is not None
    shares = evaluate_verifier(one, (1e-3,)).figures["sar"]["0.001"]
    met = one.type_2 > 0.5
    assert 0 < met.mean() < 1
    assert shares["type_2"]["value"] == pytest.approx(met.mean())
    assert shares["any_of_n"]["value"] == pytest.approx(np.mean([any(row) for row in met]))
    chosen = [met[person, sample] for person, sample in enumerate(one.chosen)]
    assert shares["best_of_n"]["value"] == pytest.approx(np.mean(chosen))
    assert (shares["any_of_n"]["comparisons"], shares["type_2"]["comparisons"]) == (30, 90)
    assert shares["stranger_any_of_n"]["value"] >= shares["stranger"]["value"]
    single = evaluate_verifier(evidence(people=5, rate=0.5, seed=2), (1e-3,)).figures["sar"]["0.001"]
    assert (single["any_of_n"], single["best_of_n"], single["stranger_any_of_n"]) == (None, None, None)


def test_every_share_has_the_uncertainty_of_its_threshold() -> None:
    one = evidence(people=60, rate=0.5, seed=5)
    evaluation = evaluate_verifier(one, (1e-2,))
    found, threshold = evaluation.figures["sar"]["0.01"]["stranger"], evaluation.thresholds["0.01"]
    assert found == asdict(estimate_acceptance(one.strangers[:, 0], range(60), threshold))
    described = evaluation.figures["thresholds"][0]
    assert described["threshold_low"] < described["threshold"] < described["threshold_high"]
    assert described["realised_fmr"]["low"] < 0.01 < described["realised_fmr"]["high"]
    assert described["tar"]["identities"] == 150

from pathlib import Path

from benchmarks.first_run import SEED as FIRST_RUN_SEED
from benchmarks.people import choose, without_reserved
from benchmarks.regression import REPORTED, classes
from recognition.checkpoint import load_notes
from recognition.loading import bundled_path


def test_reported_classes_are_those_of_the_first_run_and_no_tuning_ones():
    reserved = load_notes(bundled_path())["split"]["reserved"]
    reported = classes(REPORTED, tuning=False)
    assert reported == choose(sorted(reserved), REPORTED, FIRST_RUN_SEED)
    tuning = classes(90, tuning=True)
    assert len(set(tuning)) == 90
    assert not set(tuning) & set(reported)


def test_the_reserved_photograph_of_a_person_is_left_out():
    paths = [Path("Ann/0.png"), Path("Ann/1.png"), Path("Bob/0.png")]
    assert without_reserved(paths, {"Ann": "0.png", "Cat": "0.png"}) == paths[1:]

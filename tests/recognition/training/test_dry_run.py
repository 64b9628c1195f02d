from dataclasses import replace

from recognition.training.dry_run import dry_run
from tests.recognition.training.helpers import OPTIONS


def test_a_dry_run_estimates_the_cost_and_writes_nothing(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cost = dry_run(people, replace(OPTIONS, start_size=32, image_size=48), device="cpu")
    assert cost.images_per_second > 0
    assert cost.seconds > 0
    assert cost.memory > 1 << 20
    assert not list(tmp_path.iterdir())

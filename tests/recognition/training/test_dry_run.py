import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from recognition.backbones import build_backbone
from recognition.training.dry_run import DryRun, dry_run
from tests.recognition.training.helpers import OPTIONS, SHORT
from tests.recognition.training.ranks import on_ranks


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    """Two timed steps at each image size: no test here is of how well they estimate."""
    monkeypatch.setattr("recognition.training.dry_run.STEPS", 4)


def test_a_dry_run_estimates_the_cost_and_writes_nothing(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cost = dry_run(people, replace(OPTIONS, start_size=32, image_size=48), device="cpu")
    assert cost.images_per_second > 0
    assert cost.seconds > 0
    assert cost.memory > 1 << 20
    assert (cost.ranks, cost.traffic, cost.exchange) == (1, 0, 0)
    assert not list(tmp_path.iterdir())


def test_the_cost_is_written_in_words():
    cost = DryRun(1234.56, 3 << 30, 7260.0, ranks=1, centres=1 << 29, traffic=0, exchange=0, step=0.1)
    assert cost.describe() == (
        "1234.6 images/s, peak memory 3.00 GiB (0.50 GiB for the class centres, computed), estimated "
        "duration 2 h 01 min"
    )
    many = replace(cost, ranks=8, traffic=12_345_678.0, exchange=0.0123, step=0.25)
    assert many.describe().splitlines()[1] == (
        "8 ranks exchange 12.3 MB each in a step: 0.0123 s if nothing is computed meanwhile, of 0.2500 s"
    )


def cost_of(group, data):
    del group
    return asdict(dry_run(data, SHORT, device="cpu"))


@pytest.mark.skipif(sys.platform != "linux", reason="ranks are forked processes")
def test_the_traffic_of_two_ranks_is_their_gradients_and_little_else(people):
    costs = on_ranks(2, cost_of, people)
    backbone = build_backbone("iresnet18", width=1 / 8, embedding_size=16)
    gradients = 4 * sum(one.numel() for one in backbone.parameters())
    for cost in costs:
        assert cost["ranks"] == 2
        assert cost["traffic"] == costs[0]["traffic"]
        assert gradients <= cost["traffic"] < 1.2 * gradients
        assert cost["exchange"] > 0


@pytest.mark.slow
def test_torchrun_starts_the_ranks(people, tmp_path):
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "recognition", "train", str(people), "--out", str(tmp_path / "run"), "--device", "cpu"),
        *("--width", "0.125", "--embedding-size", "16", "--epochs", "1", "--batch-size", "12"),
        *("--held-out", "2", "--start-size", "32", "--image-size", "32"),
    ]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count("Wrote ") == 1
    assert done.stdout.count('"epoch": 1') == 1
    assert (tmp_path / "run" / "model.safetensors").exists()

"""Runs on two processes: the images and the records of one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcinvert import Attacker
from arcinvert.workers.base import Workers
from arcinvert.workers.open import open_workers
from tests.arcinvert.support import interrupt_in, read_result

#: What of a result differs from run to run.
_OF_A_RUN = ("created", "seconds")


def described(out: Path) -> dict[str, Any]:
    """Return a result without what is of one run alone."""
    result = {name: value for name, value in read_result(out).items() if name not in _OF_A_RUN}
    samples = [{**sample, "seconds": 0} for sample in result["samples"]]
    return result | {"samples": samples}


@pytest.mark.usefixtures("_short_preparation")
def test_two_processes_make_the_run_of_one(tiny_model: Path, two_workers: Workers, tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 2, "samples": 2, "batch_size": 2, "restarts": 1}
    options["knowledge"] = "weights"
    steps: list[tuple[int, int, int]] = []
    with open_workers(1) as one:
        runs = [
            Attacker(tiny_model, device="cpu", workers=workers).generate(
                [0, 1, 2, 4],
                out=tmp_path / name,
                progress=lambda step: steps.append((step.number, step.steps, step.batches)),
                **options,
            )
            for name, workers in (("one", one), ("two", two_workers))
        ]
    assert np.array_equal(np.stack(runs[0].images), np.stack(runs[1].images))
    assert described(tmp_path / "two") == described(tmp_path / "one")
    assert (tmp_path / "two" / "sheet.png").read_bytes() == (tmp_path / "one" / "sheet.png").read_bytes()
    # One count over all batches: three steps of preparation, which nobody repeats, and four batches of two.
    assert steps[-1] == (3 + 4 * 2, 3 + 4 * 2, 1)


def test_what_is_finished_is_kept_and_goes_on_with_another_number_of_workers(
    tiny_model: Path, two_workers: Workers, tmp_path: Path
) -> None:
    templates = np.random.default_rng(0).normal(size=(4, 32)).astype(np.float32)

    def run(workers: Workers, name: str, **more: Any) -> Any:
        attacker = Attacker(tiny_model, device="cpu", workers=workers)
        return attacker.from_embedding(templates, out=tmp_path / name, steps=2, batch_size=1, **more)

    with open_workers(1) as one:
        whole = run(one, "whole")
        stopped = run(one, "part", progress=interrupt_in(2))
        assert stopped.interrupted
        assert len(stopped.images) == 1
        steps: list[int] = []
        again = run(two_workers, "part", resume=True, progress=lambda step: steps.append(step.number))
    assert np.array_equal(np.stack(whole.images), np.stack(again.images))
    assert described(tmp_path / "part") == described(tmp_path / "whole")
    # The batch of the first run counts as done.
    assert min(steps) > 2
    assert max(steps) == 8

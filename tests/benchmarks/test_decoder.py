"""The rows of the decoder's table: each is planned as it says."""

import pytest

from benchmarks.decoder import ROWS, options_of
from tests.arcinvert.plans import known, plan


class Given:
    seed, steps = 3, 7


@pytest.mark.parametrize("name", ROWS)
def test_each_row_is_planned_as_it_says(name: str) -> None:
    made = plan(
        "template",
        faces=known(neighbours=True, regression=True, decoder=True),
        **options_of(name, Given(), "regression"),
    )  # type: ignore[arg-type]
    assert made.seed == 3
    assert made.steps == (0 if name.endswith("alone") else 7)
    initialisation = (
        "decoder"
        if name in ("decoder alone", "decoder as initialisation", "decoder as both")
        else ("regression")
    )
    if name == "nearest neighbours alone":
        initialisation = "nearest-neighbours"
    assert made.initialisation == initialisation
    decoded = name in ("decoder as parametrisation", "decoder as both")
    assert made.parametrisation == (
        "pixels" if name.endswith("alone") else "decoder" if decoded else "face-pca"
    )
    assert ("decoder" in made.knowledge_used) == ("decoder" in name)

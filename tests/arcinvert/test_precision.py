"""The precision that is measured once, and the batch that a card holds."""

import json
from pathlib import Path

import pytest
import torch

from arcinvert import Attacker, InputError, attacker, precision
from arcinvert.batch_size import MOST, images_that_fit
from arcinvert.precision import GAIN, faster_dtype, pass_seconds
from recognition.recogniser import Recogniser


@pytest.fixture
def _with_bfloat16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A processor that has bfloat16, and an empty cache."""
    monkeypatch.setattr(precision, "choose_dtype", lambda device: torch.bfloat16)
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path / "cache"))


def taking(float32: float, bfloat16: float, measured: list[torch.dtype]) -> precision.Seconds:
    def seconds(recogniser: Recogniser, dtype: torch.dtype) -> float:
        measured.append(dtype)
        return {torch.float32: float32, torch.bfloat16: bfloat16}[dtype]

    return seconds


@pytest.mark.usefixtures("_with_bfloat16")
@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(0.5, torch.bfloat16), (GAIN + 0.01, torch.float32), (3.0, torch.float32)],
)
def test_bfloat16_is_taken_where_it_is_faster_and_measured_once(
    tiny: Recogniser, ratio: float, expected: torch.dtype
) -> None:
    measured: list[torch.dtype] = []
    assert faster_dtype(tiny, taking(1.0, ratio, measured)) == expected
    # From the cache: a second measurement would say otherwise.
    assert faster_dtype(tiny, taking(ratio, 1.0, measured)) == expected
    assert measured == [torch.float32, torch.bfloat16]


@pytest.mark.usefixtures("_with_bfloat16")
def test_a_damaged_cache_is_measured_again(tiny: Recogniser, tmp_path: Path) -> None:
    faster_dtype(tiny, taking(1.0, 0.1, []))
    (written,) = (tmp_path / "cache").iterdir()
    assert json.loads(written.read_text())["dtype"] == "bfloat16"
    for damaged in ("{", '{"dtype": "float8"}'):
        written.write_text(damaged)
        assert faster_dtype(tiny, taking(1.0, 2.0, [])) == torch.float32


@pytest.mark.usefixtures("_with_bfloat16")
def test_what_cannot_be_kept_is_not_left_to_chance(
    tiny: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path / "file" / "cache"))
    assert faster_dtype(tiny, taking(1.0, 0.1, [])) == torch.float32
    monkeypatch.setattr(precision, "cache_folder", lambda: None)
    measured: list[torch.dtype] = []
    assert faster_dtype(tiny, taking(1.0, 0.1, measured)) == torch.float32
    assert not measured


def test_a_device_without_bfloat16_is_not_measured(tiny: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "choose_dtype", lambda device: torch.float32)
    measured: list[torch.dtype] = []
    assert faster_dtype(tiny, taking(1.0, 0.1, measured)) == torch.float32
    assert not measured


def test_a_pass_is_timed_in_both_types(tiny: Recogniser) -> None:
    assert all(pass_seconds(tiny, dtype) > 0 for dtype in (torch.float32, torch.bfloat16))


def test_a_named_precision_is_not_measured(tiny: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "faster_dtype", None)
    assert Attacker(tiny, precision="bfloat16", device="cpu").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        # By hand: 3 bytes an image and 10 fixed, twice that for an attack: 0.8 * total - 10 >= 6 * images.
        (1000, 128),
        (253, 32),
        (252, 16),
        (100_000, MOST),
        (20, 16),
    ],
)
def test_a_batch_is_the_largest_power_of_two_that_fits(tiny: Recogniser, total: int, expected: int) -> None:
    found = images_that_fit(
        tiny,
        torch.float32,
        least=16,
        memory=lambda recogniser, dtype, images: 10 + 3 * images,
        total=lambda device: total,
    )
    assert found == expected


def test_a_card_has_the_batch_that_it_holds_and_a_processor_the_recipes(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Attacker(tiny_model, device="cpu", calibrate=False)
    assert found.plan("template").batch_size == 16
    asked = []
    monkeypatch.setattr(attacker, "images_that_fit", lambda *_, least: asked.append(least) or 64)
    monkeypatch.setattr(Attacker, "device", torch.device("cuda", 1))
    assert found.plan("template").batch_size == 64
    assert found.plan("template").batch_size == 64
    assert found.plan("template", batch_size=3).batch_size == 3
    assert found.plan("template", recipe="paper", knowledge="weights").batch_size == 256
    assert asked == [16]


def test_graphs_take_a_card(tiny: Recogniser) -> None:
    with pytest.raises(InputError, match="graphs: expected a CUDA device, got cpu; leave --graphs out"):
        Attacker(tiny, device="cpu", graphs=True)


def test_attacks_are_deterministic_where_asked(tiny_model: Path) -> None:
    states = []
    for wanted in (False, True):
        one = Attacker(tiny_model, device="cpu", calibrate=False, deterministic=wanted)
        one.from_embedding(
            torch.ones(one.recogniser.embedding_size).numpy(),
            steps=1,
            progress=lambda step: states.append(torch.backends.cudnn.deterministic),
        )
    assert states == [False, True]

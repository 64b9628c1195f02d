import subprocess
import sys

import numpy as np
import pytest

from recognition.errors import InputError
from recognition.metrics import identification
from recognition.metrics.identification import (
    cmc,
    describe_identification,
    fnir_at_fpir,
    identify,
    ranks,
    search,
)


def unit(generator: np.random.Generator, *shape: int) -> np.ndarray:
    values = generator.normal(size=shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


@pytest.fixture
def crowd(monkeypatch) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Probes, their labels, a gallery and its labels, in blocks that divide neither."""
    monkeypatch.setattr(identification, "GALLERY_BLOCK", 16)
    monkeypatch.setattr(identification, "BLOCK", 16 * 7)
    generator = np.random.default_rng(0)
    gallery_labels = np.repeat(np.arange(20), 2)[generator.permutation(40)]
    return unit(generator, 25, 6), generator.integers(0, 20, 25), unit(generator, 40, 6), gallery_labels


@pytest.mark.parametrize("top", [1, 3, 40])
def test_a_search_in_blocks_is_a_sort(crowd, top):
    probes, _, gallery, _ = crowd
    found = search(probes, gallery, top=top)
    for row, probe in enumerate(probes):
        similarities = [float(probe @ entry) for entry in gallery]
        order = sorted(range(40), key=lambda index: -similarities[index])[:top]
        assert found.indices[row].tolist() == order
        np.testing.assert_allclose(found.similarities[row], [similarities[i] for i in order], atol=1e-6)


def test_ranks_are_counted(crowd):
    probes, labels, gallery, gallery_labels = crowd
    found = ranks(probes, labels, gallery, gallery_labels)
    for row, probe in enumerate(probes):
        own = max(float(probe @ e) for e, y in zip(gallery, gallery_labels, strict=True) if y == labels[row])
        better = sum(
            float(probe @ e) > own for e, y in zip(gallery, gallery_labels, strict=True) if y != labels[row]
        )
        assert found[row] == 1 + better


def test_equal_embeddings_rank_last():
    same = np.ones((4, 3)) / np.sqrt(3)
    assert ranks(same, np.arange(4), same, np.arange(4)).tolist() == [4] * 4


def test_the_cmc_by_hand():
    np.testing.assert_allclose(cmc(np.array([1, 3, 1, 7]), 4), [0.5, 0.5, 0.75, 0.75])


def test_fnir_by_hand():
    mated = np.array([0.9, 0.8, 0.7, 0.2])
    first = np.array([True, False, True, True])
    nonmated = np.linspace(0, 0.6, 61)
    point = fnir_at_fpir(mated, first, nonmated, 0.1)
    # Six of 61 are above 0.54; the second probe is found as another identity, the last is too dissimilar.
    assert point.threshold == pytest.approx(0.54)
    assert point.realised_fpir == pytest.approx(6 / 61)
    assert point.fnir == 0.5


def test_metrics_of_separated_identities():
    generator = np.random.default_rng(1)
    directions = unit(generator, 70, 32)
    labels = np.concatenate([np.repeat(np.arange(20), 3), np.arange(20, 70)])
    embeddings = directions[labels] + 0.02 * generator.normal(size=(110, 32)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    metrics = identify(embeddings, labels)
    assert (metrics.gallery, metrics.probes, metrics.nonmated) == (20, 40, 50)
    assert metrics.cmc.tolist() == [1.0] * 20
    assert (metrics.top_1.low, metrics.top_1.high) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    # A rate of 0.01 cannot be claimed of 50 probes.
    assert [point.fpir for point in metrics.points] == [0.1]
    assert metrics.points[0].fnir == 0
    described = describe_identification(metrics)
    assert (described["top_1"], described["chance"], described["fnir_at_fpir_0.1"]) == (1.0, 0.05, 0.0)


def test_metrics_of_random_embeddings_are_chance():
    generator = np.random.default_rng(2)
    labels = np.repeat(np.arange(40), 6)
    metrics = identify(unit(generator, 240, 16), labels)
    assert metrics.top_1.low <= metrics.cmc[0] == metrics.top_1.value <= metrics.top_1.high
    assert metrics.cmc[0] < 0.1
    assert metrics.cmc[19] == pytest.approx(0.5, abs=0.12)
    assert metrics.points == ()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_a_gallery_in_a_file_is_searched_in_little_memory(tmp_path):
    """300,000 x 64 templates are 77 MB; the process may take 100 MB more than it has."""
    gallery = np.lib.format.open_memmap(
        tmp_path / "gallery.npy", mode="w+", dtype=np.float32, shape=(300_000, 64)
    )
    gallery[:] = 0.01
    gallery[123_456] = np.eye(64)[5]
    gallery.flush()
    code = (
        "import resource, sys, numpy as np\n"
        "from recognition.metrics.identification import search\n"
        "gallery = np.load(sys.argv[1], mmap_mode='r')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = search(np.eye(64, dtype=np.float32)[:8], gallery, top=3)\n"
        "print(found.indices[5, 0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "gallery.npy"], capture_output=True, text=True, check=True
    )
    index, kilobytes = map(int, done.stdout.split())
    assert index == 123_456
    assert kilobytes < 77_000 + 100_000


def test_what_cannot_be_searched_is_refused():
    gallery = np.eye(4)
    with pytest.raises(InputError, match=r"gallery: expected templates of the probes' shape \(n, 3\)"):
        search(np.ones((1, 3)), gallery)
    for top in (0, 5):
        with pytest.raises(InputError, match=f"top: expected 1 to the gallery's 4 entries, got {top}"):
            search(np.ones((1, 4)), gallery, top=top)
    with pytest.raises(InputError, match="expected every probe's identity in it"):
        ranks(np.ones((1, 4)), np.array([9]), gallery, np.arange(4))
    with pytest.raises(InputError, match="expected at least 2 identities with two images, got 1"):
        identify(gallery, np.array([0, 0, 1, 2]))
    with pytest.raises(InputError, match="rule of three"):
        fnir_at_fpir(np.ones(3), np.ones(3, dtype=bool), np.zeros(10), 0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"longest": 0}, "top: expected 1 or more, got 0"), ({"fpirs": (7.0,)}, "fpir: expected rates between")],
)
def test_arguments_out_of_range_are_refused(given, message):
    embeddings = np.eye(4, dtype=np.float32)
    with pytest.raises(InputError, match=message):
        identify(embeddings, np.array([0, 0, 1, 1]), **given)

"""Seeds derived from several parts."""

from recognition.seeds import derive_seed


def test_derived_seeds_differ_and_fit_torch():
    seeds = [
        derive_seed(*parts) for parts in [(0,), (1,), (0, 1), (1, 0), (0, "1"), ("a", 1), (10, 1), (1, 1)]
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(3, "a") == derive_seed(3, "a")

"""The map between embedding spaces: known maps come back, and noise is not explained."""

import numpy as np

from arcinvert.knowledge.embedding_map import fit_map


def test_an_affine_map_is_recovered() -> None:
    draw = np.random.default_rng(0)
    given = draw.normal(size=(400, 6))
    matrix, offset = draw.normal(size=(6, 4)), draw.normal(size=4)
    found = fit_map(given, given @ matrix + offset)
    np.testing.assert_allclose(found.matrix, matrix, atol=0.02)
    np.testing.assert_allclose(found.offset, offset, atol=0.02)
    assert found.explained > 0.999
    assert found.faces == 400
    np.testing.assert_allclose(found(given[:3]), given[:3] @ matrix + offset, atol=0.05)


def test_a_fit_equals_ridge_regression_by_the_normal_equations() -> None:
    draw = np.random.default_rng(1)
    given, wanted = draw.normal(size=(60, 5)), draw.normal(size=(60, 3))
    found = fit_map(given, wanted)
    mean = given.mean(0)
    covariance = (given - mean).T @ (given - mean) / 60
    # Noise: the strongest ridge has the least error on faces that were left out, and explains nothing.
    ridge = 3.0 * np.trace(covariance) / 5
    products = (given - mean).T @ (wanted - wanted.mean(0)) / 60
    expected = np.linalg.solve(covariance + ridge * np.eye(5), products)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-10)
    assert found.explained < 0.05

"""Templates of sets of images, against the sums of InsightFace's script written out."""

import numpy as np
import pytest

from recognition.metrics.templates import TemplateSums, by_medium


def naive(features, templates, media):
    """Return what image2template_feature of eval_ijbc.py does, template by template."""
    found = []
    for template in sorted(set(templates.tolist())):
        total = np.zeros(features.shape[1])
        for medium in sorted(set(media[templates == template].tolist())):
            total += features[(templates == template) & (media == medium)].mean(0)
        found.append(total / np.linalg.norm(total))
    return np.array(found)


def sum_templates(blocks, templates, media):
    """Return the templates' numbers, and the templates of all images, which come in blocks."""
    sums = TemplateSums(templates, media)
    begin = 0
    for block in blocks:
        sums.add(np.arange(begin, begin + len(block)), block)
        begin += len(block)
    return sums.names, sums.finish()[0]


@pytest.mark.parametrize("block", [1, 4, 100])
def test_templates_are_sums_of_means_of_media(block):
    generator = np.random.default_rng(0)
    templates = generator.integers(5, 12, 60)
    media = generator.integers(0, 4, 60)
    features = generator.normal(size=(60, 6)) * generator.random((60, 1))
    order = by_medium(templates, media)
    blocks = (features[order][begin : begin + block] for begin in range(0, 60, block))
    names, vectors = sum_templates(blocks, templates[order], media[order])
    assert names.tolist() == sorted(set(templates.tolist()))
    np.testing.assert_allclose(vectors, naive(features, templates, media), atol=1e-6)


def test_a_film_counts_as_one_photograph():
    """By hand: a medium of two images, (1, 0) and (0, 1), and one of one image, (0, 1): (0.5, 1.5)."""
    templates, media = np.array([3, 3, 3]), np.array([7, 7, 8])
    _, vectors = sum_templates([np.array([[1.0, 0], [0, 1], [0, 1]])], templates, media)
    np.testing.assert_allclose(vectors, [np.array([0.5, 1.5]) / np.sqrt(2.5)])


def test_images_that_are_missing_do_not_count():
    templates, media = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 5, 5])
    features = np.array([[1.0, 0], [0, 9], [0, 1], [1, 1], [2, 0]])
    sums = TemplateSums(templates, media)
    # The second image and the whole template 1 are missing; the others have weights.
    sums.add(np.array([0, 2]), features[[0, 2]], np.array([2.0, 1.0]))
    sums.add(np.array([4]), features[[4]])
    vectors, found = sums.finish()
    assert found.tolist() == [True, False, True]
    np.testing.assert_allclose(vectors, [np.array([2, 1]) / np.sqrt(5), [0, 0], [1, 0]], atol=1e-7)

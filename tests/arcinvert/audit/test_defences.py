"""Defences: what they keep, what an attacker gets back, and what they cost."""

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.defences import DEFENCES, make_defence, make_defences
from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.audit.defences.biohashing import BioHashing
from arcinvert.audit.defences.cost import measure_cost
from arcinvert.audit.defences.noise import Noise
from arcinvert.audit.defences.polyprotect import PolyProtect
from arcinvert.audit.defences.projection import Projection
from arcinvert.audit.defences.quantisation import Quantisation
from arcinvert.audit.defences.scores import ScoreOnly
from arcinvert.audit.metrics import system_linkability
from recognition.errors import InputError

DIM = 60
#: Knows as many public faces as there are dimensions.
ADVERSARY = Adversary(DIM, unit_norm(np.random.default_rng(5).normal(size=(2 * DIM, DIM))))
#: Knows no public face.
NOTHING_KNOWN = Adversary(DIM, np.zeros((0, DIM)))
TEMPLATE_DEFENCES = [name for name in DEFENCES if issubclass(DEFENCES[name], TemplateDefence)]


@pytest.fixture
def templates() -> NDArray[np.float64]:
    return unit_norm(np.random.default_rng(0).normal(size=(8, DIM)))


def labelled(
    people: int = 150, each: int = 2, noise: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    generator = np.random.default_rng(1)
    centres = generator.normal(size=(people, DIM))
    labels = np.repeat(np.arange(people), each)
    return unit_norm(centres[labels] + noise * generator.normal(size=(len(labels), DIM))), labels


@pytest.mark.parametrize("name", TEMPLATE_DEFENCES)
def test_conformance(name: str, templates: NDArray[np.float64]) -> None:
    defence, keys = make_defence(name), list(range(50, 58))
    assert isinstance(defence, TemplateDefence)
    assert defence.name == name
    protected = defence.protect(templates, keys)
    assert protected.shape[0] == 8
    assert np.isfinite(protected).all()
    assert np.array_equal(protected, defence.protect(templates, keys))
    # Row by row: nobody's record depends on another's.
    assert protected[3] == pytest.approx(defence.protect(templates[3:4], keys[3:4])[0])
    estimates = defence.recover(protected, keys, ADVERSARY)
    assert estimates.shape == (8, DIM)
    recovered = (unit_norm(estimates) * templates).sum(1)
    assert (recovered > 0.15).all()
    if defence.keyed:
        others = [key + 100 for key in keys]
        assert (
            np.abs((unit_norm(defence.protect(templates, others)) * unit_norm(protected)).sum(1)).mean() < 0.6
        )
        wrong = unit_norm(defence.recover(protected, others, ADVERSARY))
        assert np.abs((wrong * templates).sum(1)).mean() < recovered.mean()


@pytest.mark.parametrize("name", TEMPLATE_DEFENCES)
def test_an_adversary_repeats_itself(name: str, templates: NDArray[np.float64]) -> None:
    defence, keys = make_defence(name), list(range(8))
    assert isinstance(defence, TemplateDefence)
    protected = defence.protect(templates, keys)
    for adversary in (ADVERSARY, NOTHING_KNOWN):
        first = defence.recover(protected, keys, adversary)
        assert np.array_equal(first, defence.recover(protected, keys, adversary))
        assert np.isfinite(first).all()
    # Row by row: nobody's estimate depends on another's record.
    alone = defence.recover(protected[3:4], keys[3:4], ADVERSARY)[0]
    assert alone == pytest.approx(defence.recover(protected, keys, ADVERSARY)[3], abs=1e-9)


@pytest.mark.parametrize("name", ["noise", "quantisation", "truncation", "projection", "biohashing"])
def test_without_public_faces_a_record_is_only_projected_back(
    name: str, templates: NDArray[np.float64]
) -> None:
    defence, keys = make_defence(name), list(range(8))
    assert isinstance(defence, TemplateDefence)
    protected = defence.protect(templates, keys)
    if isinstance(defence, Projection):
        back = np.stack(
            [row @ defence.directions(key, DIM) for row, key in zip(protected, keys, strict=True)]
        )
    else:
        back = np.pad(protected, ((0, 0), (0, DIM - protected.shape[1])))
    assert defence.recover(protected, keys, NOTHING_KNOWN) == pytest.approx(unit_norm(back), abs=1e-6)


def test_what_an_adversary_holds() -> None:
    assert Projection().held(NOTHING_KNOWN, with_key=False) == "protected template"
    assert (Projection().knowledge(ADVERSARY), Projection().knowledge(NOTHING_KNOWN)) == (
        "public-faces",
        "weights",
    )
    assert Projection().held(ADVERSARY) == f"protected template, key and templates of {2 * DIM} public faces"
    assert Projection().held(NOTHING_KNOWN) == "protected template and key"
    centres = Adversary(DIM, NOTHING_KNOWN.public, np.eye(DIM))
    assert Projection().held(centres) == f"protected template, key and {DIM} class centres of the network"
    # Whoever holds the network holds its centres, and knows no faces by that.
    assert Projection().knowledge(centres) == "weights"
    both = Adversary(DIM, ADVERSARY.public, np.eye(DIM))
    assert Projection().held(both, with_key=False) == (
        f"protected template, templates of {2 * DIM} public faces and {DIM} class centres of the network"
    )
    assert Noise().held(ADVERSARY) == f"protected template and templates of {2 * DIM} public faces"


def test_without_the_key_only_the_mean_is_left(templates: NDArray[np.float64]) -> None:
    public = unit_norm(np.random.default_rng(5).normal(1.0, size=(200, DIM)))
    protected = Projection().protect(templates, list(range(8)))
    estimates = Projection().recover_without_key(protected, Adversary(DIM, public))
    assert estimates == pytest.approx(np.tile(unit_norm(public.mean(0)[None]), (8, 1)))
    noisy = Noise().protect(templates, list(range(8)))
    assert np.array_equal(
        Noise().recover_without_key(noisy, ADVERSARY), Noise().recover(noisy, [0] * 8, ADVERSARY)
    )


@pytest.mark.parametrize("bits", [1, 2, 5, 16])
def test_the_levels_of_a_rounded_template_are_found_again(bits: int, templates: NDArray[np.float64]) -> None:
    # Stored templates have float32 numbers, and their scale is lost.
    stored = Quantisation(bits).protect(templates, [0] * 8).astype(np.float32)
    estimates = Quantisation(bits).recover(stored, [0] * 8, NOTHING_KNOWN)
    assert (estimates * templates).sum(1).mean() > {1: 0.75, 2: 0.88, 5: 0.995, 16: 0.995}[bits]
    with pytest.raises(InputError, match="expected a template of"):
        Quantisation(bits).recover(1e5 * np.pi ** np.arange(1.0, DIM + 1)[None], [0], NOTHING_KNOWN)


def test_noise_is_as_long_as_asked(templates: NDArray[np.float64]) -> None:
    protected = Noise(0.5).protect(templates, list(range(50, 58)))
    # A right angle of 0.5 to 1, on average.
    assert (protected * templates).sum(1) == pytest.approx(np.full(8, 1 / np.sqrt(1.25)), abs=0.08)


def test_one_bit_is_the_sign(templates: NDArray[np.float64]) -> None:
    protected = Quantisation(1).protect(templates, list(range(8)))
    assert np.array_equal(np.sign(protected), np.sign(templates))
    assert np.unique(np.abs(protected).round(9)).size == 1
    fine = Quantisation(12).protect(templates, list(range(8)))
    assert (fine * templates).sum(1) == pytest.approx(np.ones(8), abs=0.02)


def test_a_projection_keeps_the_part_along_its_directions(templates: NDArray[np.float64]) -> None:
    defence = Projection(0.5)
    rows = defence.directions(3, DIM)
    assert rows @ rows.T == pytest.approx(np.eye(DIM // 2), abs=1e-9)
    estimate = defence.recover(defence.protect(templates, [3] * 8), [3] * 8, NOTHING_KNOWN)
    assert estimate == pytest.approx(unit_norm(templates @ rows.T @ rows))


def test_biohashing_is_bits(templates: NDArray[np.float64]) -> None:
    defence = BioHashing(0.5)
    bits = defence.protect(templates, list(range(8)))
    naive = np.sign([defence.directions(key, DIM) @ template for key, template in enumerate(templates)])
    assert np.array_equal(np.sign(bits), naive)


@pytest.mark.parametrize("overlap", [0, 2, 4])
def test_polyprotect_by_loops(overlap: int, templates: NDArray[np.float64]) -> None:
    defence = PolyProtect(overlap)
    coefficients, exponents = defence.key_parameters(11)
    assert sorted(exponents) == [1, 2, 3, 4, 5]
    assert len(set(np.abs(coefficients))) == 5
    template, wanted, begin = templates[0], [], 0
    while True:
        run = [template[i] if i < DIM else 0.0 for i in range(begin, begin + 5)]
        wanted.append(sum(c * v**e for c, v, e in zip(coefficients, run, exponents, strict=True)))
        if begin + 5 >= DIM:
            break
        begin += 5 - overlap
    assert defence.protect(templates[:1], [11])[0] == pytest.approx(wanted)


def test_a_known_key_solves_polyprotect(templates: NDArray[np.float64]) -> None:
    defence = PolyProtect(4)
    protected = defence.protect(templates, list(range(8)))
    estimates = defence.recover(protected, list(range(8)), ADVERSARY)
    assert ((estimates * templates).sum(1) > 0.6).all()


@pytest.mark.parametrize("faces", [0, 10, 2 * DIM, 3000])
def test_scores_give_the_template_however_few_the_public_faces(
    faces: int, templates: NDArray[np.float64]
) -> None:
    """Whoever holds the network makes images to show."""
    public = unit_norm(np.random.default_rng(6).normal(size=(faces, DIM)))
    adversary = Adversary(DIM, public)
    estimates = ScoreOnly(4).recover(templates, [0] * 8, adversary)
    assert (estimates * templates).sum(1) == pytest.approx(np.ones(8), abs=0.01)
    shown = adversary.queries(1000)
    assert shown.shape == (1000, DIM)
    assert np.array_equal(shown[:faces], public[:1000])


def test_the_images_shown_are_counted() -> None:
    assert ScoreOnly(4).held(NOTHING_KNOWN) == "scores of 1,000 images"
    wanted = f"scores of 1,000 images and templates of {2 * DIM} public faces"
    assert ScoreOnly(4).held(ADVERSARY) == wanted


def template_defence(text: str) -> TemplateDefence:
    defence = make_defence(text)
    assert isinstance(defence, TemplateDefence)
    return defence


def test_cost() -> None:
    embeddings, labels = labelled()
    plain = measure_cost(None, embeddings, labels, seed=0)
    assert plain.tar is not None
    assert plain.tar.value > 0.95
    assert plain.linkability is not None
    assert plain.linkability.figure.value > 0.9
    hashed = measure_cost(template_defence("biohashing:0.2"), embeddings, labels, seed=0)
    assert hashed.tar is not None
    assert hashed.tar.value < plain.tar.value
    assert hashed.linkability is not None
    assert hashed.linkability.figure.value < 0.25
    # Nobody is linked: the figure is one that chance gives.
    chance = hashed.linkability.chance
    assert chance.low < chance.value < chance.high
    assert hashed.linkability.figure.low < chance.high
    noisy = measure_cost(template_defence("noise:5"), embeddings, labels, seed=0)
    assert noisy.tar is not None
    assert noisy.tar.value < 0.5


def test_scores_are_rounded_before_they_are_judged() -> None:
    embeddings, labels = labelled(noise=1.2)
    rounded = np.round(embeddings @ embeddings.T, 1)
    first, second = np.triu_indices(len(labels), 1)
    same = labels[first] == labels[second]
    mated, nonmated = rounded[first, second][same], rounded[first, second][~same]
    allowed = int(len(nonmated) * 1e-3)
    threshold = np.sort(nonmated)[len(nonmated) - allowed - 1]
    found = measure_cost(template_defence("scores:1"), embeddings, labels, seed=0)
    assert found.tar is not None
    assert found.tar.value == pytest.approx((mated > threshold).mean())
    plain = measure_cost(None, embeddings, labels, seed=0)
    assert plain.tar is not None
    assert found.tar.value < plain.tar.value
    # Of more than 20,000 nonmated pairs, so many are drawn by the seed.
    drawn = np.random.default_rng(0).permutation(nonmated)[:20_000]
    assert found.linkability is not None
    assert found.linkability.figure.value == pytest.approx(system_linkability(mated, drawn))
    assert found.linkability != plain.linkability


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [(None, 1, 1), ("truncation", 1, 1), ("scores", 1, 1), ("noise:0.1", 1, 1), ("biohashing:0.5", 0, 0.05)],
)
def test_only_a_key_makes_records_renewable(name: str | None, low: float, high: float) -> None:
    embeddings, labels = labelled()
    defence = None if name is None else template_defence(name)
    renewed = measure_cost(defence, embeddings, labels, seed=0).renewed
    assert renewed is not None
    # One photograph a person.
    assert (renewed.identities, renewed.comparisons) == (150, 150)
    assert low <= renewed.value <= high


def test_the_cost_is_refused_for_few_pairs() -> None:
    embeddings, labels = labelled(people=10)
    spent = measure_cost(None, embeddings, labels, seed=0)
    assert spent.tar is None
    assert spent.renewed is None
    for refused in (spent.tar_refused, spent.renewed_refused):
        assert refused is not None
        assert "at least 142 people" in refused


@pytest.mark.parametrize("name", [None, "biohashing:0.5"])
def test_records_are_renewed_without_two_photographs_of_anybody(name: str | None) -> None:
    embeddings, labels = labelled(each=1)
    defence = None if name is None else template_defence(name)
    spent = measure_cost(defence, embeddings, labels, seed=0)
    assert spent.renewed is not None
    assert spent.renewed.value == (1 if name is None else 0)
    assert (spent.tar, spent.linkability, spent.renewed_refused) == (None, None, None)
    for refused in (spent.tar_refused, spent.linkability_refused):
        assert refused is not None
        assert refused.startswith("expected people outside the attack with two photographs each")


def test_names() -> None:
    assert [defence.name for defence in make_defences(("all",))] == list(DEFENCES)
    assert [defence.label for defence in make_defences(("noise:0.5", "scores:3"))] == [
        "noise:0.5",
        "scores:3",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fog", "expected one of folded-batchnorm"),
        ("noise:much", "expected a number after the colon"),
        ("noise:", "expected a number after the colon"),
        ("noise:nan", "length of the noise"),
        ("noise:-1", "length of the noise"),
        ("truncation:2", "from 0.01 to 1, got 2"),
        ("polyprotect:5", "from 0 to 4"),
        ("scores:0", "decimals of a score"),
    ],
)
def test_refusals(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_defences((name,))


@pytest.mark.parametrize("name", ["projection", "biohashing", "mlp-hash"])
def test_without_a_key_and_without_a_mean_there_is_still_an_estimate(
    name: str, templates: NDArray[np.float64]
) -> None:
    """Few public faces say nothing of the mean of all."""
    defence = make_defence(name)
    assert isinstance(defence, TemplateDefence)
    protected = defence.protect(templates, list(range(8)))
    few = Adversary(DIM, unit_norm(np.random.default_rng(3).normal(size=(4, DIM))))
    for adversary in (few, NOTHING_KNOWN):
        estimate = defence.recover_without_key(protected, adversary)
        np.testing.assert_allclose(np.linalg.norm(estimate, axis=1), 1)


@pytest.mark.parametrize("name", ["quantisation:1.5", "polyprotect:2.5", "scores:1.7"])
def test_a_strength_that_is_a_number_of_things_is_whole(name: str) -> None:
    with pytest.raises(InputError, match=f"defence {name.partition(':')[0]}: expected a whole number of "):
        make_defence(name)

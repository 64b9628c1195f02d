"""What every penalty in the registry must do; a new one is tested at once.

A penalty that needs more than the network here has goes into `MEASURED` or `PARAMETRISED`.
"""

import contextlib
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.parametrisations.decoder import DecodedCodes
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.inversion.penalties.base import Penalty, Setting
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge
from tests.arcinvert.inversion.networks import hooked_modules, templates
from tests.arcinvert.inversion.penalties.networks import maps_of, small_network, some_faces, some_images

#: Penalties by what they need; all others do with a network and pixels.
MEASURED = {"bn-per-position"}
PARAMETRISED = {"pca-prior": FacePCA, "code-prior": DecodedCodes}
#: Penalties of the batch as a whole, whose value for an image depends on the others.
OF_THE_BATCH = {"tv-norm", "bn", "bn-per-image", "bn-per-position", "bn-arcface", "bn-deepinversion"}
#: Penalties whose least value is not that of uniform grey.
OF_OTHER_THINGS = {name for name in PENALTIES if PENALTIES[name].of_activations}
OF_OTHER_THINGS |= set(PARAMETRISED)


def recogniser() -> Recogniser:
    network = small_network()
    backbone = nn.Sequential(*network, nn.Flatten()).double()
    preprocessing = Preprocessing(0.0, 1.0, input_size=6)
    return Recogniser(backbone, name="small", preprocessing=preprocessing).freeze()


def setting(name: str) -> Setting:
    statistics = None
    network = recogniser()
    if name in MEASURED:
        statistics = maps_of(network.backbone, some_faces())
        # In a recogniser, the names of layers have a prefix.
        for layer in statistics.layers:
            object.__setattr__(layer.site, "name", f"backbone.{layer.site.name}")
    return Setting(network, PARAMETRISED.get(name, Pixels), statistics)


@contextlib.contextmanager
def attached(name: str, images: Tensor) -> Iterator[tuple[Recogniser, Parametrisation, Penalty]]:
    """Attach a penalty to a network and to a parametrisation that starts from images."""
    given = setting(name)
    of_one = templates(1).to(images).expand(len(images), -1)
    parametrisation = given.parametrisation.build(images, of_one, full_knowledge())
    if parametrisation.offsets is not None:
        # They begin at zero, where they cost nothing.
        with torch.no_grad():
            parametrisation.offsets.add_(images.mean((1, 2, 3))[:, None, None])
    penalty = PENALTIES[name].build(given)
    with penalty.attached(given.recogniser, parametrisation):
        yield given.recogniser, parametrisation, penalty


def values(name: str, images: Tensor) -> Tensor:
    with attached(name, images) as (network, parametrisation, penalty):
        shown = parametrisation.images()
        network(shown)
        return penalty(shown)


@pytest.mark.parametrize("name", PENALTIES)
def test_shape_finiteness_and_determinism(name: str) -> None:
    images = some_images()
    penalties = values(name, images)
    assert penalties.shape == ((3,) if penalties.ndim else ())
    assert penalties.dtype == torch.float64
    assert penalties.isfinite().all()
    assert (penalties > 0).all()
    assert torch.equal(values(name, images), penalties)
    with attached(name, images) as (network, parametrisation, penalty):
        before = torch.random.get_rng_state()
        shown = parametrisation.images()
        network(shown)
        penalty(shown)
        assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", PENALTIES)
def test_gradcheck(name: str) -> None:
    # Random neighbours differ by far more than gradcheck's step, so that absolute values are smooth here.
    with attached(name, some_images()) as (network, parametrisation, penalty):

        def penalties(*leaves: Tensor) -> Tensor:
            shown = parametrisation.images()
            network(shown)
            return penalty(shown)

        leaf = parametrisation.parameters[-1]
        (slope,) = torch.autograd.grad(penalties().sum(), leaf)
        assert slope.isfinite().all()
        assert slope.abs().sum() > 0
        assert torch.autograd.gradcheck(penalties, (leaf,), fast_mode=True)


@pytest.mark.parametrize("name", sorted(set(PENALTIES) - OF_THE_BATCH))
def test_penalties_are_per_image(name: str) -> None:
    images = some_images()
    together = values(name, images)
    assert together.shape == (3,)
    torch.testing.assert_close(together, torch.cat([values(name, one[None]) for one in images]))


@pytest.mark.parametrize("name", sorted(set(PENALTIES) - OF_OTHER_THINGS))
def test_uniform_grey_costs_nothing(name: str) -> None:
    grey = torch.full((2, 3, 6, 6), 0.5, requires_grad=True)
    penalty = PENALTIES[name].build(setting(name))
    assert penalty(grey).tolist() == [0.0, 0.0]
    penalty(grey).sum().backward()
    # A norm has no derivative at zero, which must not make the whole image NaN.
    assert grey.grad is not None
    assert bool(grey.grad.isfinite().all())


@pytest.mark.parametrize("name", PENALTIES)
def test_nothing_stays_attached_to_the_network(name: str) -> None:
    with attached(name, some_images()) as (network, _, _):
        before = {key: value.clone() for key, value in network.state_dict().items()}
        network(some_images().requires_grad_())
    assert hooked_modules(network) == []
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    with pytest.raises(KeyError, match="stop"), attached(name, some_images()) as (network, _, _):
        raise KeyError("stop")
    assert hooked_modules(network) == []


@pytest.mark.parametrize("name", PENALTIES)
def test_what_is_observed_is_counted_once_and_not_without_gradients(name: str) -> None:
    images = some_images()
    with attached(name, images) as (network, parametrisation, penalty):
        repeated = []
        for _ in range(2):
            shown = parametrisation.images()
            network(shown)
            with torch.no_grad():
                network(some_images(9))
            repeated.append(penalty(shown))
    assert torch.equal(*repeated)
    torch.testing.assert_close(repeated[0], values(name, images))


@pytest.mark.parametrize("name", PENALTIES)
def test_what_is_missing_is_said(name: str) -> None:
    kind = PENALTIES[name]
    assert kind.missing(setting(name)) is None
    bare = Recogniser(nn.Flatten(), name="bare", preprocessing=Preprocessing(input_size=6))
    lacks = kind.missing(Setting(bare, Pixels))
    assert (lacks is not None) == (name in OF_OTHER_THINGS)
    assert lacks is None or lacks.startswith("expected ")
    if kind.of_activations:
        assert "arcinvert calibrate" in str(lacks)

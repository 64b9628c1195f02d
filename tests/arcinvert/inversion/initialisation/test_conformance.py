"""What every initialisation in the registry must do; a new one is tested at once."""

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.initialisation.base import Initialisation
from recognition.errors import InputError
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge, no_statistics, request
from tests.arcinvert.inversion.networks import SIZE, hooked_modules, recogniser_with_statistics, templates

pytestmark = pytest.mark.usefixtures("_short_preparation")


def images(name: str, seeds: list[int], batch: Tensor | None = None, restart: int = 0) -> Tensor:
    batch = templates(len(seeds)) if batch is None else batch
    return INITIALISATIONS[name]().images(batch, request(), seeds=seeds, restart=restart)


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_shape_range_and_determinism(name: str) -> None:
    made = images(name, [1, 2])
    assert issubclass(INITIALISATIONS[name], Initialisation)
    assert made.shape == (2, 3, SIZE, SIZE)
    assert made.dtype == torch.float32
    assert made.device.type == "cpu"
    assert not made.requires_grad
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    assert torch.equal(made, images(name, [1, 2]))


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_an_image_depends_on_its_seed_and_template_alone(name: str) -> None:
    batch = templates(3)
    together = images(name, [5, 6, 7], batch)
    torch.manual_seed(123)
    torch.testing.assert_close(together[1], images(name, [6], batch[1:2])[0], rtol=0, atol=1e-6)
    same_template = images(name, [5, 6], batch[:1].expand(2, -1))
    assert not torch.equal(same_template[0], same_template[1])


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_the_global_generator_is_left_alone(name: str) -> None:
    asked = request()
    before = torch.random.get_rng_state()
    INITIALISATIONS[name]().images(templates(1), asked, seeds=[1])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_faces_have_no_noise(name: str) -> None:
    initialisation = INITIALISATIONS[name]()
    faces = initialisation.faces(templates(2), request(), restart=0)
    assert faces.shape[:2] == (2, 3)
    assert float(faces.min()) >= 0
    assert float(faces.max()) <= 1
    assert torch.equal(faces, initialisation.faces(templates(2), request(), restart=0))


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_nothing_stays_attached_to_the_network(name: str) -> None:
    recogniser = recogniser_with_statistics()
    before = {key: value.clone() for key, value in recogniser.state_dict().items()}
    INITIALISATIONS[name]().images(templates(1), request(recogniser), seeds=[0])
    assert hooked_modules(recogniser) == []
    assert all(torch.equal(value, before[key]) for key, value in recogniser.state_dict().items())


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_what_is_missing_is_said_and_the_images_are_refused(name: str) -> None:
    kind = INITIALISATIONS[name]
    assert kind.missing(full_knowledge(), "linear") is None
    lacks = kind.missing(no_statistics(), "linear")
    if lacks is None:
        assert kind().images(templates(1), request(knowledge=no_statistics()), seeds=[0]).shape[0] == 1
        return
    assert lacks.startswith("expected ")
    assert "linear" in lacks
    assert "arcinvert calibrate" in lacks or "arcinvert learn" in lacks
    with pytest.raises(InputError, match=r"^initialisation: expected .*arcinvert (calibrate|learn)"):
        kind().images(templates(1), request(knowledge=no_statistics()), seeds=[0])


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_what_is_made_of_public_faces_uses_them(name: str) -> None:
    """An attacker by the weights alone must get the same images whatever faces there are."""
    made = [
        INITIALISATIONS[name]().images(templates(1), request(knowledge=knowledge), seeds=[0])
        for knowledge in (full_knowledge(faces=60), full_knowledge(faces=61))
    ]
    if not INITIALISATIONS[name].of_public_faces:
        assert torch.equal(*made)


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_pending_steps_are_those_that_the_preparation_takes(name: str) -> None:
    initialisation, asked = INITIALISATIONS[name](), request()
    assert initialisation.pending_steps == initialisation.preparation_steps
    initialisation.prepare(asked)
    assert asked.counter.number == initialisation.preparation_steps
    assert initialisation.pending_steps == 0
    initialisation.prepare(asked)
    initialisation.images(templates(1), asked, seeds=[0])
    assert asked.counter.number == initialisation.preparation_steps

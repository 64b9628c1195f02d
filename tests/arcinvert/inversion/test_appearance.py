"""What an attack is asked to show."""

import torch

from arcinvert.inversion.appearance import STEPS, Appearance
from recognition.appearance.deformations import bundled_ages, bundled_deformations


def images() -> torch.Tensor:
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))


def test_nothing_is_wanted_by_default_and_zero_degrees_are_something() -> None:
    assert not Appearance().is_wanted
    assert Appearance(yaw=0.0).is_wanted
    assert Appearance(expression="neutral").is_wanted
    assert not Appearance(yaw=0.0, pitch=0.0).moves
    assert all(
        one.moves and one.steps == STEPS
        for one in (
            Appearance(yaw=-1.0),
            Appearance(pitch=1.0),
            Appearance(expression="smile"),
            Appearance(age=30.0),
        )
    )
    assert Appearance(yaw=0.0).steps == 0


def test_each_image_gets_the_years_that_it_lacks() -> None:
    given = Appearance(age=70.0).given_to(images())
    apart = torch.cat([Appearance(age=70.0).given_to(image[None]) for image in images()])
    torch.testing.assert_close(given, apart)
    change = bundled_ages().change(images(), 70.0)
    torch.testing.assert_close(given, bundled_deformations().of(aged=change)(images()).clamp(0, 1))


def test_images_are_left_alone_or_deformed() -> None:
    assert torch.equal(Appearance().given_to(images()), images())
    torch.testing.assert_close(Appearance(yaw=0.0, pitch=0.0).given_to(images()), images())
    deformed = bundled_deformations().of(yaw=-20.0, pitch=5.0, expression="smile")(images()).clamp(0, 1)
    given = Appearance(yaw=-20.0, pitch=5.0, expression="smile").given_to(images())
    torch.testing.assert_close(given, deformed)
    assert not torch.allclose(given, images(), atol=0.1)

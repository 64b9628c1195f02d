"""The penalty on pose and expression: its value by hand, and that an optimisation reaches what is wanted."""

import pytest
import torch
from torch import Tensor, nn

from arcinvert.inversion.appearance import Appearance
from arcinvert.inversion.engine import invert
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.inversion.penalties import WeightedPenalty
from arcinvert.inversion.penalties.base import Setting
from arcinvert.inversion.penalties.guide import GuidedAppearance
from arcinvert.inversion.schedule import plan_stages
from arcinvert.knowledge.face_pca import load_face_pca
from recognition.appearance.guide import bundled_guide
from recognition.appearance.measures import ATTRIBUTES
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.networks import NoTarget, linear_recogniser


def mean_faces(count: int = 3) -> Tensor:
    return load_face_pca()[0].expand(count, -1, -1, -1).clone()


def penalty(**wanted: object) -> GuidedAppearance:
    return GuidedAppearance.build(Setting(linear_recogniser(), FacePCA, None, Appearance(**wanted)))  # type: ignore[arg-type]


def test_the_value_is_the_squared_distance_in_standard_deviations() -> None:
    labels = bundled_guide().labels
    found = bundled_guide().values(mean_faces(1))[0]
    yaw, pitch = ATTRIBUTES.index("yaw"), ATTRIBUTES.index("pitch")
    expected = sum(
        ((wanted - found[place]) / labels.deviation[place]) ** 2
        for wanted, place in ((20.0, yaw), (-5.0, pitch))
    )
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(penalty(yaw=20.0, pitch=-5.0)(mean_faces(1)), expected[None])
    # What the guide predicts already costs nothing.
    assert float(penalty(yaw=float(found[yaw]))(mean_faces(1))) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("yaw", [-25.0, 25.0])
def test_an_optimisation_reaches_a_pose(yaw: float) -> None:
    parametrisation = FacePCA(mean_faces())
    (schedule,) = plan_stages(30, 0.2, warm_up=0.1, low_resolution=0.0, average=0.0, early_stopping=None)
    network = nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(192, 4, bias=False))
    recogniser = Recogniser(network, name="coarse", preprocessing=Preprocessing(input_size=56)).freeze()
    invert(
        recogniser,
        NoTarget(),
        parametrisation,
        schedule,
        penalties=[WeightedPenalty("guide", 1.0, penalty(yaw=yaw))],
    )
    with torch.no_grad():
        reached = bundled_guide().values(parametrisation.images())[:, ATTRIBUTES.index("yaw")]
    assert reached.tolist() == pytest.approx([yaw] * 3, abs=2)

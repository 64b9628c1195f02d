"""The distance of pose and expression from those that an attack is asked for, by the guide's prediction."""

import copy

import torch
from torch import Tensor

from arcinvert.inversion.appearance import Appearance
from arcinvert.inversion.penalties.base import Penalty, Setting
from recognition.appearance.guide import Guide, bundled_guide
from recognition.appearance.measures import ATTRIBUTES


class GuidedAppearance(Penalty):
    """Squared distance of the guide's numbers from the wanted ones, in squared standard deviations.

    The numbers are added up, so that a pose counts the same with an expression and without one.

    The guide was trained on public faces (recognition/bundled/MODEL_CARD.md). No judge has a part in it.

    Args:
        guide: From images to pose and expression.
        appearance: What is asked for, not empty.
    """

    def __init__(self, guide: Guide, appearance: Appearance) -> None:
        self._guide = guide
        wanted = appearance.targets(guide.labels)
        self._places = [ATTRIBUTES.index(name) for name in wanted]
        self._targets = torch.tensor([guide.labels.normalised(name, value) for name, value in wanted.items()])

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        if setting.appearance.is_wanted:
            return None
        return "expected a pose or an expression, found none; use --yaw, --pitch or --expression"

    @classmethod
    def build(cls, setting: Setting) -> "GuidedAppearance":
        # A copy of its own, whose type and device follow those of the images.
        return cls(copy.deepcopy(bundled_guide()), setting.appearance)

    def __call__(self, images: Tensor) -> Tensor:
        # Copied once: later steps may be captured as a CUDA graph, in which nothing is copied from the host.
        self._guide, self._targets = self._guide.to(images), self._targets.to(images)
        found = self._guide.symmetric(images)
        wanted = torch.stack([found[:, place] for place in self._places], 1)
        return (wanted - self._targets).square().sum(1)

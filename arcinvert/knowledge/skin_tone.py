"""Skin tone: the colour of a face's cheeks, predicted from its template.

A network learns to ignore light, and so the gradients of an attack hardly move an image's colour towards the
person's. A learned decoder's faces have the tone that it learned from photographs, which attacks that start
from them darken. Without a decoder, the cheeks of the public faces with the nearest
templates are lighter or darker with the person's (benchmarks/skin_tone.py measures it). Their mean varies
less than people do, since half of what tones of photographs vary by is their light; its deviations are
enlarged until they vary nearly as people, so that dark and light faces stay dark and light.
"""

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from arcinvert.knowledge.decoder import FaceDecoder
from arcinvert.knowledge.face_pca import faces_of
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.nearest_neighbours import NearestNeighbours
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.skin import CHEEKS

#: How many neighbours are averaged, of 20, 40 and 80; tuned on training people of the bundled network.
_NEAREST = 40
#: The fewest faces that determine the spread of tones and predictions.
FEWEST_FACES = 500
#: The standard deviation that predicted tones are enlarged to, in natural logarithms of luminance. Between
#: people it is 0.31, by the median of several photographs, and between single photographs 0.43. With 0.36 the
#: people of benchmarks/skin_tone.py keep 0.3 of their differences, and are nearer to their tones than a
#: photograph of them is.
SPREAD = 0.36
#: Faces whose tones are predicted from the others to measure how much predictions vary, and the largest gain.
_SAMPLE, _LARGEST_GAIN = 1000, 6.0
#: The gain of the two chroma coordinates, which templates say little about.
_CHROMA_GAIN = 2.0
#: Luminance of linear-light red, green and blue (ITU-R BT.709).
_LUMINANCE = (0.2126, 0.7152, 0.0722)
#: The darkest linear-light value, and the range of the factors that an image's channels are multiplied by.
_DARKEST, _FACTORS = 1e-3, (1 / 3, 3.0)


class SkinTone(ABC):
    """Predicts the colour of cheeks from templates, and gives it to images."""

    @abstractmethod
    def colours(self, templates: Tensor) -> Tensor:
        """Return colours of cheeks in linear light, shape (batch, 3), of unit-norm templates."""

    def apply(self, images: Tensor, templates: Tensor) -> Tensor:
        """Return images whose cheeks have the predicted colours, shape (batch, 3, size, size) in [0, 1].

        Each channel is multiplied by a factor in linear light, as another light does. A soft mask that limits
        the change to the face costs more identity.

        Args:
            images: Aligned faces in [0, 1].
            templates: Shape (batch, dim), unit norm.
        """
        wanted = self.colours(templates).to(images)
        factors = (wanted / cheek_colours(images)).clamp(*_FACTORS)
        return to_srgb((to_linear(images) * factors[:, :, None, None]).clamp(0, 1))


@dataclass(frozen=True)
class DecoderTone(SkinTone):
    """Predicts the colour that the cheeks of the decoder's faces have.

    Args:
        decoder: A decoder of the network's own templates.
    """

    decoder: FaceDecoder

    def colours(self, templates: Tensor) -> Tensor:
        """Return colours of cheeks in linear light, shape (batch, 3), of unit-norm templates."""
        return cheek_colours(self.decoder.decoded(templates, self.decoder.side)).cpu()


@dataclass(frozen=True)
class NeighbourTone(SkinTone):
    """Predicts the colour that the cheeks of public faces with similar templates have.

    Args:
        neighbours: Public faces with their templates, at least `FEWEST_FACES`.
    """

    neighbours: NearestNeighbours

    @functools.cached_property
    def _tones(self) -> Tensor:
        """The tones of the public faces, shape (faces, 3)."""
        parts = self.neighbours.pca_coefficients.split(256)
        return torch.cat([_tone_of(cheek_colours(faces_of(part.float()).clamp(0, 1))) for part in parts])

    @functools.cached_property
    def gain(self) -> float:
        """How many times the predictions of luminance are enlarged."""
        step = max(1, len(self.neighbours) // _SAMPLE)
        predicted = self._predicted(self.neighbours.templates[::step].float(), without_itself=True)
        return float((SPREAD / predicted[:, 0].std()).clamp(1, _LARGEST_GAIN))

    def _predicted(self, templates: Tensor, *, without_itself: bool = False) -> Tensor:
        """Return deviations of tones from their mean, (batch, 3), by the nearest public faces."""
        indices, weights = self.neighbours.nearest(templates, _NEAREST, without_itself=without_itself)
        return (self._tones[indices] * weights[..., None]).sum(1) - self._tones.mean(0)

    def colours(self, templates: Tensor) -> Tensor:
        """Return colours of cheeks in linear light, shape (batch, 3), of unit-norm templates."""
        gains = torch.tensor([self.gain, _CHROMA_GAIN, _CHROMA_GAIN])
        return _colour_of(self._tones.mean(0) + gains * self._predicted(templates.float().cpu()))


def skin_tone_of(knowledge: Knowledge, initialisation: str) -> SkinTone | None:
    """Return what predicts tones in an attack; None if nothing does.

    Args:
        knowledge: What the attacker knows of faces.
        initialisation: The name of the attack's initialisation.
    """
    if initialisation == "decoder" and isinstance(knowledge.decoder, FaceDecoder):
        return DecoderTone(knowledge.decoder)
    neighbours = knowledge.nearest_neighbours
    if neighbours is None or len(neighbours) < FEWEST_FACES:
        return None
    return NeighbourTone(neighbours)


def is_of_photographs(tone: SkinTone | None, knowledge: Knowledge) -> bool:
    """Return whether tones are predicted by photographs of people.

    Those of synthetic faces tell no more than the image that an attack starts from.
    """
    if isinstance(tone, DecoderTone):
        return tone.decoder.shows_people
    of = knowledge.statistics.template_faces if knowledge.statistics else None
    return tone is not None and of == "public faces"


def cheek_colours(images: Tensor) -> Tensor:
    """Return mean colours of cheeks in linear light, shape (batch, 3), of aligned faces, (batch, 3, s, s)."""
    scale = images.shape[-1] / ALIGNED_SIZE
    patches = []
    for sides in CHEEKS:
        top, bottom, left, right = (round(side * scale) for side in sides)
        patches.append(images[:, :, top:bottom, left:right].flatten(2))
    return to_linear(torch.cat(patches, 2).mean(2)).clamp(min=_DARKEST)


def to_linear(values: Tensor) -> Tensor:
    """Return linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return torch.where(values <= 0.04045, values / 12.92, ((values.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def to_srgb(values: Tensor) -> Tensor:
    """Return sRGB values of linear light in [0, 1]."""
    bent = 1.055 * values.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(values <= 0.0031308, values * 12.92, bent)


def _tone_of(colours: Tensor) -> Tensor:
    """Return log luminance, log red/green and log blue/green, shape (n, 3), of linear-light colours."""
    red, green, blue = colours.log().unbind(1)
    luminance = colours @ torch.tensor(_LUMINANCE).to(colours)
    return torch.stack([luminance.log(), red - green, blue - green], 1)


def _colour_of(tones: Tensor) -> Tensor:
    """Return the linear-light colours of tones, the inverse of `_tone_of`."""
    luminance, red, blue = tones.exp().unbind(1)
    ratios = torch.stack([red, torch.ones_like(red), blue], 1)
    green = luminance / (ratios @ torch.tensor(_LUMINANCE).to(ratios))
    return ratios * green[:, None]

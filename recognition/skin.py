"""Skin tone of aligned faces by the colour of the cheeks; no network looks at them.

The tone is the individual typology angle, atan((L* - 50) / b*), in degrees, of the cheeks' median colour in
CIE Lab (Chardin et al., International Journal of Cosmetic Science 13, 1991): the greater, the lighter. Light
and make-up change it from photograph to photograph of a person.
"""

import numpy as np
from numpy.typing import NDArray

from recognition.detection.alignment import ALIGNED_SIZE

#: The cheeks of an aligned crop, beside the nose and below the eyes: top, bottom, left, right, in pixels.
CHEEKS = ((68, 82, 34, 47), (68, 82, 65, 78))
#: Classes of skin, from the darkest, and the angles in degrees between them (Del Bino and Bernerd, British
#: Journal of Dermatology 169, 2013).
CLASSES = ("dark", "brown", "tan", "intermediate", "light", "very light")
CLASS_EDGES = (-30.0, 10.0, 28.0, 41.0, 55.0)
#: Linear-light sRGB to CIE XYZ (IEC 61966-2-1), and the white of illuminant D65.
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])

Values = NDArray[np.float64]


def to_lab(colours: Values) -> Values:
    """Return CIE Lab of sRGB colours in [0, 1], shape (..., 3)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    ratios = linear @ _TO_XYZ.T / _WHITE
    bent = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def cheek_colour(crop: NDArray[np.uint8]) -> Values:
    """Return the median CIE Lab colour of the cheeks, shape (3,), of an aligned crop, (112, 112, 3).

    Raises:
        ValueError: If the crop has another shape.
    """
    if crop.shape != (ALIGNED_SIZE, ALIGNED_SIZE, 3):
        raise ValueError(f"crop: expected an aligned crop of 112 x 112 pixels, got shape {crop.shape}")
    patches = [crop[top:bottom, left:right].reshape(-1, 3) for top, bottom, left, right in CHEEKS]
    return np.asarray(np.median(to_lab(np.concatenate(patches) / 255.0), axis=0))


def typology_angle(colours: Values) -> Values:
    """Return typology angles in degrees, shape (...), of CIE Lab colours, (..., 3)."""
    return np.asarray(np.degrees(np.arctan2(colours[..., 0] - 50, colours[..., 2])))


def skin_tones(crops: NDArray[np.uint8]) -> Values:
    """Return the typology angles, degrees, of aligned crops, shape (..., 112, 112, 3) to (...)."""
    flat = crops.reshape(-1, *crops.shape[-3:])
    colours = np.array([cheek_colour(crop) for crop in flat]).reshape(-1, 3)
    return typology_angle(colours).reshape(crops.shape[:-3])


def skin_classes(tones: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the index in `CLASSES` of typology angles, any shape."""
    return np.digitize(tones, CLASS_EDGES)

"""Images of more than eight bits a sample, such as scanners and cameras write, as images of eight.

Cameras store 10, 12 or 14 bits in 16, and scanners 16 in 32, without saying so: white is the greatest value
of the fewest usual bits that hold the brightest sample.
"""

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Bits of a sample that cameras and scanners use in files of 16 or 32 bits; of signed ones, without the sign.
_BITS, _SIGNED_BITS = (8, 10, 12, 14, 16, 24, 31, 32), (8, 10, 12, 14, 15, 16, 24, 31)
#: Bits of a sample whose 0 is grey, with the sign.
_CENTRED_BITS = (8, 10, 12, 14, 16, 24, 32)
#: Brightest highlight of an image in floating point whose white is 1.
_HIGHLIGHT = 16.0
#: What the darkest value is of the brightest one where 0 is grey; dark noise is much nearer to 0.
_CENTRED = -1 / 8
#: Samples that are looked at at once.
_BAND = 4_000_000
#: Tags of TIFF: bits of a sample, whether 0 is white, whether colours are apart, and the kind of number.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 262, 284, 339
_WHITE_IS_ZERO, _SEPARATE, _SIGNED = 0, 2, 2
#: Pillow's decoders of colours of 16 bits, which keep the upper eight: the channels and the order of bytes.
#: Inks, of CMYK, are not among them: light ones are no camera's.
_SIXTEEN = re.compile(r"(RGB|RGBA|RGBX|RGBa|LA|[RGBA]);16([BLN])")
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
#: The least upper byte that samples of 14 bits do not have, and white of 16 bits.
_FULL, _WHITE = 1 << 6, 65535.0
#: Channels with a white of their own, by Pillow's mode.
_CHANNELS = {"RGB": ((0, 1, 2),), "RGBA": ((0, 1, 2), (3,))}
#: Where the lower bytes of grey with opacity are, which Pillow makes RGBA, among the bytes of a pixel.
_GREY_LOWER = [1, 1, 1, 3]
_Where = list[int] | slice


@dataclass(frozen=True)
class Levels:
    """The range of a greyscale image of more than eight bits.

    Args:
        black: The value of black, and of white in a negative.
        white: The value of white, and of black in a negative.
        negative: Whether the smallest value is white.
        unsigned: Whether numbers of 32 bits have no sign; Pillow's have one.
        transparent: A value that means transparency; None if no value does.
    """

    black: float
    white: float
    negative: bool = False
    unsigned: bool = False
    transparent: float | None = None


def is_deep_grey(image: Image.Image) -> bool:
    """Return whether an image is greyscale of more than eight bits."""
    return image.mode.startswith("I") or image.mode == "F"


def levels_of(image: Image.Image) -> Levels:
    """Return which values of a greyscale image of more than eight bits are black and white.

    Integers are as the module says; where they go as far below 0 as above, black is the least of as many
    bits. Floating point is from 0 to 1, or from -1 to 1, with highlights above, unless the brightest pixel
    shows that it is not.

    Args:
        image: In one of Pillow's modes I, I;16 and F, as it was read.
    """
    tags = getattr(image, "tag_v2", None)
    negative = tags is not None and tags.get(_PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO
    signed = tags is not None and _SIGNED in tags.get(_SAMPLE_FORMAT, ())
    unsigned = image.mode == "I" and tags is not None and tags.get(_BITS_PER_SAMPLE) == (32,) and not signed
    transparent = image.info.get("transparency")
    transparent = float(transparent) if isinstance(transparent, int) else None
    darkest, brightest = _range(image, transparent, unsigned=unsigned)
    centred = darkest < _CENTRED * brightest
    if image.mode == "F" and max(brightest, -darkest) <= _HIGHLIGHT:
        return Levels(-1.0 if centred else 0.0, 1.0, negative)
    if centred:
        halves = (2.0 ** (bits - 1) for bits in _CENTRED_BITS)
        half = next((half for half in halves if brightest < half and darkest >= -half), -darkest)
        return Levels(-half, max(half - 1, brightest), negative)
    white = _white(brightest, _SIGNED_BITS if signed else _BITS)
    return Levels(0.0, white, negative, unsigned, transparent)


def _white(brightest: float, usual: tuple[int, ...] = _BITS) -> float:
    return next((2.0**bits - 1 for bits in usual if brightest <= 2**bits - 1), max(brightest, 1.0))


def _range(image: Image.Image, transparent: float | None, *, unsigned: bool) -> tuple[float, float]:
    """Return the least and the greatest value of an image, and 0 where these are above and below it."""
    darkest = brightest = 0.0
    for top, bottom in _bands(image):
        band = image.crop((0, top, image.width, bottom))
        stored = np.asarray(band)
        # Values of 16 bits can be compared as they are.
        values = stored if _is_sixteen(stored) else _values(band, unsigned=unsigned)
        seen = np.isfinite(values) & (values != transparent)
        darkest = min(darkest, float(np.min(values, where=seen, initial=0.0)))
        brightest = max(brightest, float(np.max(values, where=seen, initial=0.0)))
    return darkest, brightest


def _values(image: Image.Image, *, unsigned: bool) -> NDArray[np.float64]:
    values = np.asarray(image)
    with np.errstate(invalid="ignore"):
        return (values.view(np.uint32) if unsigned else values).astype(np.float64)


def to_eight_bits(image: Image.Image, levels: Levels) -> NDArray[np.uint8]:
    """Return a greyscale image of more than eight bits as uint8, shape (height, width).

    Args:
        image: In one of Pillow's modes I, I;16 and F, or a part of one.
        levels: Which values are black and white.
    """
    stored = np.asarray(image)
    if _is_sixteen(stored):
        # One computation for each value and not for each pixel, of which there are up to a hundred million.
        return _of_levels(np.arange(2.0**16), levels)[stored]
    return _of_levels(_values(image, unsigned=levels.unsigned), levels)


def _is_sixteen(stored: NDArray[Any]) -> bool:
    return stored.dtype.kind == "u" and stored.dtype.itemsize == 2


def _of_levels(stored: NDArray[np.float64], levels: Levels) -> NDArray[np.uint8]:
    """Return values as uint8, of the same shape."""
    values = (stored - levels.black) / (levels.white - levels.black) * 255
    if levels.negative:
        values = 255 - values
    values[stored == levels.transparent] = 255
    return np.nan_to_num(values).clip(0, 255).round().astype(np.uint8)


def load(image: Image.Image) -> None:
    """Read the pixels of an image, with colours of 16 bits as the module says.

    Pillow keeps the upper eight bits of these, which are next to nothing of what cameras store with 10 or 12.

    Args:
        image: Any image. Of one whose pixels were read before, the lower bits are lost.
    """
    _name_planes(image)
    kinds = [_SIXTEEN.fullmatch(_decoder(tile)) for tile in getattr(image, "tile", ())]
    found = [kind for kind in kinds if kind is not None]
    if not found or len(found) != len(kinds):
        image.load()
        return
    # What was multiplied by its opacity is divided by it only when all of its bits are there.
    multiplied = any(kind[1] == "RGBa" for kind in found)
    upper = [f"{kind[1].replace('a', 'A')};16{kind[2]}" for kind in found]
    _decode_as(image, upper)
    # Opened before the image is read, which may close its file.
    lower = _opened_again(image)
    grey = found[0][1] == "LA"
    # Pillow has no decoder for the lower bytes of grey with opacity; this one keeps all four as they are.
    others = ["RGBA" if grey else name[:-1] + _OTHER_ORDER[name[-1]] for name in upper]
    _decode_as(lower, others)
    image.load()
    _spread(image, lower, _GREY_LOWER if grey else slice(None), multiplied=multiplied)


def _spread(image: Image.Image, lower: Image.Image, where: _Where, *, multiplied: bool) -> None:
    """Bring the colours of an image of 16 bits to the whole range of eight.

    Args:
        image: The upper bytes; is changed.
        lower: The lower bytes, which are read if they are needed.
        where: The channel of these of each channel.
        multiplied: Whether the colours were multiplied by their opacity.
    """
    extrema: Any = image.getextrema()
    greatest = [brightest for _, brightest in extrema]
    whites = np.full(len(greatest), _WHITE)
    dim = [group for group in _CHANNELS[image.mode] if max(greatest[channel] for channel in group) < _FULL]
    if dim or multiplied:
        lower.load()
    if dim:
        brightest = np.max([values.max((0, 1)) for _, values in _samples(image, lower, where)], axis=0)
        for group in dim:
            whites[list(group)] = _white(float(brightest[list(group)].max()))
    transparent = image.info.pop("transparency", None)
    if isinstance(transparent, tuple) and max(transparent) <= min(whites):
        samples = np.array(transparent)
        image.info["transparency"] = tuple((_scaled(samples, whites) if dim else samples // 256).tolist())
    if dim or multiplied:
        for top, values in _samples(image, lower, where):
            scaled = _scaled(values, whites)
            mode = "RGBa" if multiplied else image.mode
            part = Image.frombytes(mode, scaled.shape[1::-1], scaled.tobytes())
            image.paste(part.convert(image.mode), (0, top))


def _scaled(samples: NDArray[Any], whites: NDArray[np.float64]) -> NDArray[np.uint8]:
    return (samples / whites * 255).round().astype(np.uint8)


def _samples(
    image: Image.Image, lower: Image.Image, where: _Where
) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """Yield the samples of some rows after another, and the first of these rows."""
    for top, bottom in _bands(image):
        box = (0, top, image.width, bottom)
        yield top, np.asarray(image.crop(box)) * np.uint16(256) + np.asarray(lower.crop(box))[..., where]


def _bands(image: Image.Image) -> Iterator[tuple[int, int]]:
    rows = max(1, _BAND // max(1, image.width))
    for top in range(0, image.height, rows):
        yield top, min(image.height, top + rows)


def _name_planes(image: Image.Image) -> None:
    """Let Pillow read planes of 16 bits, which it takes for planes of eight where they are not compressed."""
    tags = getattr(image, "tag_v2", {})
    deep = set(tags.get(_BITS_PER_SAMPLE, ())) == {16} and tags.get(_PLANAR) == _SEPARATE
    if deep and all(len(_decoder(tile)) == 1 for tile in image.tile):  # type: ignore[attr-defined]
        order = "L" if tags.prefix == b"II" else "B"  # type: ignore[union-attr]
        _decode_as(image, [f"{_decoder(tile)};16{order}" for tile in image.tile])  # type: ignore[attr-defined]


def _decoder(tile: Any) -> str:
    """Return the name of the form in which a part of a file stores its pixels."""
    return tile.args if isinstance(tile.args, str) else str((tile.args or ("",))[0])


def _decode_as(image: Any, names: list[str]) -> None:
    """Name the form in which each part of a file stores its pixels."""
    image.tile = [
        tile._replace(args=name if isinstance(tile.args, str) else (name, *tile.args[1:]))
        for tile, name in zip(image.tile, names, strict=True)
    ]


def _opened_again(image: Any) -> Any:
    at = image.fp.tell()
    image.fp.seek(0)
    again = Image.open(io.BytesIO(image.fp.read()), formats=[image.format])
    image.fp.seek(at)
    _name_planes(again)
    return again

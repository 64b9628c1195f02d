"""Which formats of photographs are read, and how many levels of grey a file of more than eight bits uses."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Pillow's decoders that may read an untrusted file: the usual formats of photographs. Pillow is built
#: without some on some systems.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000")
#: Endings of the files that are taken for photographs.
SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".avif"),
        *(".jp2", ".j2k", ".heic", ".heif"),
    }
)
#: The brands of HEIC files, after the box type `ftyp`. Source: ISO/IEC 23008-12, annex B.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
#: The first bytes of JPEG XL, alone and in a container. Source: ISO/IEC 18181-2.
_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
#: Brightest highlight of an image in floating point whose white is 1.
_HIGHLIGHT = 16.0
#: Bits of a level of grey that cameras and scanners use in files of 16 or 32 bits.
_BITS = (8, 10, 12, 14, 16, 24, 31, 32)


def decoders(data: bytes) -> tuple[str, ...]:
    """Return the names of Pillow's decoders that may read a file.

    Args:
        data: Its content; HEIC has an optional decoder, which is loaded when it is needed.
    """
    if _is_heic(data) and _has_heif():
        return ("HEIF",)
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def missing_decoder(data: bytes) -> str | None:
    """Return what to do about a photograph whose format needs another library; None if it is no such file."""
    if _is_heic(data) and not _has_heif():
        return "HEIC needs pillow-heif, which is not installed; pip install 'arcinvert[heic]'"
    if data.startswith(_JPEG_XL):
        return "JPEG XL is not read; convert it first, with 'djxl FILE.jxl FILE.png'"
    return None


def _is_heic(data: bytes) -> bool:
    if data[4:8] != b"ftyp":
        return False
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 200)]
    # AVIF is in the same container, and may have the same first brand.
    return brands[:4] in _HEIC and b"avif" not in brands


def _has_heif() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def full_scale(image: Image.Image) -> float:
    """Return the value of white in a greyscale image of more than eight bits.

    Cameras store 10, 12 or 14 bits in 16, and scanners 16 in 32, without saying so: it is the greatest value
    of the fewest usual bits that hold the brightest pixel. Floating point is from 0 to 1, with highlights
    above, unless the brightest pixel shows that it is not.

    Args:
        image: In one of Pillow's modes I, I;16 and F.
    """
    brightest = _brightest(image)
    if image.mode == "F" and brightest <= _HIGHLIGHT:
        return 1.0
    return next((2.0**bits - 1 for bits in _BITS if brightest <= 2**bits - 1), max(brightest, 1.0))


def _brightest(image: Image.Image) -> float:
    brightest = 0.0
    rows = max(1, 4_000_000 // max(1, image.width))
    for top in range(0, image.height, rows):
        band = np.asarray(image.crop((0, top, image.width, min(image.height, top + rows))))
        brightest = max(brightest, _finite_maximum(band))
    return brightest


def _finite_maximum(values: NDArray[np.generic]) -> float:
    numbers = values.astype(np.float64)
    largest = float(np.max(numbers, where=np.isfinite(numbers), initial=0.0))
    return largest if math.isfinite(largest) else 0.0


def to_eight_bits(image: Image.Image, white: float) -> NDArray[np.uint8]:
    """Return a greyscale image of more than eight bits as uint8, shape (height, width).

    Args:
        image: In one of Pillow's modes I, I;16 and F.
        white: The value of white.
    """
    values = np.nan_to_num(np.asarray(image).astype(np.float64) / white * 255)
    return values.clip(0, 255).round().astype(np.uint8)


def suffix_of(data: bytes) -> str:
    """Return the usual ending of an image file by its first bytes; `.jpg` where they are not known."""
    begins = {b"\x89PNG": ".png", b"BM": ".bmp", b"GIF8": ".gif", b"II*\0": ".tif", b"MM\0*": ".tif"}
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for begin, suffix in begins.items() if data.startswith(begin)), ".jpg")

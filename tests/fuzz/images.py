"""Sound photographs, in every format that is read."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def image_bytes(_: Path) -> list[bytes]:
    """Return photographs in every format and of every kind of pixel; HEIC where it can be written."""
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    found = []
    for kind, mode, options in (
        ("JPEG", "RGB", {"exif": exif}),
        ("JPEG", "CMYK", {"progressive": True}),
        ("PNG", "RGBA", {"exif": exif}),
        ("PNG", "P", {}),
        ("PNG", "I;16", {}),
        ("WEBP", "RGB", {"exif": exif}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_deflate", "exif": exif}),
        ("TIFF", "F", {}),
        ("GIF", "P", {}),
        ("PPM", "RGB", {}),
        ("AVIF", "RGB", {"exif": exif}),
        ("JPEG2000", "RGB", {}),
        ("TIFF", "I", {}),
        *([("HEIF", "RGB", {"exif": exif.tobytes()}), ("HEIF", "RGBA", {})] if _has_heif() else []),
    ):
        file = io.BytesIO()
        pixels.convert("L" if mode in ("I;16", "I", "F") else mode).convert(mode).save(file, kind, **options)
        found.append(file.getvalue())
    deep = np.random.default_rng(0).integers(0, 4096, (24, 20, 4), dtype=np.uint16)
    for ending, channels in ((".png", 3), (".png", 4), (".tiff", 3), (".tiff", 4)):
        found.append(bytes(cv2.imencode(ending, deep[..., :channels])[1]))
    return found


def _has_heif() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True

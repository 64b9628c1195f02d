"""Which formats of photographs are read."""

import os

from PIL import Image

#: Pillow's decoders that may read an untrusted file: the usual formats of photographs. Pillow is built
#: without some on some systems.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000")
#: The first bytes of TIFF, in both orders of bytes.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Endings of the files that are read, by their formats.
READ_SUFFIXES = frozenset(
    {
        *(
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".jif",
            ".jfi",
            ".pjpeg",
            ".pjp",
            ".mpo",
            ".png",
            ".apng",
            ".webp",
        ),
        *(".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".avifs"),
        *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".heic", ".heif", ".hif", ".heics", ".heifs"),
    }
)
#: Endings of cameras' raw files; many are TIFF and would be read as the small preview that comes first.
_RAW = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".kdc", ".mef", ".mrw", ".nef"),
        *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)
#: Endings of photographs in formats that are not read.
_UNREAD = frozenset({".jxl", ".psd", ".psb", ".xcf", ".tga", ".exr", *_RAW})
#: Endings of the files in a folder that are taken for photographs; those that are not read are reported so.
SUFFIXES = READ_SUFFIXES | _UNREAD
#: The brands of HEIC files, after the box type `ftyp`. Source: ISO/IEC 23008-12, annex B.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
#: The first bytes of JPEG XL, alone and in a container. Source: ISO/IEC 18181-2.
_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")


def decoders(data: bytes) -> tuple[str, ...]:
    """Return the names of Pillow's decoders that may read a file.

    Args:
        data: Its content; HEIC has an optional decoder, which is loaded when it is needed.
    """
    if _is_heic(data) and _has_heif():
        return ("HEIF",)
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def is_raw(data: bytes, name: str) -> bool:
    """Return whether a file is a camera's raw photograph that would be taken for a TIFF, by its name."""
    return _suffix(name) in _RAW and data.startswith(_TIFF)


def missing_decoder(data: bytes, name: str) -> str | None:
    """Return what to do about a photograph whose format is not read; None if it is no such file."""
    if _is_heic(data) and not _has_heif():
        return "HEIC needs pillow-heif, which is not installed; pip install 'arcinvert[heic]'"
    if data.startswith(_JPEG_XL):
        return "JPEG XL is not read; convert it first, with 'djxl FILE.jxl FILE.png'"
    if _suffix(name) in _RAW:
        return "a camera's raw file is not read; export it as JPEG, PNG or TIFF first"
    if data.startswith(_TIFF):
        return "expected a TIFF of 8 or 16 bits a colour, got another kind or a damaged one; convert it first"
    return None


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - names may have any characters


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


def suffix_of(data: bytes) -> str:
    """Return the usual ending of an image file by its first bytes; `.jpg` where they are not known."""
    begins = {b"\x89PNG": ".png", b"BM": ".bmp", b"GIF8": ".gif", b"II*\0": ".tif", b"MM\0*": ".tif"}
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for begin, suffix in begins.items() if data.startswith(begin)), ".jpg")

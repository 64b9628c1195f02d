"""Image files, uint8 HWC arrays and float NCHW tensors, converted into each other.

Everywhere else, `images` are float32 NCHW RGB in [0, 1].
"""

import contextlib
import io
import os
import re
import secrets
import shutil
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from recognition.deep_images import Levels, is_deep_grey, levels_of, load, to_eight_bits
from recognition.errors import InputError, one_line
from recognition.files import printable, read_bytes, shorten
from recognition.image_formats import FORMATS, SUFFIXES, decoders, is_raw, missing_decoder

#: Size of the largest photograph that is decoded, in pixels; cameras have up to 100 megapixels.
MAX_PIXELS = 100_000_000
#: Largest size in pixels of the formats and modes whose decoders need more memory per pixel.
MAX_PIXELS_OF = {
    **{"WEBP": 40_000_000, "GIF": 40_000_000, "CMYK": 60_000_000},
    **{"AVIF": 40_000_000, "HEIF": 40_000_000, "JPEG2000": 40_000_000},
}
#: Largest file of a photograph in bytes; 100 megapixels of uncompressed 16-bit RGB have 600 MB.
MAX_IMAGE_BYTES = 640 << 20
#: Most pixels times scans of a JPEG: a progressive one decodes its whole size with each scan, and has ten.
MAX_SCANNED = 2_000_000_000
#: Bytes of a file's name in the name of its temporary file, and how that one ends.
_PREFIX, _TEMPORARY = 100, ".part"
#: The process in the name of a temporary file, and the names that this process uses.
_HOLDER = re.compile(r"\.(\d{1,10})-[0-9a-f]{8}\.part$")
_in_use: set[str] = set()
#: Folders that had no temporary files when this process first wrote in them.
_tidy: set[Path] = set()
#: Pixels that are converted to RGB at once.
_BAND = 4_000_000
#: The EXIF tag of the orientation, and how each of its values is undone, as operations of numpy.
_ORIENTATION = 0x0112
_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image, 1),
}


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Return a photograph as a uint8 HWC RGB array, upright by its EXIF tag, transparency on white.

    Greyscale, palette, RGBA, CMYK and files of more than eight bits are converted; an animation gives its
    first frame.

    Raises:
        InputError: If the file does not exist, is not an image, is damaged, or has more than `MAX_PIXELS`.
    """
    return decode_image(read_bytes(path, "a photograph", MAX_IMAGE_BYTES), name=os.fspath(path))


def decode_image(data: bytes, *, name: str, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return the image in the bytes of a file, as `read_image` does.

    Args:
        data: Content of an image file.
        name: The file's name in error messages.
        max_pixels: Images with more pixels are refused before they are decoded.

    Raises:
        InputError: If it is not an image, is damaged, or is too large.
    """
    with _one_line_errors(name, data, max_pixels):
        image = _open(data, name)
        _check_size(image, data, name, max_pixels)
        return _decode(image, close=True)


def check_encoded(data: bytes, *, name: str) -> tuple[int, int]:
    """Check the bytes of an image file without decoding them, and return its width and height in pixels.

    Header, size and, of formats that have them, checksums are checked. Data that was cut off or damaged may
    still be found by decoding only.

    Args:
        data: The file's bytes.
        name: The file's name in errors.

    Raises:
        InputError: As `read_image` does.
    """
    with _one_line_errors(name, data, MAX_PIXELS):
        image = _open(data, name)
        _check_size(image, data, name, MAX_PIXELS)
        size = image.size
        image.verify()
        return size


def _open(data: bytes, name: str) -> Image.Image:
    if is_raw(data, name):
        raise InputError(f"{name}: {missing_decoder(data, name)}")
    return Image.open(io.BytesIO(data), formats=decoders(data))


@contextlib.contextmanager
def _one_line_errors(name: str, data: bytes, max_pixels: int) -> Iterator[None]:
    """Turn whatever Pillow raises on an image into an InputError, and hide its warnings."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of decompression bombs; the size is checked before anything is decoded.
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError:
        missing = missing_decoder(data, name)
        if missing is not None:
            raise InputError(f"{name}: {missing}") from None
        raise InputError(
            f"{name}: expected an image ({', '.join(FORMATS)}), got something else; convert it first"
        ) from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{name}: expected at most {max_pixels:,} pixels, got more; shrink it first"
        ) from None
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: not enough memory to decode it; shrink it first") from None
    except Exception as error:
        # Pillow's decoders raise any type on damaged files.
        raise InputError(
            f"{name}: damaged or truncated image ({one_line(error)}); get an intact copy"
        ) from None


def _check_size(image: Image.Image, data: bytes, name: str, max_pixels: int) -> None:
    width, height = image.size
    kinds = (image.format or "", image.mode)
    most = min(max_pixels, *(MAX_PIXELS_OF.get(kind, max_pixels) for kind in kinds))
    if width * height > most:
        raise InputError(f"{name}: expected at most {most:,} pixels, got {width}x{height}; shrink it first")
    scans = data.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 1
    if scans > 1 and width * height * scans > MAX_SCANNED:
        raise InputError(
            f"{name}: expected a JPEG of a few scans, got {scans:,} of {width}x{height}; save it anew"
        )


def _decode(image: Image.Image, *, close: bool = False) -> NDArray[np.uint8]:
    """Return an image as upright RGB, converted band by band so that only one copy is whole.

    Args:
        image: The image.
        close: Whether its memory is not needed any more.
    """
    load(image)
    orientation = _orientation(image)
    width, height = image.size
    levels = levels_of(image) if is_deep_grey(image) else None
    rows = max(1, _BAND // max(1, width))
    if rows >= height:
        pixels = np.array(_to_rgb(image, levels), dtype=np.uint8)
    else:
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            pixels[top:bottom] = np.asarray(_to_rgb(image.crop((0, top, width, bottom)), levels))
    if close:
        image.close()
    upright = _UPRIGHT.get(orientation)
    return pixels if upright is None else np.ascontiguousarray(upright(pixels))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:
        # Damaged EXIF raises any type; the pixels are sound without it.
        return 1
    return value if isinstance(value, int) else 1


def frame_count(data: bytes) -> int:
    """Return the number of frames of an image that `decode_image` can read; an animation has several."""
    with Image.open(io.BytesIO(data), formats=decoders(data)) as image:
        return getattr(image, "n_frames", 1)


def upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return a PIL image as uint8 HWC RGB, converted as `read_image` does."""
    return _decode(image)


def _to_rgb(image: Image.Image, levels: Levels | None) -> Image.Image:
    if levels is not None:
        return Image.fromarray(to_eight_bits(image, levels)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return a uint8 HWC (or NHWC) array as a float32 CHW (or NCHW) tensor in [0, 1]."""
    tensor = torch.from_numpy(np.array(image, dtype=np.uint8)).movedim(-1, -3)
    return tensor.to(torch.float32).div_(255).contiguous()


def resized(images: Tensor, size: int) -> Tensor:
    """Return NCHW images resized to `size` pixels a side, antialiased; unchanged if they have that size."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Return a float CHW (or NCHW) tensor in [0, 1] as uint8 HWC (or NHWC), clipped and rounded."""
    values = images.detach().to("cpu", torch.float32).clamp(0, 1).mul(255).round()
    return values.to(torch.uint8).movedim(-3, -1).contiguous().numpy()


def write_png(path: str | os.PathLike[str], image: NDArray[np.uint8]) -> None:
    """Write a uint8 HWC image as a PNG file, completely or not at all."""
    with atomic_path(path) as temporary:
        # Higher levels take three times as long to make files 5 % smaller. Runs of equal bytes alone, without
        # other repetitions, make those of faces 6 % smaller, in 15 % less time.
        Image.fromarray(image).save(temporary, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], *, mode: int = 0o666) -> Iterator[Path]:
    """Yield a temporary file beside `path`; it replaces `path` at the end and is removed on an error.

    Those that killed processes left of the same file are removed too.

    Args:
        path: The file to write.
        mode: Its permissions, less those that the user's umask removes; 0o600 for secrets.

    Raises:
        InputError: If the folder cannot be written or the disk is full.
    """
    path = Path(path)
    # Unlike these functions, those of `Path` raise on names that are too long, which are refused below.
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{printable(path)}: expected a file to write, got {kind}; choose another")
    _remove_own_leftovers(path)
    # A prefix of the whole name would be too long where the name is nearly as long as names can be.
    begin = f".{shorten(path.name, _PREFIX)}."
    temporary = path.parent / f"{begin}{os.getpid()}-{secrets.token_hex(4)}{_TEMPORARY}"
    _in_use.add(temporary.name)
    try:
        try:
            # Made with its permissions: for no moment may others read what is not for them.
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _unwritable(path, error) from None
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    finally:
        _in_use.discard(temporary.name)


@contextlib.contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a temporary folder, which is removed at the end; those of killed processes are removed first.

    Args:
        parent: An existing folder, which it is in.
        name: Distinguishes it from other temporary files and folders there.

    Raises:
        OSError: If it cannot be created.
    """
    remove_leftovers(parent, name)
    folder = parent / f".{name}.{os.getpid()}-{secrets.token_hex(4)}{_TEMPORARY}"
    _in_use.add(folder.name)
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _in_use.discard(folder.name)


def _unwritable(path: Path, error: OSError) -> InputError:
    reason = error.strerror or error
    return InputError(
        f"{printable(path)}: cannot be written ({reason}); choose another folder or free some space"
    )


def remove_leftovers(folder: str | os.PathLike[str], name: str | None = None) -> None:
    """Remove the temporary files and folders that killed processes left in a folder of results.

    Those of a process that still runs are kept.

    Args:
        folder: The folder.
        name: The file whose temporary files are removed; None removes those of all.
    """
    begin = "." if name is None else f".{shorten(name, _PREFIX)}."
    # Not by glob: a folder's name may have brackets.
    for path in Path(folder).iterdir():
        mine = path.name.startswith(begin) and path.name.endswith(_TEMPORARY)
        if not mine or _is_in_use(path.name):
            continue
        if not path.is_dir():
            with contextlib.suppress(OSError):
                path.unlink()
        elif _HOLDER.search(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _remove_own_leftovers(path: Path) -> None:
    """Remove what killed processes left of a file that is about to be written."""
    if path.parent in _tidy:
        return
    try:
        with os.scandir(path.parent) as entries:
            found = any(entry.name.endswith(_TEMPORARY) for entry in entries)
    except OSError:
        # Writing there says why.
        return
    if found:
        remove_leftovers(path.parent, path.name)
    else:
        # Folders may have very many files: one look is enough.
        _tidy.add(path.parent)


def _is_in_use(temporary: str) -> bool:
    """Return whether the process that wrote a temporary file still runs."""
    found = _HOLDER.search(temporary)
    if found is None:
        return False
    holder = int(found[1])
    if holder == os.getpid():
        return temporary in _in_use
    if sys.platform == "win32":
        # There an open file cannot be removed, and signal 0 would interrupt the other process.
        return False
    try:
        os.kill(holder, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the image files directly in `folder`, sorted by name."""
    return sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)


def list_images_below(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the image files in `folder` and in all folders below it, sorted by path."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)

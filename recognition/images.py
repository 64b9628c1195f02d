"""Image files, uint8 HWC arrays and float NCHW tensors, converted into each other.

Everywhere else, `images` are float32 NCHW RGB in [0, 1].
"""

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from recognition.errors import InputError

#: Size of the largest photograph that is decoded, in pixels; cameras have up to 100 megapixels.
MAX_PIXELS = 100_000_000
#: Pillow's decoders that may read an untrusted file: the usual formats of photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
#: Endings of the files that `list_images` lists.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"})


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Return a photograph as a uint8 HWC RGB array, upright by its EXIF tag, transparency on white.

    Greyscale, palette, RGBA, CMYK and 16-bit files are converted; an animation gives its first frame.

    Raises:
        InputError: If the file does not exist, is not an image, is damaged, or has more than `MAX_PIXELS`.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: expected a photograph, found no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: expected a photograph, got a folder; name a file in it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return decode_image(data, name=str(path))


def decode_image(data: bytes, *, name: str, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return the image in the bytes of a file, as `read_image` does.

    Args:
        data: Content of an image file.
        name: The file's name in error messages.
        max_pixels: Images with more pixels are refused before they are decoded.

    Raises:
        InputError: If it is not an image, is damaged, or is too large.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of decompression bombs; the size is checked below, before anything is decoded.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            width, height = image.size
            if width * height > max_pixels:
                raise InputError(
                    f"{name}: expected at most {max_pixels:,} pixels, got {width}x{height}; shrink it first"
                )
            return upright_rgb(image)
    except UnidentifiedImageError:
        raise InputError(
            f"{name}: expected an image ({', '.join(FORMATS)}), got something else; convert it first"
        ) from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{name}: expected at most {max_pixels:,} pixels, got more; shrink it first"
        ) from None
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError) as error:
        # Pillow's decoders raise all of these types on damaged files.
        raise InputError(f"{name}: damaged or truncated image ({error}); get an intact copy") from None


def frame_count(data: bytes) -> int:
    """Return the number of frames of an image that `decode_image` can read; an animation has several."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return getattr(image, "n_frames", 1)


def upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return a PIL image as uint8 HWC RGB, converted as `read_image` does."""
    return np.asarray(_to_rgb(ImageOps.exif_transpose(image)))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        # 16-bit files use 0 to 65535, float files 0 to 1.
        full = 1.0 if image.mode == "F" else 65535.0
        return Image.fromarray((values / full * 255).clip(0, 255).round().astype(np.uint8)).convert("RGB")
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
        Image.fromarray(image).save(temporary, format="PNG")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file beside `path`; it replaces `path` at the end and is removed on an error.

    Raises:
        InputError: If the folder cannot be written or the disk is full.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); choose another folder or free some space"
        ) from None
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results get the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); choose another folder or free some space"
        ) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files that a killed process left in a folder of results."""
    for path in Path(folder).glob(".*.part"):
        path.unlink(missing_ok=True)


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the image files directly in `folder`, sorted by name."""
    return sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)

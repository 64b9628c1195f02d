"""Formats of photographs, and greyscale of more than eight bits."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from recognition.errors import InputError
from recognition.image_formats import SUFFIXES
from recognition.images import decode_image, list_images

COLOURS = np.full((64, 48, 3), (200, 90, 30), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_hold_fewer(bits: int, kind: str) -> None:
    white = 2**bits - 1
    values = np.array([[0, white // 2, white]], dtype=np.uint16)
    image = decode_image(encoded(Image.fromarray(values), kind), name="deep")
    assert np.abs(image[0, :, 0].astype(int) - [0, 127, 255]).max() <= 1


@pytest.mark.parametrize("bits", [8, 12, 16, 24, 31])
def test_thirty_two_bits_hold_fewer(bits: int) -> None:
    white = 2**bits - 1
    values = np.array([[0, white // 2, white]], dtype=np.int32)
    image = decode_image(encoded(Image.fromarray(values), "TIFF"), name="deep")
    assert np.abs(image[0, :, 0].astype(int) - [0, 127, 255]).max() <= 1


@pytest.mark.parametrize("white", [1.0, 255.0, 4095.0, 65535.0])
def test_floating_point_of_any_scale(white: float) -> None:
    values = np.array([[0, white / 2, white, np.nan]], dtype=np.float32)
    image = decode_image(encoded(Image.fromarray(values), "TIFF"), name="float")
    assert np.abs(image[0, :, 0].astype(int) - [0, 128, 255, 0]).max() <= 1


def test_brightness_is_that_of_the_whole_image() -> None:
    # More than one band of rows is converted; the brightest pixel is in the last one.
    values = np.full((2500, 2000), 1000, dtype=np.uint16)
    values[-1, -1] = 4095
    image = decode_image(encoded(Image.fromarray(values), "TIFF"), name="large")
    assert image[0, 0].tolist() == [62, 62, 62]


def test_a_black_image_stays_black() -> None:
    image = decode_image(encoded(Image.fromarray(np.zeros((2, 2), dtype=np.uint16)), "PNG"), name="black")
    assert not image.any()


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
def test_further_formats(kind: str) -> None:
    image = decode_image(encoded(Image.fromarray(COLOURS), kind), name="photograph")
    assert image.shape == COLOURS.shape
    assert np.abs(image.astype(int) - COLOURS).max() <= 4


def test_avif_is_turned_upright_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode_image(encoded(Image.fromarray(COLOURS), "AVIF", exif=exif), name="photograph")
    assert image.shape == (48, 64, 3)


def test_a_large_photograph_is_refused_before_it_is_decoded() -> None:
    data = encoded(Image.fromarray(COLOURS), "JPEG2000")
    with pytest.raises(InputError, match="at most 1,000 pixels, got 48x64"):
        decode_image(data, name="photograph", max_pixels=1000)


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"


def test_heic_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"HEIC needs pillow-heif, .* pip install 'arcinvert\[heic\]'"):
        decode_image(HEIC + bytes(100), name="photograph")


def test_heic() -> None:
    heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    for options, shape in (({}, (64, 48, 3)), ({"exif": exif.tobytes()}, (48, 64, 3))):
        data = encoded(Image.fromarray(COLOURS), "HEIF", quality=95, **options)
        image = decode_image(data, name="photograph")
        assert image.shape == shape
        assert np.abs(image.astype(int) - COLOURS[0, 0]).max() <= 6
    with pytest.raises(InputError, match=r"expected an image|damaged or truncated"):
        decode_image(data[: len(data) // 2], name="photograph")


@pytest.mark.parametrize("begin", [b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_is_refused_by_its_name(begin: bytes) -> None:
    with pytest.raises(InputError, match="JPEG XL is not read; convert it first"):
        decode_image(begin + bytes(100), name="photograph")


def test_files_of_all_formats_are_listed(tmp_path) -> None:
    for suffix in SUFFIXES:
        (tmp_path / f"a{suffix.upper()}").touch()
    assert {path.suffix.lower() for path in list_images(tmp_path)} == SUFFIXES

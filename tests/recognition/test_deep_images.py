"""Images of more than eight bits a sample: their brightness, whatever bits of a sample are used."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from recognition import deep_images
from recognition.errors import InputError
from recognition.images import decode_image

#: Samples of 16 bits, of which the last pixel is white.
COLOURS = np.array([[[0, 40, 255], [128, 7, 64]], [[200, 90, 30], [255, 255, 255]]])
GREY = COLOURS[..., :1]
OPAQUE = np.full((2, 2, 1), 65535)


def png(samples: np.ndarray) -> bytes:
    """Return a PNG of samples of 16 bits: grey, grey with opacity, colours or colours with opacity."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(
    samples: np.ndarray,
    dtype: str,
    *,
    white_is_zero: bool = False,
    opacity: int | None = None,
    separate: bool = False,
) -> bytes:
    """Return an uncompressed TIFF; samples are of shape (height, width, channels)."""
    kind = np.dtype(dtype)
    order = ">" if dtype[0] == ">" else "<"
    height, width, channels = samples.shape
    planes = [samples[..., channel] for channel in range(channels)] if separate else [samples]
    data = [plane.astype(kind).tobytes() for plane in planes]
    colour = 2 if channels > 2 else 0 if white_is_zero else 1
    tags = [
        (256, [width]),
        (257, [height]),
        (258, [8 * kind.itemsize] * channels),
        (259, [1]),
        (262, [colour]),
        (273, [0] * len(data)),
        (277, [channels]),
        (278, [height]),
        (279, [len(data[0])] * len(data)),
        (284, [2 if separate else 1]),
        *([(338, [opacity])] if opacity is not None else []),
        (339, [{"u": 1, "i": 2, "f": 3}[kind.kind]] * channels),
    ]
    after = 8 + 2 + 12 * len(tags) + 4
    places = after + sum(4 * len(values) for _, values in tags if len(values) > 1)
    head, far = b"", b""
    for tag, values in tags:
        if tag == 273:
            values = [places + number * len(data[0]) for number in range(len(data))]
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            packed, far = struct.pack(order + "I", after + len(far)), far + packed
        head += struct.pack(order + "HHI", tag, 4, len(values)) + packed
    begin = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    return begin + head + bytes(4) + far + b"".join(data)


def compressed_tiff(samples: np.ndarray) -> bytes:
    """Return a TIFF with LZW, which other code of Pillow reads."""
    order = [2, 1, 0, 3][: samples.shape[2]]
    return bytes(cv2.imencode(".tiff", samples.astype(np.uint16)[..., order])[1])


FILES = {
    "PNG": png,
    "TIFF": lambda samples: tiff(samples, "<u2"),
    "TIFF, big-endian": lambda samples: tiff(samples, ">u2"),
    "TIFF, in planes": lambda samples: tiff(samples, "<u2", separate=True),
    "TIFF, in big-endian planes": lambda samples: tiff(samples, ">u2", separate=True),
    "TIFF, compressed": compressed_tiff,
}


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", FILES)
def test_colours_of_fewer_bits_keep_their_brightness(kind: str, bits: int) -> None:
    samples = (COLOURS / 255 * (2**bits - 1)).round()
    image = decode_image(FILES[kind](samples), name="deep")
    assert np.abs(image.astype(int) - COLOURS).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("opaque", [None, 65535])
@pytest.mark.parametrize("colours", [COLOURS, GREY])
def test_opacity_has_bits_of_its_own(colours: np.ndarray, opaque: int | None, bits: int) -> None:
    white = 2**bits - 1
    opacity = np.array([[[1.0], [1.0]], [[0.0], [1.0]]]) * (opaque or white)
    samples = np.concatenate([(colours / 255 * white).round(), opacity], axis=2)
    image = decode_image(png(samples), name="deep")
    wanted = np.where(opacity > 0, colours, 255)
    assert np.abs(image.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("white", [65535, 4095])
def test_colours_that_were_multiplied_by_their_opacity(white: int) -> None:
    opacity = np.array([[1.0, 0.5], [0.25, 0.0]])[..., None]
    samples = np.concatenate([COLOURS / 255 * opacity, opacity], axis=2) * white
    image = decode_image(tiff(samples.round(), "<u2", opacity=1), name="deep")
    wanted = opacity * COLOURS + (1 - opacity) * 255
    assert np.abs(image - wanted).max() <= 3


@pytest.mark.parametrize("white", [255, 4095])
def test_a_transparent_colour_of_16_bits(white: int) -> None:
    samples = (COLOURS / 255 * white).round().astype(int)
    data = png(samples)
    value = struct.pack(">3H", *samples[0, 1])
    chunk = struct.pack(">I", 6) + b"tRNS" + value + struct.pack(">I", zlib.crc32(b"tRNS" + value))
    at = data.index(b"IDAT") - 4
    image = decode_image(data[:at] + chunk + data[at:], name="deep")
    wanted = COLOURS.copy()
    wanted[0, 1] = 255
    assert np.abs(image.astype(int) - wanted).max() <= 1


def test_a_transparent_grey_of_16_bits() -> None:
    data = png(np.array([[[0], [2048], [4095], [65535]]]))
    value = struct.pack(">H", 65535)
    chunk = struct.pack(">I", 2) + b"tRNS" + value + struct.pack(">I", zlib.crc32(b"tRNS" + value))
    at = data.index(b"IDAT") - 4
    image = decode_image(data[:at] + chunk + data[at:], name="deep")
    assert image[0, :, 0].tolist() == [0, 128, 255, 255]


def test_a_large_image_is_spread_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_images, "_BAND", 2)
    image = decode_image(png(COLOURS * 16), name="deep")
    assert np.abs(image.astype(int) - COLOURS).max() <= 1


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        # Numbers of 32 bits without a sign, also above those with one.
        ("<u4", [0, 2**31 - 1, 2**31 + 2**30, 2**32 - 1]),
        ("<u4", [0, 2047, 3071, 4095]),
        # Numbers with a sign of which nothing is below 0, but for noise around black.
        ("<i2", [0, 16383, 24575, 32767]),
        ("<i2", [-60, 2047, 3071, 4095]),
        (">i2", [0, 16383, 24575, 32767]),
        ("<i4", [0, 2**30, 2**30 + 2**29, 2**31 - 1]),
        # Numbers around grey.
        ("<i2", [-32768, 0, 16383, 32767]),
        ("<i2", [-2048, 0, 1023, 2047]),
        ("<i4", [-(2**31), 0, 2**30, 2**31 - 1]),
        ("<f4", [-1, 0, 0.5, 1]),
        ("<f4", [0, 0.5, 0.75, 1]),
        ("<f4", [0, 2047.5, 3071.25, 4095]),
    ],
)
def test_greyscale_of_every_kind_of_number(dtype: str, stored: list[float]) -> None:
    image = decode_image(tiff(np.array(stored)[None, :, None], dtype), name="deep")
    assert np.abs(image[0, :, 0].astype(int) - [0, 128, 191, 255]).max() <= 1


@pytest.mark.parametrize(
    ("dtype", "white"), [("<u1", 255), ("<u2", 65535), ("<u2", 4095), ("<f4", 1), (">f4", 1)]
)
def test_a_negative_is_read_as_its_picture(dtype: str, white: float) -> None:
    stored = np.array([0, 0.25, 0.5, 1])[None, :, None] * white
    image = decode_image(tiff(stored, dtype, white_is_zero=True), name="negative")
    assert np.abs(image[0, :, 0].astype(int) - [255, 191, 128, 0]).max() <= 1


def test_colours_in_floating_point_are_refused_by_their_kind() -> None:
    with pytest.raises(InputError, match=r"expected a TIFF of 8 or 16 bits a colour, got another kind"):
        decode_image(tiff(COLOURS / 255, "<f4"), name="float")

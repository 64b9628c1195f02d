import io
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from recognition.errors import InputError
from recognition.image_formats import FORMATS
from recognition.images import (
    MAX_PIXELS,
    atomic_path,
    decode_image,
    list_images,
    read_image,
    temporary_folder,
    to_tensor,
    to_uint8,
    write_png,
)

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that declares a size and has next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_rgb_files_are_read_unchanged(kind, tmp_path):
    pixels = noise(6, 9)
    path = tmp_path / "photograph"
    path.write_bytes(encoded(Image.fromarray(pixels), kind))
    image = read_image(path)
    assert image.dtype == np.uint8
    assert np.array_equal(image, pixels)
    assert np.array_equal(read_image(str(path)), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_files_are_read_nearly_unchanged(kind):
    pixels = np.full((16, 16, 3), (200, 90, 30), dtype=np.uint8)
    image = decode_image(encoded(Image.fromarray(pixels), kind, quality=95), name="lossy")
    assert np.abs(image.astype(int) - pixels).max() <= 4


@pytest.mark.parametrize(
    ("tag", "stored"),
    [
        (1, lambda upright: upright),
        (2, lambda upright: upright[:, ::-1]),
        (3, lambda upright: upright[::-1, ::-1]),
        (4, lambda upright: upright[::-1]),
        (5, lambda upright: upright.transpose(1, 0, 2)),
        (6, lambda upright: np.rot90(upright, 1)),
        (7, lambda upright: np.rot90(upright, 2).transpose(1, 0, 2)),
        (8, lambda upright: np.rot90(upright, -1)),
    ],
)
def test_exif_orientation_is_undone(tag, stored):
    upright = noise(5, 8)
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    data = encoded(Image.fromarray(np.ascontiguousarray(stored(upright))), "PNG", exif=exif)
    assert np.array_equal(decode_image(data, name="turned"), upright)


def test_greyscale_fills_three_channels():
    grey = noise(4, 5, 1)[..., 0]
    image = decode_image(encoded(Image.fromarray(grey), "PNG"), name="grey")
    assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=2))


def test_black_and_white_becomes_0_and_255():
    bits = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    image = decode_image(encoded(Image.fromarray(bits).convert("1"), "PNG"), name="bits")
    assert np.array_equal(image[..., 0], bits)
    assert image.shape == (2, 2, 3)


def test_transparency_becomes_white():
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[0, :, :3] = (200, 100, 0)
    pixels[0, :, 3] = (255, 0, 128)
    image = decode_image(encoded(Image.fromarray(pixels), "PNG"), name="rgba")
    half = [round(128 / 255 * value + 127 / 255 * 255) for value in (200, 100, 0)]
    assert image[0, 0].tolist() == [200, 100, 0]
    assert image[0, 1].tolist() == [255, 255, 255]
    assert np.abs(image[0, 2].astype(int) - half).max() <= 1


def test_greyscale_with_transparency_becomes_white():
    pixels = np.array([[[50, 255], [50, 0]]], dtype=np.uint8)
    image = decode_image(encoded(Image.fromarray(pixels, "LA"), "PNG"), name="la")
    assert image.tolist() == [[[50, 50, 50], [255, 255, 255]]]


def test_palette_colours_and_their_transparency():
    indices = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8))
    indices.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert indices.mode == "P"
    opaque = decode_image(encoded(indices, "PNG"), name="palette")
    assert opaque.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    pierced = decode_image(encoded(indices, "PNG", transparency=1), name="palette")
    assert pierced.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_becomes_rgb(kind):
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    options = {"quality": 95} if kind == "JPEG" else {}
    image = decode_image(encoded(cyan, kind, **options), name="cmyk")
    assert np.abs(image.astype(int) - (0, 255, 255)).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_greyscale_keeps_its_brightness(kind):
    values = np.array([[0, 128 * 257, 65535, 300]], dtype=np.uint16)
    image = decode_image(encoded(Image.fromarray(values), kind), name="deep")
    assert image[..., 0].tolist() == [[0, 128, 255, 1]]
    assert image.shape == (1, 4, 3)


def test_float_greyscale_is_read_as_0_to_1():
    values = np.array([[0.0, 0.5, 1.0, 2.0]], dtype=np.float32)
    image = decode_image(encoded(Image.fromarray(values), "TIFF"), name="float")
    assert image[..., 0].tolist() == [[0, 128, 255, 255]]


def test_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    image = decode_image(data, name="animation")
    assert np.array_equal(image, np.full((4, 4, 3), (255, 0, 0)))


def test_first_picture_of_a_stereo_photograph_is_taken():
    left, right = Image.new("RGB", (16, 16), (200, 90, 30)), Image.new("RGB", (16, 16), (0, 0, 0))
    data = encoded(left, "MPO", save_all=True, append_images=[right], quality=95)
    assert Image.open(io.BytesIO(data)).format == "MPO"
    image = decode_image(data, name="stereo")
    assert np.abs(image.astype(int) - (200, 90, 30)).max() <= 4


def test_a_read_image_may_be_written_to_a_tensor_and_back():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = to_tensor(decode_image(encoded(Image.fromarray(pixels), "PNG"), name="ramp"))
    assert tensor.shape == (3, 16, 16)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert (float(tensor.min()), float(tensor.max())) == (0.0, 1.0)
    assert np.array_equal(to_uint8(tensor), pixels)


def test_batches_round_trip_with_channels_in_order():
    pixels = np.stack([noise(4, 6), noise(4, 6)[::-1]])
    tensor = to_tensor(pixels)
    assert tensor.shape == (2, 3, 4, 6)
    assert float(tensor[1, 2, 0, 5]) == pytest.approx(pixels[1, 0, 5, 2] / 255)
    assert np.array_equal(to_uint8(tensor), pixels)


def test_to_uint8_rounds_and_clips():
    values = torch.tensor([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.5])
    image = to_uint8(values.reshape(1, 1, 6).expand(3, 1, 6).clone().requires_grad_())
    assert image[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255]


def test_to_tensor_leaves_its_input_alone():
    pixels = noise(3, 3)
    before = pixels.copy()
    to_tensor(pixels).zero_()
    assert np.array_equal(pixels, before)


def test_a_truncated_jpeg_is_refused(tmp_path):
    data = encoded(Image.fromarray(noise(64, 64)), "JPEG")
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.jpg: damaged or truncated image .*; get an intact copy"):
        read_image(path)


@pytest.mark.parametrize("data", [b"", b"this is no image\n", bytes(1000), b"<svg></svg>"])
def test_other_files_are_refused(data, tmp_path):
    path = tmp_path / "text.jpg"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"text\.jpg: expected an image \(JPEG, PNG.*got something else"):
        read_image(path)


@pytest.mark.parametrize("kind", ["PDF", "EPS", "ICO", "TGA", "ICNS"])
def test_formats_off_the_list_are_refused(kind):
    data = encoded(Image.fromarray(noise(32, 32)), kind)
    with pytest.raises(InputError, match="expected an image"):
        decode_image(data, name="other")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nobody\.jpg: expected a photograph, found no such file"):
        read_image(tmp_path / "nobody.jpg")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a photograph, got a folder"):
        read_image(tmp_path)


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "file" / "photograph.jpg")


@pytest.mark.parametrize(("width", "height"), [(MAX_PIXELS // 1000, 1001), (60_000, 60_000), (2**31 - 1, 1)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(width, height, monkeypatch):
    def never(self, *arguments):
        pytest.fail("the image was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    with pytest.raises(InputError, match=r"bomb: expected at most 100,000,000 pixels, got .*shrink it first"):
        decode_image(png_header(width, height), name="bomb")


def test_a_photograph_below_the_largest_size_is_decoded():
    data = encoded(Image.new("L", (10_000, 2_000), 7), "PNG")
    assert decode_image(data, name="large").shape == (2_000, 10_000, 3)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "MPO"])
def test_damaged_files_give_an_image_or_an_input_error(kind):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    whole = encoded(Image.fromarray(noise(12, 10)), kind, **options)
    chance = random.Random(kind)  # noqa: S311
    outcomes = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 2, 8])):
            # Headers decide more than pixels do.
            data[chance.randrange(min(len(data), chance.choice([64, 256, 4096])))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(1, len(data)) :]
        try:
            image = decode_image(bytes(data), name="damaged")
        except InputError:
            outcomes.add("refused")
        else:
            assert image.dtype == np.uint8
            assert image.ndim == 3
            assert image.shape[2] == 3
            outcomes.add("read")
    assert "refused" in outcomes


def test_write_png_round_trips_and_leaves_no_other_file(tmp_path):
    pixels = noise(7, 5)
    write_png(tmp_path / "image.png", pixels)
    assert np.array_equal(read_image(tmp_path / "image.png"), pixels)
    assert [file.name for file in tmp_path.iterdir()] == ["image.png"]


def test_atomic_path_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "result.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "whole"


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), OSError(28, "No space left")])
def test_atomic_path_keeps_the_old_file_after_an_error(error, tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    expected = InputError if isinstance(error, OSError) else type(error)

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(expected):
        write()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["result.txt"]


def test_a_full_disk_is_reported(tmp_path):
    with (
        pytest.raises(
            InputError, match=r"result: cannot be written \(No space left\); choose another folder"
        ),
        atomic_path(tmp_path / "result"),
    ):
        raise OSError(28, "No space left")


def test_a_folder_that_is_no_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="cannot be written"):
        write_png(tmp_path / "file" / "image.png", noise(2, 2))
    with pytest.raises(InputError, match="cannot be written"):
        write_png(tmp_path / "missing" / "image.png", noise(2, 2))
    assert (tmp_path / "file").read_text() == "kept"


def test_results_get_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_png(tmp_path / "image.png", noise(2, 2))
    assert (tmp_path / "image.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_list_images_is_sorted_and_takes_images_only(tmp_path):
    for name in ("b.JPG", "a.png", "c.jpeg", "notes.txt", ".hidden.part", "d.webp"):
        (tmp_path / name).write_text("")
    assert list_images(tmp_path) == [tmp_path / name for name in ("a.png", "b.JPG", "c.jpeg", "d.webp")]
    assert all(isinstance(path, Path) for path in list_images(str(tmp_path)))


def test_a_temporary_folder_goes_and_takes_those_of_killed_processes_with_it(tmp_path):
    # No process has so high a number.
    (tmp_path / ".film.4194305-0123abcd.part").mkdir()
    (tmp_path / ".film.4194305-0123abcd.part" / "frame").touch()
    (tmp_path / ".film.of-mine.part").mkdir()
    with temporary_folder(tmp_path, "film") as folder, temporary_folder(tmp_path, "film") as second:
        (folder / "frame").touch()
        assert second != folder
        assert folder.parent == tmp_path
        assert not (tmp_path / ".film.4194305-0123abcd.part").exists()
    assert [path.name for path in tmp_path.iterdir()] == [".film.of-mine.part"]


def test_a_file_takes_the_leftovers_of_its_killed_writers_with_it(tmp_path):
    folder = tmp_path / "with [brackets]"
    folder.mkdir()
    leftover, other = (folder / f".{name}.4194305-0123abcd.part" for name in ("a.png", "b.png"))
    for path in (leftover, other):
        path.touch()
    write_png(folder / "a.png", np.zeros((2, 2, 3), dtype=np.uint8))
    assert sorted(path.name for path in folder.iterdir()) == [other.name, "a.png"]
    write_png(folder / "b.png", np.zeros((2, 2, 3), dtype=np.uint8))
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png"]


def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    with (
        pytest.raises(InputError, match="expected a file to write, got a pipe or a device"),
        atomic_path(path),
    ):
        raise AssertionError("nothing is to be written")
    assert path.is_fifo()
    with pytest.raises(InputError, match="expected a file to write, got a folder"), atomic_path(tmp_path):
        raise AssertionError("nothing is to be written")

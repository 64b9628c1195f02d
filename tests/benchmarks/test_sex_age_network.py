import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.sex_age_network import (
    ABOVE,
    MANIFEST,
    SHAPES,
    SexAgeNetwork,
    convolution,
    decode,
    forward,
    framed,
    read_weights,
    same_padding,
    separable,
)
from recognition.errors import InputError

SCALE, LEAST = 0.01, -1.2


def write_network(folder: Path, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Write random weights of the network's shapes as the package does, and return the stored numbers."""
    generator = np.random.default_rng(seed)
    entries, stored = [], {}
    for name, shape in SHAPES.items():
        entry = {"name": name, "shape": list(shape), "dtype": "float32"}
        if name.endswith("bias"):
            stored[name] = generator.normal(0, 0.1, shape).astype("<f4")
        else:
            entry["quantization"] = {"dtype": "uint8", "scale": SCALE, "min": LEAST}
            stored[name] = generator.integers(0, 256, shape).astype(np.uint8)
        entries.append(entry)
    (folder / MANIFEST).write_text(json.dumps([{"paths": ["weights.bin"], "weights": entries}]))
    (folder / "weights.bin").write_bytes(b"".join(values.tobytes() for values in stored.values()))
    return stored


def test_bytes_become_numbers_by_scale_and_minimum():
    entry = {
        "shape": [2, 2],
        "dtype": "float32",
        "quantization": {"dtype": "uint8", "scale": 0.5, "min": -3.0},
    }
    values, end = decode(entry, bytes([9, 0, 1, 6, 255]), 1)
    assert values.tolist() == [[-3.0, -2.5], [0.0, 124.5]]
    assert end == 5
    # 1.0 and -2.0 in IEEE 754, little-endian.
    values, end = decode({"shape": [2], "dtype": "float32"}, bytes.fromhex("0000803f000000c0"), 0)
    assert (values.tolist(), end) == ([1.0, -2.0], 8)


def test_what_cannot_be_decoded_is_refused():
    whole = {"shape": [2], "dtype": "float32"}
    with pytest.raises(ValueError, match="buffer"):
        decode(whole, bytes(7), 0)
    with pytest.raises(ValueError, match="int32"):
        decode(whole | {"dtype": "int32"}, bytes(8), 0)
    with pytest.raises(ValueError, match="uint16"):
        decode(whole | {"quantization": {"dtype": "uint16", "scale": 1, "min": 0}}, bytes(8), 0)


def test_every_weight_is_read(tmp_path):
    stored = write_network(tmp_path)
    weights = read_weights(tmp_path)
    assert set(weights) == set(stored)
    for name, numbers in stored.items():
        expected = numbers if name.endswith("bias") else numbers * SCALE + LEAST
        np.testing.assert_allclose(weights[name].numpy(), expected, atol=1e-6)


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        read_weights(folder)
    assert "\n" not in str(error.value)
    assert "npm pack @vladmandic/face-api" in str(error.value)
    return str(error.value)


def test_other_folders_are_refused_in_one_line(tmp_path):
    assert f"{tmp_path}: expected the folder with {MANIFEST}, found none" in refused(tmp_path)
    write_network(tmp_path)
    manifest, binary = tmp_path / MANIFEST, tmp_path / "weights.bin"
    content, data = manifest.read_text(), binary.read_bytes()
    binary.write_bytes(data + b"\0")
    assert f"expected {len(data):,} bytes of weights, got {len(data) + 1:,}" in refused(tmp_path)
    binary.write_bytes(data[:-1])
    assert "expected the weights of face-api's age_gender_model, got others" in refused(tmp_path)
    for wrong in ("{", "[]", '[{"paths": []}]', '{"a": 1}', content.replace("[512, 2]", "[512, 3]")):
        manifest.write_text(wrong)
        assert "got others" in refused(tmp_path)
    # No file outside the folder is read.
    manifest.write_text(content.replace("weights.bin", "../weights.bin"))
    assert "got others" in refused(tmp_path)


@pytest.mark.parametrize(("size", "stride", "sides"), [(8, 2, (0, 1)), (7, 2, (1, 1)), (8, 1, (1, 1))])
def test_padding_puts_the_odd_pixel_at_the_end(size, stride, sides):
    padded = same_padding(torch.ones(1, 1, size, size), 3, stride)[0, 0]
    assert padded.shape == (size + sum(sides),) * 2
    assert padded.diagonal().tolist() == [0] * sides[0] + [1] * size + [0] * sides[1]


def naive(image: np.ndarray, filters: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's definition, pixel by pixel: image (h, w, c), filters (side, side, c, out)."""
    side, size = filters.shape[0], image.shape[0]
    out = -(-size // stride)
    before = max((out - 1) * stride + side - size, 0) // 2
    result = np.zeros((out, out, filters.shape[3]))
    for y, x, i, j in np.ndindex(out, out, side, side):
        row, column = y * stride + i - before, x * stride + j - before
        if 0 <= row < size and 0 <= column < size:
            result[y, x] += image[row, column] @ filters[i, j]
    return result


@pytest.mark.parametrize(("side", "stride", "size"), [(3, 1, 5), (3, 2, 6), (3, 2, 5), (1, 2, 6)])
def test_a_convolution_is_tensorflows(side, stride, size):
    generator = np.random.default_rng(0)
    image, filters = generator.normal(size=(size, size, 3)), generator.normal(size=(side, side, 3, 4))
    bias = generator.normal(size=4)
    given = (torch.from_numpy(part) for part in (image.transpose(2, 0, 1)[None], filters, bias))
    found = convolution(*given, stride)[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(found, naive(image, filters, stride) + bias)


def test_a_separable_convolution_is_one_filter_a_channel_and_a_mixture():
    generator = np.random.default_rng(0)
    image, each = generator.normal(size=(5, 5, 3)), generator.normal(size=(3, 3, 3, 1))
    mixture, bias = generator.normal(size=(1, 1, 3, 4)), generator.normal(size=4)
    channels = [naive(image[..., [one]], each[:, :, [one]], 1) for one in range(3)]
    expected = np.concatenate(channels, -1) @ mixture[0, 0] + bias
    parts = {"depthwise_filter": each, "pointwise_filter": mixture, "bias": bias}
    weights = {f"a/{name}": torch.from_numpy(part).float() for name, part in parts.items()}
    found = separable(torch.from_numpy(image.transpose(2, 0, 1)[None]).float(), weights, "a")
    np.testing.assert_allclose(found[0].numpy().transpose(1, 2, 0), expected, rtol=1e-4, atol=1e-5)


def test_a_face_loses_the_forehead_and_stays_square():
    crops = np.arange(1, 113, dtype=np.uint8)[None, :, None, None] + np.zeros((2, 1, 112, 3), np.uint8)
    rows = framed(crops)[0, :, 0, 0]
    above = ABOVE // 2
    assert rows[:above].tolist() == [0] * above
    assert rows[above : above + 112 - ABOVE].tolist() == list(range(ABOVE + 1, 113))
    assert rows[above + 112 - ABOVE :].tolist() == [0] * (ABOVE - above)


def test_readings_do_not_depend_on_the_batch(tmp_path):
    write_network(tmp_path)
    network = SexAgeNetwork(tmp_path)
    faces = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    together = network.read(faces)
    alone = [network.read(faces[[place]]) for place in range(3)]
    assert together.male.shape == together.age.shape == (3,)
    assert np.all((together.male >= 0) & (together.male <= 1))
    np.testing.assert_allclose(together.age, [one.age[0] for one in alone], rtol=1e-4)
    assert network.read(faces[:0]).age.shape == (0,)


@pytest.mark.shared
def test_the_packages_network_reads_what_the_package_reads(shared, astronaut_crop):
    folder = shared / "models" / "face-api"
    if not folder.is_dir():
        pytest.skip("needs package/model of @vladmandic/face-api as shared/models/face-api")
    image = torch.from_numpy(np.stack([astronaut_crop, astronaut_crop[:, ::-1]]) / 255).movedim(-1, 1).float()
    age, sex = forward(read_weights(folder), image)
    # Printed by version 1.7.15 in node, AgeGenderNet.forwardInput on tfjs's backend cpu.
    np.testing.assert_allclose(age.numpy(), [36.84251, 34.23972], atol=1e-3)
    np.testing.assert_allclose(sex.softmax(1)[:, 0].numpy(), [0.427989, 0.138541], atol=1e-5)

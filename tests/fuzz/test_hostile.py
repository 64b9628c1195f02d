"""Small files that once took minutes, gigabytes or a traceback: each is refused in one line."""

import io
import os
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from recognition.data.lists import read_list, write_list
from recognition.data.pairs import read_pairs
from recognition.detection.tracking import track
from recognition.errors import InputError
from recognition.files import MAX_NAME, printable, read_json, safe_name
from recognition.images import MAX_IMAGE_BYTES, read_image, write_png
from recognition.loading import load
from recognition.loading.class_weights import softmax_weights
from recognition.plots.curves import read_curve
from recognition.terminal import LEFT_OUT, report_left_out, run_command
from tests.fuzz.cases import Outcome, run_case
from tests.recognition.loading.files import graph_model, linear_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cases are forked and measured in /proc")


def outcome_of(path: Path, read=load) -> Outcome:
    outcome = run_case(read, path, deadline=60)
    assert outcome.kind == "refused", outcome
    assert outcome.seconds < 10
    return outcome


def opset(domain: str, version: int) -> onnx.OperatorSetIdProto:
    return helper.make_opsetid(domain, version)


def test_nested_functions_are_counted_before_they_are_expanded(tmp_path):
    model = linear_model()
    for level in range(12):
        inner = ("own", f"F{level - 1}") if level else ("", "Relu")
        names = ["a", *(f"v{call}" for call in range(9)), "b"]
        calls = [
            helper.make_node(inner[1], [names[call]], [names[call + 1]], domain=inner[0])
            for call in range(10)
        ]
        opsets = [opset("", 13), opset("own", 1)]
        model.functions.append(helper.make_function("own", f"F{level}", ["a"], ["b"], calls, opsets))
    model.opset_import.append(opset("own", 1))
    model.graph.node.insert(0, helper.make_node("F11", ["x"], ["z"], domain="own"))
    model.graph.node[1].input[0] = "z"
    path = tmp_path / "nested.onnx"
    onnx.save(model, path)
    assert path.stat().st_size < 8000
    assert "expected at most 10,000 nodes, got 1,111," in outcome_of(path).detail


def test_functions_that_call_themselves_are_refused(tmp_path):
    model = linear_model()
    calls = [helper.make_node("F", ["a"], ["b"], domain="own")]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], calls, [opset("own", 1)]))
    model.opset_import.append(opset("own", 1))
    model.graph.node.insert(0, helper.make_node("F", ["x"], ["z"], domain="own"))
    onnx.save(model, tmp_path / "endless.onnx")
    assert "calls itself" in outcome_of(tmp_path / "endless.onnx").detail


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Tile", "Add"])
def test_computed_constants_have_one_budget(operator, tmp_path):
    """Each is below the limit of one tensor; together they would be 10 GB."""
    one = numpy_helper.from_array(np.ones(1, dtype=np.float32))
    stored = {
        "size": np.array([2**27]),
        "one": np.ones(1, dtype=np.float32),
        "column": np.ones((2**14, 1), dtype=np.float32),
        "row": np.ones((1, 2**13), dtype=np.float32),
    }
    inputs = {
        "ConstantOfShape": ["size"],
        "Tile": ["one", "size"],
        "Add": ["column", "row"],
    }
    options = {"value": one} if operator == "ConstantOfShape" else {}
    nodes = [helper.make_node(operator, inputs[operator], [f"c{number}"], **options) for number in range(20)]
    model = linear_model()
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in stored.items())
    onnx.save(model, tmp_path / "constants.onnx")
    outcome = outcome_of(tmp_path / "constants.onnx")
    assert "expected constants of at most" in outcome.detail
    assert outcome.growth < 700 << 20


def test_activations_have_a_limit_together(tmp_path):
    nodes = [helper.make_node("Concat", ["x"] * 60, ["v0"], axis=1)]
    nodes += [helper.make_node("Concat", [f"v{n}"] * 6, [f"v{n + 1}"], axis=1) for n in range(5)]
    nodes += [helper.make_node("GlobalAveragePool", ["v5"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    onnx.save(graph_model(nodes, {}), tmp_path / "wide.onnx")
    assert "expected activations of at most" in outcome_of(tmp_path / "wide.onnx").detail


def test_external_data_is_refused_in_every_place(tmp_path):
    secret = TensorProto(name="w2", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    secret.external_data.add(key="location", value="/etc/passwd")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=secret)], "g", [], [])
    model = linear_model()
    model.graph.node.append(helper.make_node("If", ["x"], ["q"], then_branch=inner, else_branch=inner))
    onnx.save(model, tmp_path / "inner.onnx")
    assert "external data" in outcome_of(tmp_path / "inner.onnx").detail


@pytest.mark.parametrize(
    ("module", "name"), [("builtins", "bytearray"), ("torch", "FloatTensor"), ("torch", "Tensor")]
)
def test_a_pickle_that_allocates_by_a_number_is_refused(module, name, tmp_path):
    stream = (
        b"\x80\x02c"
        + f"{module}\n{name}\n".encode()
        + b"\x8a\x05"
        + (2**33).to_bytes(5, "little")
        + b"\x85R."
    )
    (tmp_path / "bare.pth").write_bytes(stream)
    assert outcome_of(tmp_path / "bare.pth").growth < 100 << 20
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        for member, content in (("a/data.pkl", stream), ("a/version", b"3\n"), ("a/byteorder", b"little")):
            archive.writestr(member, content)
    assert outcome_of(tmp_path / "zip.pt").growth < 100 << 20


def test_a_pickle_that_lists_one_list_again_and_again_is_refused_at_once(tmp_path):
    nested: list = [torch.zeros(1)]
    for _ in range(40):
        nested = [nested] * 10
    torch.save({"weights": nested}, tmp_path / "laughs.pt")
    outcome_of(tmp_path / "laughs.pt")


def test_a_dict_inside_itself_has_no_centres():
    endless: dict = {}
    endless["weight"] = endless
    assert softmax_weights(endless) is None


def test_archives_with_too_many_compressed_or_overlapping_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "many.pt", "w") as archive:
        for number in range(60_000):
            archive.writestr(f"a/data/{number}", b"")
    assert "members" in outcome_of(tmp_path / "many.pt").detail
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(100 << 20))
    assert "compressed" in outcome_of(tmp_path / "bomb.pt").detail


def test_a_safetensors_file_with_a_giant_header_or_overlapping_tensors_is_refused(tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes((90 << 20).to_bytes(8, "little") + b" " * 100)
    assert "a header of" in outcome_of(path).detail
    tensor = b'{"dtype":"F32","shape":[2],"data_offsets":[%d,%d]}'
    header = b'{"a":' + tensor % (0, 8) + b',"b":' + tensor % (4, 12) + b"}"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    assert "damaged safetensors file" in outcome_of(path).detail


@pytest.mark.parametrize(
    "read",
    [
        read_image,
        read_list,
        load,
        lambda path: read_json(path, "JSON"),
        lambda path: track(None, str(path), "out", threshold=0),
    ],
)
def test_pipes_and_devices_are_refused_by_every_reader(read, tmp_path):
    pipe = tmp_path / "pipe.pt"
    os.mkfifo(pipe)
    assert run_case(read, pipe, deadline=5).kind == "refused"
    assert run_case(read, Path("/dev/zero"), deadline=5).kind == "refused"


def test_a_file_with_a_hole_of_six_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "hole.png").open("wb") as file:
        file.truncate(6 << 30)
    with pytest.raises(InputError, match=f"at most {MAX_IMAGE_BYTES:,} bytes"):
        read_image(tmp_path / "hole.png")


def png(side: int, depth: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + side * depth // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_stored_constant_is_as_large_as_it_looks(tmp_path):
    """Expand itself takes nothing, but the network keeps a copy."""
    nodes = [
        helper.make_node("Expand", ["one", "size"], ["wide"]),
        helper.make_node("Cast", ["x"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["wide", "index"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    model = graph_model(nodes, {"one": np.ones(1)})
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**27]), "size"))
    onnx.save(model, tmp_path / "stored.onnx")
    assert "expected constants of at most" in outcome_of(tmp_path / "stored.onnx").detail


@pytest.mark.slow
def test_a_large_deep_png_takes_less_than_a_gibibyte(tmp_path):
    (tmp_path / "deep.png").write_bytes(png(10_000, 16))
    outcome = run_case(read_image, tmp_path / "deep.png", deadline=60)
    assert outcome.kind == "read"
    assert outcome.growth < 1 << 30


def test_a_jpeg_of_many_scans_is_refused(tmp_path):
    file = io.BytesIO()
    Image.new("L", (4000, 4000)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    begin, end = data.index(b"\xff\xda"), data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    (tmp_path / "scans.jpg").write_bytes(data[:begin] + data[begin:end] * 300 + data[begin:])
    with pytest.raises(InputError, match="a JPEG of a few scans"):
        read_image(tmp_path / "scans.jpg")


def test_a_photograph_with_damaged_exif_is_read_as_it_is_stored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    data = file.getvalue()
    for kind in range(13):
        at = data.index(b"eXIf")
        body = bytearray(data[at + 4 : data.index(b"IDAT", at) - 8])
        # The type of the only entry; the tag comes before it.
        body[body.index(b"\x12\x01" if b"\x12\x01" in body else b"\x01\x12") + 3] = kind
        damaged = (
            data[: at + 4]
            + bytes(body)
            + struct.pack(">I", zlib.crc32(b"eXIf" + body))
            + data[at + 8 + len(body) :]
        )
        (tmp_path / "exif.png").write_bytes(damaged)
        assert read_image(tmp_path / "exif.png").shape in ((4, 6, 3), (6, 4, 3))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"far": ' + "9" * 400 + "}",
        "[]",
        '{"far": {"a": 1}, "frr": {}}',
        "\ud800",
        "",
    ],
)
def test_json_of_another_shape_is_one_line(text, tmp_path):
    (tmp_path / "curve.json").write_text(text, errors="surrogatepass")
    with pytest.raises(InputError, match=r"^[^\n]*curve\.json: expected a curve[^\n]*$"):
        read_curve(tmp_path / "curve.json", "far")


def test_a_pair_list_with_a_number_of_five_thousand_digits_is_one_line(tmp_path):
    for text in (f"10 {'9' * 5000}\n", f"10 300\nAnn 1 {'9' * 5000}\n", f"10 300\nAnn {'9' * 5000} Bob 1\n"):
        (tmp_path / "pairs.txt").write_text(text)
        with pytest.raises(InputError, match=r"pairs\.txt: expected"):
            read_pairs(tmp_path / "pairs.txt", {"Ann": [], "Bob": []})


def test_a_list_of_names_that_no_file_can_have_is_one_line(tmp_path):
    for name in ("x" * 5000, "a\0b", "\udcff"):
        (tmp_path / "faces.csv").write_text(f"file,identity\n{name},Ann\n", errors="surrogateescape")
        with pytest.raises(InputError, match="faces"):
            read_list(tmp_path / "faces.csv")


def test_a_playlist_is_no_film(tmp_path):
    (tmp_path / "film.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    with pytest.raises(InputError, match="expected a film that OpenCV can decode, got text"):
        track(None, str(tmp_path / "film.mp4"), tmp_path / "out", threshold=0.5)


def test_files_with_names_of_any_bytes_and_length_are_written_and_listed(tmp_path):
    for raw in (b"Ann\xff", b"x" * 244, b"x" * 251, "ü".encode() * 125):
        path = tmp_path / os.fsdecode(raw + b".png")
        write_png(path, np.zeros((2, 2, 3), dtype=np.uint8))
        write_list(tmp_path / "list.csv", [{"file": str(path), "identity": os.fsdecode(raw)}])
        assert read_list(tmp_path / "list.csv") == {os.fsdecode(raw): [path]}
    assert printable(os.fsdecode(b"Ann\xff")) == r"Ann\xff"


def test_any_text_becomes_a_name_of_a_file():
    names = ["Ann", "..", "", "a/b", "a\\b", "x" * 300, "x" * 301, "ü" * 200, "\udcff" * 300, "a\nb"]
    made = [safe_name(name, ".png") for name in names]
    assert made[0] == "Ann.png"
    assert len(set(made)) == len(names)
    assert all(len(os.fsencode(name)) <= MAX_NAME and not set(name) & set("/\\\n\0") for name in made)
    assert all(Path(name).name == name and Path(name).stem.strip(".") for name in made)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "out.png"),
        PermissionError(13, "Permission denied", "out.png"),
        FileNotFoundError(2, "No such file or directory", "gone.jpg"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        ImportError("libtorch.so: failed to map segment from shared object"),
        InputError("\udcff: expected\nless"),
    ],
)
def test_what_the_system_refuses_is_one_line_and_code_2(error, capsys):
    def fail() -> int:
        raise error

    assert run_command(fail) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


def test_photographs_that_were_left_out_are_counted_and_named(capsys):
    assert report_left_out([], strict=True) == 0
    assert report_left_out(["a.jpg", os.fsdecode(b"\xff.jpg")], strict=False) == 0
    assert capsys.readouterr().err == "warning: 2 photographs were left out: a.jpg, \\xff.jpg\n"
    assert report_left_out([f"{number}.jpg" for number in range(12)], strict=True) == LEFT_OUT
    assert "12 photographs" in (printed := capsys.readouterr().err)
    assert printed.endswith("and 2 more\n")


def test_the_hostile_pickles_of_these_tests_are_hostile():
    stream = b"\x80\x02cbuiltins\nbytearray\nM\x10\x27\x85R."
    assert len(pickle.loads(stream)) == 10_000  # noqa: S301

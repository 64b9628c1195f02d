"""Every file that is refused although it holds a network: the message has the command that converts it."""

import ast
import pickle
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from recognition.errors import InputError
from recognition.loading import load
from recognition.loading.conversions import name_of, of_ending
from tests.recognition.loading.files import linear_model, save, state_of, tiny_body


def _module(path: Path) -> None:
    torch.save(tiny_body(inner_norm=False), path)


class Options:
    """Options of a training, which are no tensors."""


def _with_namespace(path: Path) -> None:
    torch.save({"state_dict": state_of(tiny_body(inner_norm=False)), "options": Options(), "epoch": 3}, path)


def _module_in_a_dict(path: Path) -> None:
    torch.save({"model": tiny_body(inner_norm=False), "options": Options()}, path)


def _torchscript(path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Flatten(), torch.zeros(2, 3, 4, 4)), path)


def _two_states(path: Path) -> None:
    state = state_of(tiny_body(inner_norm=False))
    save(path, {"network": state, "teacher": state, "epoch": 1})


def _quantised(path: Path) -> None:
    state = state_of(tiny_body(inner_norm=False))
    name = "output_layer.3.weight"
    state[name] = torch.quantize_per_tensor(state[name], 0.01, 0, torch.qint8)
    save(path, state)


def _sparse(path: Path) -> None:
    state = state_of(tiny_body(inner_norm=False))
    save(path, state | {"output_layer.3.weight": state["output_layer.3.weight"].to_sparse()})


def _compressed(path: Path) -> None:
    plain = save(path.with_name("plain.pth"), state_of(tiny_body(inner_norm=False)))
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in archive.infolist():
            packed.writestr(entry.filename, archive.read(entry))
    plain.unlink()


def _with_options(path: Path) -> None:
    save(path, state_of(tiny_body(inner_norm=False)) | {"arch": "ir_50"})


def _with_options_inside(path: Path) -> None:
    save(path, {"net": state_of(tiny_body(inner_norm=False)) | {"epoch": 3}, "lr": 0.1})


def _list(path: Path) -> None:
    save(path, [state_of(tiny_body(inner_norm=False))])


def _tuple(path: Path) -> None:
    save(path, (3, state_of(tiny_body(inner_norm=False)), {"epoch": 1}))


def _number(path: Path) -> None:
    save(path, {"epoch": 3})


def _arrays(path: Path) -> None:
    state = {key: value.numpy() for key, value in state_of(tiny_body(inner_norm=False)).items()}
    torch.save({"state_dict": state, "best": state["output_layer.4.weight"].max(), "names": ["a"]}, path)


def _list_of_modules(path: Path) -> None:
    torch.save([Options(), tiny_body(inner_norm=False)], path)


def _quantised_inside(path: Path) -> None:
    state = state_of(tiny_body(inner_norm=False))
    name = "output_layer.3.weight"
    state[name] = torch.quantize_per_tensor(state[name], 0.01, 0, torch.qint8)
    save(path, {"model": state, "epoch": 1})


def _unknown(path: Path) -> None:
    save(path, {f"layers.{number}.weight": torch.ones(2, 2) for number in range(20)})


def _external(path: Path) -> None:
    onnx.save(linear_model(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def _two_inputs(path: Path) -> None:
    onnx.save(linear_model(more_inputs=("second",)), path)


def _fixed_batch(path: Path) -> None:
    model = linear_model(shape=(2, 3, 8, 8), output_shape=(2, 4))
    model.graph.node.append(helper.make_node("Softmax", ["y"], ["mixed"], axis=0))
    model.graph.output[0].name = "mixed"
    onnx.save(model, path)


def _operator(name: str, domain: str = "", *more: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        model = linear_model()
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))
        model.graph.node.append(helper.make_node(name, ["y"], ["other", *more], domain=domain))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("other", TensorProto.FLOAT, ("b", 4)))
        onnx.save(model, path)

    return write


def _bytes(path: Path) -> None:
    path.write_bytes(b"of another framework")


#: Name of the file, what writes it, and what the message says to do.
REFUSED: list[tuple[str, Callable[[Path], None], str]] = [
    ("whole.pt", _module, "weights_only=False); state = "),
    ("options.pt", _with_namespace, "weights_only=False); state = "),
    ("parts.pt", _module_in_a_dict, "weights_only=False); state = "),
    ("traced.pt", _torchscript, "torch.onnx.export(torch.jit.load('traced.pt')"),
    ("program.pt2", _bytes, "torch.onnx.export(torch.export.load('program.pt2')"),
    ("two.pth", _two_states, "['network'], 'two-network.pth')"),
    ("quantised.pth", _quantised, "one.dequantize()"),
    ("sparse.pth", _sparse, "one.to_dense()"),
    ("packed.pth", _compressed, "'packed-plain.pth')"),
    ("options.pth", _with_options, "'options-network.pth')"),
    ("inside.pth", _with_options_inside, "['net']; torch.save("),
    ("list.pth", _list, "[0], 'list-network.pth')"),
    ("tuple.pth", _tuple, "[1], 'tuple-network.pth')"),
    ("number.pth", _number, "where its code is: torch.save(network.state_dict(), 'number-network.pth')"),
    ("arrays.pth", _arrays, "torch.as_tensor(one)"),
    ("modules.pth", _list_of_modules, "enumerate(one)"),
    ("inside-quantised.pth", _quantised_inside, "one.dequantize()"),
    ("unknown.pth", _unknown, "torch.onnx.export(network.eval()"),
    ("external.onnx", _external, "'external-whole.onnx')"),
    ("inputs.onnx", _two_inputs, "onnx.utils.extract_model('inputs.onnx', 'inputs-face.onnx'"),
    ("fixed.onnx", _fixed_batch, "dynamic_axes={'x': {0: 'batch'}}"),
    ("operator.onnx", _operator("Det"), "python -m onnxsim IN.onnx OUT.onnx"),
    ("fused.onnx", _operator("FusedGemm", "com.microsoft"), "from before it was optimised"),
    (
        "integer.onnx",
        _operator("DynamicQuantizeLinear", "", "scale", "point"),
        "quant_format=QuantFormat.QDQ",
    ),
    ("qlinear.onnx", _operator("QLinearAdd", "com.microsoft"), "quant_format=QuantFormat.QDQ"),
    ("network.h5", _bytes, "tf2onnx.convert.from_keras(keras.models.load_model('network.h5')"),
    ("network.keras", _bytes, "output_path='network.onnx')"),
    ("network.pb", _bytes, "python -m tf2onnx.convert --graphdef network.pb"),
    ("network.tflite", _bytes, "python -m tf2onnx.convert --tflite network.tflite"),
    ("model-0000.params", _bytes, "'model-symbol.json', 'model-0000.params'"),
    ("resnet50_ft_weight.pkl", _bytes, "pickle.loads(pathlib.Path('resnet50_ft_weight.pkl').read_bytes()"),
    ("network.pdparams", _bytes, "--model_filename network.pdmodel"),
    ("network.caffemodel", _bytes, "--prototxt network.prototxt"),
    ("network.mlmodel", _bytes, "convert it to ONNX with the framework that wrote it"),
    ("network", _bytes, "convert it to ONNX with the framework that wrote it"),
]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(path)
    return str(caught.value)


def code_of(message: str) -> str | None:
    """Return the Python code of the command in a message, as a shell passes it on; None if it has none."""
    found = re.search(r'python -c "[^"]*"', message)
    return shlex.split(found[0])[2] if found else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "write", "advice"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_a_refused_file_comes_with_the_command_that_converts_it(name, write, advice, tmp_path):
    path = tmp_path / name
    write(path)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert advice in message
    if (code := code_of(message)) is not None:
        ast.parse(code)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "write", "result"),
    [
        ("whole.pt", _module, "whole-weights.pth"),
        ("options.pt", _with_namespace, "options-weights.pth"),
        ("parts.pt", _module_in_a_dict, "parts-weights.pth"),
        ("two.pth", _two_states, "two-network.pth"),
        ("quantised.pth", _quantised, "quantised-dense.pth"),
        ("sparse.pth", _sparse, "sparse-dense.pth"),
        ("packed.pth", _compressed, "packed-plain.pth"),
        ("options.pth", _with_options, "options-network.pth"),
        ("inside.pth", _with_options_inside, "inside-network.pth"),
        ("list.pth", _list, "list-network.pth"),
        ("tuple.pth", _tuple, "tuple-network.pth"),
        ("arrays.pth", _arrays, "arrays-weights.pth"),
        ("modules.pth", _list_of_modules, "modules-weights.pth"),
        ("inside-quantised.pth", _quantised_inside, "inside-quantised-dense.pth"),
        ("external.onnx", _external, "external-whole.onnx"),
    ],
)
def test_what_the_command_writes_is_loaded(name, write, result, tmp_path, monkeypatch):
    write(tmp_path / name)
    code = code_of(refusal(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, name, "exec"), {})  # noqa: S102 - the command of this project's own message
    recogniser = load(tmp_path / result)
    assert recogniser.embedding_size == (4 if name.endswith("onnx") else 8)


def test_a_pickle_of_arrays_becomes_a_state_dict(tmp_path, monkeypatch):
    state = state_of(tiny_body(inner_norm=False))
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps({key: value.numpy() for key, value in state.items()}))
    monkeypatch.chdir(tmp_path)
    exec(compile(code_of(refusal(path)), "weights", "exec"), {})  # noqa: S102 - as above
    assert load(tmp_path / "weights.pth").embedding_size == 8


@pytest.mark.parametrize(
    "name", ["a'; rm -rf ~; '.h5", "$(id).h5", '"; id; ".h5', "`id`.h5", "a\nb.h5", "-rf.h5 && id"]
)
def test_a_hostile_name_is_not_part_of_a_command(name):
    path = Path(name)
    assert name_of(path) == "FILE"
    words = shlex.split(of_ending(Path(name).with_suffix(".tflite")).partition("convert it: ")[2])
    assert words == ["python", "-m", "tf2onnx.convert", "--tflite", "FILE", "--output", "FILE.onnx"]


@pytest.mark.parametrize("key", ["$(id)", "`id`", '"; id; "', "']; import os #", "a b"])
def test_a_hostile_key_is_not_part_of_a_command(tmp_path, key):
    state = state_of(tiny_body(inner_norm=False))
    torch.save({"model": {key: state, "z": state}}, tmp_path / "two.pth")
    with pytest.raises(InputError, match="expected one state dict, got 2") as raised:
        load(tmp_path / "two.pth")
    command = str(raised.value).rpartition("alone: ")[2]
    assert shlex.split(command)[2].endswith("['model']['KEY'], 'two-network.pth')")
    assert key not in command


def test_a_folder_is_refused_with_the_files_in_it(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(InputError, match=r"got a folder; give one of its files: model\.pt"):
        load(tmp_path)

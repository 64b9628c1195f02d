"""What to do with a file that is refused: the command that converts it, where its owner trusts it.

A command loads the file as its own framework does, which may run code in it; this project never does so.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from recognition.detection.alignment import ALIGNED_SIZE

#: Names of files that a shell and Python take as they are, between any quotes.
_PLAIN = re.compile(r"[\w.@+=][\w.@+=-]*")
_IMAGES = f"3, {ALIGNED_SIZE}, {ALIGNED_SIZE}"
#: Operators of onnxruntime's integer arithmetic, in which dynamic quantisation and its older format end.
_INTEGER = re.compile(
    r"(com\.microsoft\.)?(QLinear\w+|QGemm|\w+Integer(ToFloat)?|DynamicQuantize\w+|QAttention)"
)


def python(code: str) -> str:
    """Return the shell's command for a line of Python without double quotes."""
    return f'python -c "{code}"'


def name_of(path: Path, ending: str | None = None) -> str:
    """Return a file's name for a command, or FILE where a shell would not take the name as it is.

    Args:
        path: The file.
        ending: What replaces the ending of its name; None leaves it.
    """
    stem = path.stem if ending is not None else path.name
    return (stem if _is_plain(path.name) else "FILE") + (ending or "")


def _is_plain(word: str) -> bool:
    return _PLAIN.fullmatch(word) is not None


def torchscript_refusal(path: Path) -> str:
    """Return the error message for a TorchScript file.

    Its code may write files, and torch warns against loading untrusted ones.
    """
    code = (
        f"import torch; torch.onnx.export(torch.jit.load('{name_of(path)}'), (torch.zeros(2, {_IMAGES}),), "
        f"'{name_of(path, '.onnx')}', dynamo=False, dynamic_axes={{'x': {{0: 'batch'}}}}, input_names=['x'])"
    )
    return (
        f"{path}: expected weights or ONNX, got a TorchScript program, which can run code; where you trust "
        f"it, convert it: {python(code)}"
    )


def exported_refusal(path: Path) -> str:
    """Return the error message for a torch.export file, which torch.export.load may unpickle."""
    code = (
        f"import torch; torch.onnx.export(torch.export.load('{name_of(path)}'), "
        f"f='{name_of(path, '.onnx')}', dynamo=True, external_data=False)"
    )
    return (
        f"{path}: expected weights or ONNX, got a torch.export program, whose loading can run code; where "
        f"you trust it, convert it: {python(code)} (needs onnxscript)"
    )


def pickle_refusal(path: Path) -> str:
    """Return the error message for a torch file that names classes, as a whole pickled module does.

    Its command takes the tensors, and the arrays of NumPy, of a module, and of a dict or list of tensors,
    modules and anything else.
    """
    code = (
        "import numpy, torch; "
        f"found = torch.load('{name_of(path)}', map_location='cpu', weights_only=False); "
        "state = lambda one: one.state_dict() if hasattr(one, 'state_dict') else one; "
        "is_array = lambda one: isinstance(one, (torch.Tensor, numpy.ndarray)); "
        "parts = lambda one: one.items() if hasattr(one, 'items') else enumerate(one); "
        "tensors = lambda one: torch.as_tensor(one) if is_array(one) else {str(key): tensors(state(part)) "
        "for key, part in parts(one) if is_array(part) or hasattr(state(part), 'items')}; "
        f"torch.save(tensors(state(found)), '{name_of(path, '-weights.pth')}')"
    )
    return (
        f"{path}: expected plain tensors, got a file whose loading could run code (or no torch file); where "
        f"you trust it, save its tensors alone, beside the code of its network: {python(code)}"
    )


def tensors_alone(path: Path, keys: Sequence[str]) -> str:
    """Return what to do with a dict of tensors and other values, at the place that keys lead to."""
    code = (
        f"import torch; state = torch.load('{name_of(path)}', map_location='cpu', weights_only=True)"
        f"{_places(keys)}; torch.save({{key: one for key, one in state.items() if torch.is_tensor(one)}}, "
        f"'{name_of(path, '-network.pth')}')"
    )
    return f"save its tensors alone: {python(code)}"


def state_of_code(path: Path) -> str:
    """Return what to do with a file without a state dict: to save one where the network is."""
    saved = name_of(path, "-network.pth")
    return f"save the network's weights alone where its code is: torch.save(network.state_dict(), '{saved}')"


def dense_refusal(path: Path) -> str:
    """Return the error message for a state dict of quantised or sparse tensors."""
    code = (
        "import torch; dense = lambda one: {key: dense(part) for key, part in one.items()} if hasattr(one, "
        "'items') else one if not torch.is_tensor(one) else one.dequantize() if one.is_quantized else "
        f"one.to_dense(); torch.save(dense(torch.load('{name_of(path)}', map_location='cpu', "
        f"weights_only=True)), '{name_of(path, '-dense.pth')}')"
    )
    return f"{path}: expected dense tensors, got sparse or quantised ones; convert them: {python(code)}"


def one_state(path: Path, keys: Sequence[str | int]) -> str:
    """Return the command that saves one state dict out of several.

    Args:
        path: The file.
        keys: The keys that lead to it, from the outside, or its number in a list; KEY stands for a key that a
            shell would not take.
    """
    return python(
        f"import torch; torch.save(torch.load('{name_of(path)}', map_location='cpu', weights_only=True)"
        f"{_places(keys)}, '{name_of(path, '-network.pth')}')"
    )


def one_part(path: Path, keys: Sequence[str], first: str) -> str:
    """Return the command that saves the tensors of one layer out of a state dict.

    Args:
        path: The file.
        keys: The keys that lead to the state dict, from the outside.
        first: The layer's name, behind any other prefix.
    """
    part = f"{first if _is_plain(first) else 'NAME'}."
    return python(
        f"import torch; state = torch.load('{name_of(path)}', map_location='cpu', weights_only=True)"
        f"{_places(keys)}; torch.save({{key.partition('{part}')[2]: one for key, one in state.items() if "
        f"'{part}' in key}}, '{name_of(path, '-network.pth')}')"
    )


def _places(keys: Sequence[str | int]) -> str:
    """Return Python's subscripts for keys and numbers."""
    return "".join(
        f"[{key}]" if isinstance(key, int) else f"['{key if _is_plain(key) else 'KEY'}']" for key in keys
    )


def compressed(path: Path) -> str:
    """Return the command that saves a compressed torch file anew."""
    return python(
        f"import torch; torch.save(torch.load('{name_of(path)}', map_location='cpu', weights_only=True), "
        f"'{name_of(path, '-plain.pth')}')"
    )


def own_code(path: Path) -> str:
    """Return how a network is loaded by its project's own code."""
    return f"give the code that builds it as package.module:factory@{name_of(path)}"


def export(path: Path) -> str:
    """Return the command that exports a network where its code is."""
    return python(
        f"import torch; torch.onnx.export(network.eval(), torch.zeros(2, {_IMAGES}), "
        f"'{name_of(path, '.onnx')}', input_names=['x'], dynamic_axes={{'x': {{0: 'batch'}}}}, dynamo=False)"
    )


def one_file(path: Path) -> str:
    """Return the command that puts the external data of an ONNX model into its file."""
    code = f"import onnx; onnx.save(onnx.load('{name_of(path)}'), '{name_of(path, '-whole.onnx')}')"
    return python(code)


def part(path: Path, inputs: str, outputs: str) -> str:
    """Return the command that takes the part of an ONNX graph between an input and an output."""
    return python(
        f"import onnx; onnx.utils.extract_model('{name_of(path)}', '{name_of(path, '-face.onnx')}', "
        f"['{inputs}'], ['{outputs}'])"
    )


def of_operators(names: list[str]) -> str:
    """Return what to do with an ONNX graph of operators that have no converter."""
    if any(_INTEGER.fullmatch(name) for name in names):
        return (
            "it computes with integers: export the float32 network, or quantise it with QuantizeLinear and "
            "DequantizeLinear: quantize_static(..., quant_format=QuantFormat.QDQ) of onnxruntime"
        )
    if any("." in name for name in names):
        return (
            "give the file from before it was optimised for one runtime, or export it with ONNX's operators"
        )
    return (
        "simplify it, which computes what is constant: python -m onnxsim IN.onnx OUT.onnx (pip install "
        "onnxsim); or give the code that builds the network as package.module:factory@weights"
    )


def of_ending(path: Path) -> str:
    """Return what to do with a file whose ending is that of another framework, or of none."""
    name, onnx = name_of(path), name_of(path, ".onnx")
    stem = name_of(path, "").removesuffix("-0000")
    keras = python(
        f"import keras, tf2onnx; tf2onnx.convert.from_keras(keras.models.load_model('{name}'), "
        f"output_path='{onnx}')"
    )
    mxnet = python(
        f"import mxnet; mxnet.onnx.export_model('{stem}-symbol.json', '{name}', [(1, {_IMAGES})], 'float32', "
        f"'{onnx}', dynamic=True, dynamic_input_shapes=[('batch', {_IMAGES})])"
    )
    pickled = python(
        f"import pathlib, pickle, torch; arrays = pickle.loads(pathlib.Path('{name}').read_bytes(), "
        "encoding='latin1'); torch.save({key: torch.as_tensor(one) for key, one in arrays.items()}, "
        f"'{name_of(path, '.pth')}')"
    )
    paddle = (
        f"paddle2onnx --model_dir . --model_filename {name_of(path, '.pdmodel')} --params_filename "
        f"{name_of(path, '.pdiparams')} --save_file {onnx}"
    )
    graph = f"python -m tf2onnx.convert --graphdef {name} --output {onnx} --inputs INPUT:0 --outputs OUTPUT:0"
    caffe = f"python -m caffe2onnx.convert --prototxt {name_of(path, '.prototxt')} --caffemodel {name}"
    commands = {
        **dict.fromkeys((".h5", ".hdf5", ".keras"), keras),
        ".pb": graph,
        ".tflite": f"python -m tf2onnx.convert --tflite {name} --output {onnx}",
        ".params": mxnet,
        **dict.fromkeys((".pkl", ".pickle"), pickled),
        **dict.fromkeys((".pdparams", ".pdmodel", ".pdiparams"), paddle),
        ".caffemodel": f"{caffe} --onnx {onnx}",
    }
    if (command := commands.get(path.suffix.lower())) is not None:
        return f"loading it may run code; where you trust it, convert it: {command}"
    return f"convert it to ONNX with the framework that wrote it, in PyTorch: {export(path)}"

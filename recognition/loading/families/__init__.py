"""Families of networks whose state dicts are recognised by their keys and shapes.

A family is one module here with a `Family`, and one entry of `FAMILIES`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from recognition.backbones.undrawn import undrawn_weights
from recognition.errors import InputError, one_line
from recognition.loading.class_weights import head_weights
from recognition.loading.conversions import export, one_part, own_code
from recognition.loading.families.base import Family, Network
from recognition.loading.head_names import refuse_layers
from recognition.loading.nested_states import HEAD_TENSORS, can_be_beside, listed
from recognition.loading.state_dicts import State, assign_weights, without_prefixes
from recognition.registry import Entry, Registry

_HERE = "recognition.loading.families"
#: Families by name, in the order in which they are tried.
FAMILIES: Registry[Family] = Registry(
    "family",
    {
        "MagFace IResNet": Entry(f"{_HERE}.magface:FAMILY", "IrvingMeng/MagFace"),
        "arcface_torch MobileFaceNet": Entry(f"{_HERE}.arcface_torch_mobilefacenet:FAMILY", "InsightFace"),
        "arcface-pytorch ResNetFace": Entry(f"{_HERE}.arcface_pytorch:FAMILY", "ronghuaiyang"),
        "arcface_torch IResNet": Entry(f"{_HERE}.arcface_torch_iresnet:FAMILY", "InsightFace"),
        "arcface_torch VisionTransformer": Entry(f"{_HERE}.arcface_torch_vit:FAMILY", "InsightFace"),
        "AdaFace IResNet": Entry(f"{_HERE}.adaface:FAMILY", "mk-minchul/AdaFace"),
        "TFace IResNet": Entry(f"{_HERE}.tface:IRESNET", "Tencent/TFace"),
        "TFace MobileFaceNet": Entry(f"{_HERE}.tface:MOBILEFACENET", "Tencent/TFace"),
        "TFace MobileFaceNet with GNAP": Entry(f"{_HERE}.tface:MOBILEFACENET_GNAP", "Tencent/TFace"),
        "FaceX-Zoo IResNet": Entry(f"{_HERE}.facex_zoo:IRESNET", "JDAI-CV/FaceX-Zoo"),
        "FaceX-Zoo MobileFaceNet": Entry(f"{_HERE}.facex_zoo:MOBILEFACENET", "JDAI-CV/FaceX-Zoo"),
        "CurricularFace IResNet": Entry(f"{_HERE}.curricularface:FAMILY", "HuangYG123/CurricularFace"),
        "InsightFace_Pytorch IResNet": Entry(f"{_HERE}.insightface_pytorch:FAMILY", "TreB1eN"),
        "InsightFace_Pytorch MobileFaceNet": Entry(f"{_HERE}.insightface_pytorch:MOBILEFACENET", "TreB1eN"),
        "MobileFaceNet_Pytorch": Entry(f"{_HERE}.mobilefacenet_pytorch:FAMILY", "Xiaoccer"),
        "sphereface_pytorch": Entry(f"{_HERE}.sphereface_pytorch:FAMILY", "clcarwin/sphereface_pytorch"),
        "facenet-pytorch InceptionResnetV1": Entry(f"{_HERE}.facenet_pytorch:FAMILY", "timesler"),
    },
)


def recognise(
    state: State,
    path: Path,
    families: Mapping[str, Family] = FAMILIES,
    *,
    marks: Sequence[str] = (),
    beside: Collection[str] = (),
) -> tuple[Network, Tensor | None]:
    """Return the network of a state dict with its weights, and the class weights that came with it.

    Args:
        state: Tensors by name.
        path: The file's name in error messages.
        families: The families to try, in their order.
        marks: Keys of the dicts and prefixes around the tensors, as in `Weights`.
        beside: The names of what is beside the tensors: other keys of the dicts, and a head's tensors.

    Raises:
        InputError: If no family has these keys, the shapes do not fit the family, or a tensor beside the
            network may be a further layer.
    """
    family = next((one for one in families.values() if one.matches(state, marks)), None)
    if family is None:
        raise InputError(_several(state, path, families, marks) or _unknown(state, path, families))
    state = dict(state)
    try:
        network, extra = _with_weights(family, state, path)
    except InputError as error:
        # Whatever differs from the family's networks, the project's own code builds it.
        raise InputError(f"{error}; {own_code(path)}") from None
    refuse_layers(extra, path)
    class_weights = state[network.class_weights] if network.class_weights else None
    found = head_weights(extra, network.architecture["embedding_size"], path)
    if class_weights is None and found is not None:
        class_weights = found.weights
        network = replace(network, class_weights_transposed=found.transposed)
    if family.guess is not None and not family.is_proved(marks, beside):
        network = replace(network, reason=family.guess.reason, readings=family.guess.readings)
    return network, class_weights


def _with_weights(family: Family, state: State, path: Path) -> tuple[Network, State]:
    """Return the network of a family with a state dict's weights, and the tensors of a head beside them."""
    # On the meta device a declared width takes no memory until the file's tensors are assigned.
    with undrawn_weights():
        try:
            network = family.build(state, path)
        except (ArithmeticError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, InputError) and str(error).startswith(str(path)):
                raise
            # Sizes of a damaged file that no layer can have.
            raise InputError(f"{path}: its tensors do not fit a family ({one_line(error)})") from None
    backbone = {key: value for key, value in state.items() if not key.startswith(network.head_prefixes)}
    names = network.module.state_dict().keys()
    beside = {key: value for key, value in backbone.items() if key not in names}
    if not can_be_beside(beside):
        beside = {}
    backbone = {key: value for key, value in backbone.items() if key not in beside}
    assign_weights(network.module, backbone, path, str(network.architecture))
    if network.adapt is not None:
        network = replace(network, module=network.adapt(network.module))
    return network, beside


def _several(state: State, path: Path, families: Mapping[str, Family], marks: Sequence[str]) -> str | None:
    """Return the message for a state dict that has networks of known families in it; None for others."""
    layers: dict[str, State] = {}
    for key, one in state.items():
        first, _, rest = key.partition(".")
        layers.setdefault(first, {})[rest] = one
    found = []
    for first, tensors in layers.items():
        part = without_prefixes(tensors)[0] if len(tensors) > HEAD_TENSORS else {}
        if any(family.matches(part, family.marks) for family in families.values()):
            found.append(first)
    if not found:
        return None
    # Keys of dicts have no point at their end, unlike prefixes.
    keys = [mark for mark in marks if not mark.endswith(".")]
    return (
        f"{path}: expected one network, got {listed(found)} beside other layers; save one of them alone: "
        f"{one_part(path, keys, found[0])}"
    )


def _unknown(state: State, path: Path, families: Mapping[str, Family]) -> str:
    """Return the message for a state dict of no family, with the ways to load it."""
    if len(state) <= HEAD_TENSORS and any(value.ndim == 2 for value in state.values()):
        remark = "; if it is the head of a training, give it as --centres beside the backbone"
    else:
        remark = ""
    return (
        f"{path}: expected the state dict of {', '.join(families)}, got {len(state)} tensors, the first "
        f"{next(iter(state), '')!r}{remark}; {own_code(path)}, or export the network to "
        f"ONNX where its code is: {export(path)}"
    )

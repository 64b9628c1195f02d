"""Save a network of ours as others read it: arcface_torch's torch files, and ONNX."""

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recognition.errors import InputError, one_line
from recognition.images import atomic_path
from recognition.loading.onnx_files import PREPROCESSING_KEY
from recognition.loading.onnx_network import OnnxNetwork
from recognition.recogniser import Recogniser

#: arcface_torch's name for a training's state, which carries the class centres.
_TRAINING_STATE = re.compile(r"checkpoint_gpu_0\.pt")
_OPSET = 17


def export(recogniser: Recogniser, path: str | os.PathLike[str]) -> None:
    """Write a network, whole or not at all, in the format of the file's ending.

    Args:
        path: `.pt` or `.pth` for the backbone's state dict, as arcface_torch's model.pt; named
            `checkpoint_gpu_0.pt` with the class centres; `.onnx` for images that are
            normalised already, any batch, BatchNorms kept.

    Raises:
        InputError: another ending, a network that is itself a converted one, or the file cannot be written.
    """
    path = Path(path)
    backbone = recogniser.backbone
    if isinstance(backbone, OnnxNetwork):
        raise InputError(
            f"{recogniser.name}: expected a network of torch layers, got an ONNX file's; copy that file"
        )
    if path.suffix.lower() == ".onnx":
        _export_onnx(recogniser, path)
    elif path.suffix.lower() in (".pt", ".pth"):
        content: Any = dict(backbone.state_dict())
        if _TRAINING_STATE.fullmatch(path.name):
            if recogniser.centres is None:
                raise InputError(f"{path}: expected class centres to save in it, {recogniser.name} has none")
            content = {
                "state_dict_backbone": content,
                "state_dict_softmax_fc": {"weight": recogniser.centres},
            }
        with atomic_path(path) as temporary:
            torch.save(content, temporary)
    else:
        raise InputError(f"{path}: expected the ending .pt, .pth or .onnx, got {path.suffix or 'none'!r}")


def _export_onnx(recogniser: Recogniser, path: Path) -> None:
    import onnx

    size = recogniser.input_size
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # torch's older exporter needs no further package; that it is the older one is known.
        warnings.simplefilter("ignore")
        # Contiguous as it was made: the exporter writes weights as they lie in memory.
        backbone: nn.Module = recogniser.backbone.to(memory_format=torch.contiguous_format)
        try:
            torch.onnx.export(
                backbone,
                (torch.zeros(1, 3, size, size),),
                temporary,
                dynamo=False,
                # Evaluation mode would fold the BatchNorms, whose statistics are worth keeping.
                training=torch.onnx.TrainingMode.PRESERVE,
                opset_version=_OPSET,
                input_names=["images"],
                output_names=["embeddings"],
                dynamic_axes={"images": {0: "batch"}, "embeddings": {0: "batch"}},
            )
        except Exception as error:
            # The exporter raises its own types on networks that it cannot trace.
            raise InputError(f"{recogniser.name}: torch cannot export it ({one_line(error)})") from None
        finally:
            recogniser.freeze()
        model = onnx.load(temporary)
        entry = model.metadata_props.add()
        entry.key, entry.value = PREPROCESSING_KEY, json.dumps(vars(recogniser.preprocessing))
        temporary.write_bytes(model.SerializeToString())

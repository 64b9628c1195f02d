"""Networks in the formats of other projects: the torch files of arcface_torch, and ONNX."""

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
from recognition.loading.torch_files import write_torch_file
from recognition.recogniser import Recogniser

#: Name of arcface_torch's training checkpoint, which has the class centres.
_TRAINING_STATE = re.compile(r"checkpoint_gpu_0\.pt")
#: ONNX operator set of exported files.
_OPSET = 17


def export(recogniser: Recogniser, path: str | os.PathLike[str]) -> None:
    """Write a network, completely or not at all, in the format that the file's ending names.

    Args:
        recogniser: A network of torch layers.
        path: With the ending .pt or .pth, the backbone's state dict, as arcface_torch's model.pt; with the
            name checkpoint_gpu_0.pt, a training checkpoint with the class centres; with the ending .onnx,
            a graph that takes prepared images in batches of any size and keeps its BatchNorm layers.

    Raises:
        InputError: If the ending is another one, the network was itself read from an ONNX file, or the file
            cannot be written.
    """
    path = Path(path)
    backbone = recogniser.backbone
    if isinstance(backbone, OnnxNetwork):
        raise InputError(
            f"{recogniser.name}: expected a network of torch layers, got an ONNX file's; copy that file"
        )
    if path.suffix.lower() == ".onnx":
        export_onnx(recogniser, path)
    elif path.suffix.lower() in (".pt", ".pth"):
        content: Any = dict(backbone.state_dict())
        if _TRAINING_STATE.fullmatch(path.name):
            if recogniser.centres is None:
                raise InputError(f"{path}: expected class centres to save in it, {recogniser.name} has none")
            content = {
                "state_dict_backbone": content,
                "state_dict_softmax_fc": {"weight": recogniser.centres},
            }
        write_torch_file(path, content)
    else:
        raise InputError(f"{path}: expected the ending .pt, .pth or .onnx, got {path.suffix or 'none'!r}")


def export_onnx(recogniser: Recogniser, path: Path) -> None:
    """Write a network as an ONNX file, completely or not at all, also one whose layers came from such a file.

    Args:
        recogniser: The network, which is frozen afterwards.
        path: The file.

    Raises:
        InputError: If torch cannot trace the network.
    """
    import onnx

    size = recogniser.input_size
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # torch's older exporter warns that it is deprecated; the newer one needs further packages.
        warnings.simplefilter("ignore")
        # The exporter writes weights in their memory layout, which readers expect to be contiguous.
        backbone: nn.Module = recogniser.backbone.to(memory_format=torch.contiguous_format)
        try:
            torch.onnx.export(
                backbone,
                (torch.zeros(1, 3, size, size),),
                temporary,
                dynamo=False,
                # Evaluation mode would fold the BatchNorm layers, and their statistics would be lost.
                training=torch.onnx.TrainingMode.PRESERVE,
                opset_version=_OPSET,
                input_names=["images"],
                output_names=["embeddings"],
                dynamic_axes={"images": {0: "batch"}, "embeddings": {0: "batch"}},
            )
        except OSError:
            raise
        except Exception as error:
            # The exporter raises its own types on networks that it cannot trace.
            raise InputError(f"{recogniser.name}: torch cannot export it ({one_line(error)})") from None
        finally:
            recogniser.freeze()
        model = onnx.load(temporary)
        entry = model.metadata_props.add()
        entry.key, entry.value = PREPROCESSING_KEY, json.dumps(vars(recogniser.preprocessing))
        temporary.write_bytes(model.SerializeToString())

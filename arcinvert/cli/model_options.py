"""`--model` and what belongs to it, for every command that takes a network."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recognition.loading import ModelChoice


def add_model_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The options that `take_model` takes."""
    parser.add_argument(
        "--model",
        default="lfw-iresnet18",
        help="the bundled network, a file (.safetensors, .pt, .pth, .ckpt, .onnx), "
        "package.module:factory[@weights], timm:NAME@weights or torchvision:NAME@weights "
        "(default: %(default)s)",
    )
    add_choice_options(parser)


def add_choice_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """What a model's file may leave open."""
    parser.add_argument(
        "--preset",
        metavar="P",
        help="what the network takes, if its file does not say it: insightface, adaface, facenet, "
        "imagenet, zero-to-one, zero-to-255, or settings: channels=BGR,mean=0.5,std=0.5,input_size=112",
    )
    parser.add_argument(
        "--centres",
        metavar="PATH",
        help="class centres: a file, a folder of shards, or of one folder of photographs per identity",
    )
    parser.add_argument("--classes", type=int, metavar="N", help="how many centres there must be")


def take_model(arguments: dict[str, Any]) -> "str | ModelChoice":
    """Takes these options out of parsed arguments: what `recognition.loading.load` takes."""
    model, preset, centres, classes = (
        arguments.pop(key) for key in ("model", "preset", "centres", "classes")
    )
    if preset is None and centres is None and classes is None:
        return str(model)
    from recognition.loading import ModelChoice

    return ModelChoice(model, preset=preset, centres=centres, classes=classes)

"""The options that say which network is loaded, of both packages. This module does not import torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recognition.bundled import BUNDLED
from recognition.config import check, option

if TYPE_CHECKING:
    from recognition.loading import ModelChoice

#: The group of these options in a command's help.
GROUP = "network"
#: The options of class centres, which a command does not have that only embeds faces.
OF_CENTRES = ("centres", "classes", "subcentres")


@dataclass(frozen=True)
class NetworkOptions:
    """Which network is loaded.

    Raises:
        InputError: If a value is of another type or out of its range.
    """

    model: str = option(
        BUNDLED,
        help="the network: a bundled one by its name, a file (.safetensors, .pt, .pth, .ckpt, .bin, .onnx), "
        "package.module:factory[@weights], timm:NAME@weights or torchvision:NAME@weights",
        group=GROUP,
        metavar="MODEL",
    )
    preset: str | None = option(
        help="the preprocessing that the network expects, if its file does not say it: insightface, adaface, "
        "magface, facex-zoo, facenet, imagenet, zero-to-one, zero-to-255, or settings such as "
        "channels=BGR,mean=0.5,std=0.5,input_size=112",
        group=GROUP,
    )
    centres: str | None = option(
        help="the class centres: a file, a folder of shards, or a folder of one folder of photographs for "
        "each identity",
        group=GROUP,
        metavar="PATH",
    )
    classes: int | None = option(
        help="the number of class centres that there must be", group=GROUP, minimum=1
    )
    subcentres: int | None = option(
        help="the number of sub-centres of each class in the file of --centres, which lists them class by "
        "class",
        group=GROUP,
        metavar="K",
        minimum=1,
    )
    output: str | None = option(
        help="which output is the embedding, of a network with several: an ONNX graph's name of it, a key, "
        "or a number from 0",
        group=GROUP,
        metavar="NAME",
    )

    def __post_init__(self) -> None:
        check(self)

    def choice(self) -> "str | ModelChoice":
        """Return what `recognition.loading.load` takes."""
        if all(
            value is None for value in (self.preset, self.centres, self.classes, self.subcentres, self.output)
        ):
            return self.model
        from recognition.loading import ModelChoice

        return ModelChoice(
            self.model,
            preset=self.preset,
            centres=self.centres,
            classes=self.classes,
            subcentres=self.subcentres,
            output=self.output,
        )

"""The options that say which network is used, for every command that loads one."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcinvert.access.options import AccessOptions
from arcinvert.workers.options import WorkerOptions
from recognition.bundled import BUNDLED
from recognition.config import add_arguments, check, gather, option
from recognition.errors import InputError
from recognition.options import DEVICE_FORM, Precision

if TYPE_CHECKING:
    from arcinvert.access.black_box_attacker import BlackBoxAttacker
    from arcinvert.attacker import Attacker
    from arcinvert.workers.base import Workers
    from recognition.loading import ModelChoice

_GROUP = "network"
#: The options that a command without attacks does not have, which only looks at a network.
OF_ATTACKS = ("statistics", "decoder", "calibrate", "device", "precision", "deterministic", "graphs")


@dataclass(frozen=True)
class ModelOptions:
    """Which network is loaded, and where it runs.

    Raises:
        InputError: If a value is of another type or out of its range.
    """

    model: str = option(
        BUNDLED,
        help="the network: a bundled one by its name, a file (.safetensors, .pt, .pth, .ckpt, .bin, .onnx), "
        "package.module:factory[@weights], timm:NAME@weights or torchvision:NAME@weights",
        group=_GROUP,
        metavar="MODEL",
    )
    preset: str | None = option(
        help="the preprocessing that the network expects, if its file does not say it: insightface, adaface, "
        "magface, facex-zoo, facenet, imagenet, zero-to-one, zero-to-255, or settings such as "
        "channels=BGR,mean=0.5,std=0.5,input_size=112",
        group=_GROUP,
    )
    centres: str | None = option(
        help="the class centres: a file, a folder of shards, or a folder of one folder of photographs for "
        "each identity",
        group=_GROUP,
        metavar="PATH",
    )
    classes: int | None = option(
        help="the number of class centres that there must be", group=_GROUP, minimum=1
    )
    subcentres: int | None = option(
        help="the number of sub-centres of each class in the file of --centres, which lists them class by "
        "class",
        group=_GROUP,
        metavar="K",
        minimum=1,
    )
    output: str | None = option(
        help="which output is the embedding, of a network with several: an ONNX graph's name of it, a key, "
        "or a number from 0",
        group=_GROUP,
        metavar="NAME",
    )
    statistics: str | None = option(
        help="the file of 'arcinvert calibrate'; by default the one beside the network, if there is one",
        group=_GROUP,
        metavar="FILE",
    )
    decoder: str | None = option(
        help="the file of 'arcinvert learn'; by default the one beside the network, if there is one",
        group=_GROUP,
        metavar="FILE",
    )
    calibrate: bool = option(
        True,
        help="measure a network that has no file of statistics on synthetic faces, once, before the first "
        "attack on it; what is measured is cached",
        group=_GROUP,
    )
    device: str = option(
        "auto",
        form=DEVICE_FORM,
        metavar="DEVICE",
        help="the device that computes; auto is CUDA, then MPS, then the CPU; cuda:1 is the second card",
        group=_GROUP,
    )
    precision: Precision = option(
        "auto",
        help="the floating-point type; auto is bfloat16 where the hardware has it and is faster with it, "
        "which is measured once for a network",
        group=_GROUP,
    )
    deterministic: bool = option(
        False,
        help="use deterministic kernels alone, so that a CUDA device repeats its results; slower there, and "
        "without effect on a CPU, which repeats them anyway",
        group=_GROUP,
    )
    graphs: bool = option(
        False,
        help="capture the steps of an attack as a CUDA graph, for small networks on a CUDA device",
        group=_GROUP,
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

    def attacker(self, workers: "Workers | None" = None) -> "Attacker":
        """Load the network for attacks.

        Args:
            workers: Where batches are computed; None computes them in this process.

        Raises:
            InputError: If it cannot be loaded.
        """
        from arcinvert.attacker import Attacker

        return Attacker(
            self.choice(),
            statistics=self.statistics,
            decoder=self.decoder,
            device=self.device,
            precision=self.precision,
            calibrate=self.calibrate,
            deterministic=self.deterministic,
            graphs=self.graphs,
            workers=workers,
        )


def add_model_arguments(parser: argparse.ArgumentParser, *exclude: str) -> None:
    """Add the arguments of `ModelOptions`, without those that a command does not have."""
    add_arguments(parser, ModelOptions, exclude=exclude)


def black_box_attacker(options: ModelOptions, access: AccessOptions) -> "BlackBoxAttacker":
    """Load an attacker of the network as a black box.

    Raises:
        InputError: If it cannot be loaded, or options are given that only its weights would allow.
    """
    for name in ("statistics", "decoder", "deterministic", "graphs"):
        if given := getattr(options, name):
            raise InputError(f"{name}: expected none with --access {access.access}, got {given}")
    from arcinvert.access.black_box_attacker import BlackBoxAttacker

    return BlackBoxAttacker(
        access,
        options.choice(),
        device=options.device,
        precision=options.precision,
        calibrate=options.calibrate,
    )


def model_options(given: argparse.Namespace, **values: Any) -> ModelOptions:
    """Return the options of parsed arguments.

    Args:
        given: The parsed arguments.
        values: Fields that the command has under another name.
    """
    return ModelOptions(**(gather(ModelOptions, given) | values))


def opened_workers(given: argparse.Namespace, default: str | None = None) -> "Workers":
    """Return the workers of parsed arguments, for `with`.

    Args:
        given: The parsed arguments.
        default: The workers where none are given.

    Raises:
        InputError: If there are no such workers.
    """
    options = WorkerOptions(**gather(WorkerOptions, given))
    from arcinvert.workers.open import open_workers

    return open_workers(options.workers or default, threads=options.threads)

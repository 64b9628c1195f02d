"""The options that say which network is used, for every command that loads one."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcinvert.access.options import AccessOptions
from arcinvert.workers.options import WorkerOptions
from recognition.config import add_arguments, gather, option
from recognition.errors import InputError
from recognition.network_options import GROUP, NetworkOptions
from recognition.options import DEVICE_FORM, Precision

if TYPE_CHECKING:
    from arcinvert.access.black_box_attacker import BlackBoxAttacker
    from arcinvert.attacker import Attacker
    from arcinvert.inversion.progress import OnStage
    from arcinvert.workers.base import Workers

#: The options that a command without attacks does not have, which only looks at a network.
OF_ATTACKS = ("statistics", "decoder", "calibrate", "device", "precision", "deterministic", "graphs")


@dataclass(frozen=True)
class ModelOptions(NetworkOptions):
    """Which network is loaded, and where it runs.

    Raises:
        InputError: If a value is of another type or out of its range.
    """

    statistics: str | None = option(
        help="the file of 'arcinvert calibrate'; by default the one beside the network, if there is one",
        group=GROUP,
        metavar="FILE",
    )
    decoder: str | None = option(
        help="the file of 'arcinvert learn'; by default the one beside the network, or else the bundled one "
        "behind a map of templates",
        group=GROUP,
        metavar="FILE",
    )
    calibrate: bool = option(
        True,
        help="measure a network that has no file of statistics on synthetic faces, once, before the first "
        "attack on it; what is measured is cached",
        group=GROUP,
    )
    device: str = option(
        "auto",
        form=DEVICE_FORM,
        metavar="DEVICE",
        help="the device that computes; auto is CUDA, then MPS, then the CPU; cuda:1 is the second card",
        group=GROUP,
    )
    precision: Precision = option(
        "auto",
        help="the floating-point type; auto is bfloat16 where the hardware has it and is faster with it, "
        "which is measured once for a network",
        group=GROUP,
    )
    deterministic: bool = option(
        False,
        help="use deterministic kernels alone, so that a CUDA device repeats its results; slower there, and "
        "without effect on a CPU, which repeats them anyway",
        group=GROUP,
    )
    graphs: bool = option(
        False,
        help="capture the steps of an attack as a CUDA graph, for small networks on a CUDA device",
        group=GROUP,
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


def black_box_attacker(
    options: ModelOptions, access: AccessOptions, on_stage: "OnStage"
) -> "BlackBoxAttacker":
    """Load an attacker of the network as a black box.

    Args:
        options: The network, and where it runs.
        access: What may be asked, and how often.
        on_stage: Receives what is done before the first step.

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
        on_stage=on_stage,
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

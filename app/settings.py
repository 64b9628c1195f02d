"""What the page is served with, and what it allows."""

from dataclasses import dataclass
from pathlib import Path

from recognition.config import check, option
from recognition.errors import InputError
from recognition.options import DEVICE_FORM

from .wording import PageError

#: Largest upload, bytes.
MAX_UPLOAD = 20_000_000
#: Largest photograph that is decoded, pixels; less than on the command line, since visitors share the server.
MAX_PIXELS = 50_000_000
#: Most samples, which are optimised in one batch, and most steps of an attack.
MAX_SAMPLES = 8
MAX_STEPS = 500
#: Seconds that Gradio keeps the state of a visitor who has left.
STATE_SECONDS = 3600
#: Largest seed: a number that the browser, too, writes exactly.
MAX_SEED = 2**53 - 1
#: Endings of files that can be chosen as a network.
MODEL_SUFFIXES = frozenset({".safetensors", ".pt", ".pth", ".onnx"})


@dataclass(frozen=True)
class Settings:
    """The options of one server.

    Raises:
        InputError: If a value is out of its range, or the folder of networks is none.
    """

    port: int = option(7860, help="the port of 127.0.0.1", group="server", minimum=1, maximum=65_535)
    models: Path | None = option(
        help="a folder of networks that visitors can choose besides the bundled one",
        group="server",
        metavar="DIR",
    )
    images: Path | None = option(
        help="a folder of photographs, with one folder for each person, that visitors can audit",
        group="server",
        metavar="DIR",
    )
    device: str = option(
        "auto",
        form=DEVICE_FORM,
        metavar="DEVICE",
        help="the device that computes; auto is CUDA, then MPS, then the CPU; cuda:1 is the second card",
        group="server",
    )
    time_limit: float = option(
        300.0,
        help="the time after which an attack is stopped; what it has made is kept",
        group="server",
        above=0,
        metavar="SECONDS",
    )
    queue: int = option(8, help="the number of attacks that can wait", group="server", minimum=1)
    share: bool = option(
        False,
        help="whether the page also gets a public address, by Gradio's relay; requires a password in the "
        "environment variable ARCINVERT_APP_PASSWORD",
        group="server",
    )
    open: bool = option(False, help="whether to open the page in this machine's browser", group="server")

    def __post_init__(self) -> None:
        check(self)
        if self.models is not None and not self.models.is_dir():
            raise InputError(f"models: expected a folder of networks, found none at {self.models}")
        if self.images is not None and not self.images.is_dir():
            raise InputError(f"images: expected a folder of photographs, found none at {self.images}")

    def model_names(self) -> list[str]:
        """Return the names of the networks that can be chosen now, the bundled ones first."""
        # Both import torch, which the command line does without.
        from arcinvert.knowledge import decoder_file, statistics_file
        from recognition.loading import NETWORKS

        if self.models is None or not self.models.is_dir():
            return [*NETWORKS]
        names = (path.name for path in self.models.iterdir() if path.suffix.lower() in MODEL_SUFFIXES)
        beside = (decoder_file.SUFFIX, statistics_file.SUFFIX)
        return [*NETWORKS, *sorted(name for name in names if not name.endswith(beside))]

    def model(self, name: str) -> str:
        """Return what `arcinvert.Attacker` takes for a name on the page.

        Raises:
            PageError: If there is no network of this name, or no longer.
        """
        from recognition.loading import NETWORKS

        names = self.model_names()
        # Only names in the list are accepted, so that no name leads out of the folder.
        if name not in names:
            raise PageError(f"The network {name} is no longer on the server. Choose another one.")
        return name if self.models is None or name in NETWORKS else str(self.models / name)


def number_in(name: str, value: float | None, least: int, most: int) -> int:
    """Return a whole number that a visitor has given, within what this server allows.

    Raises:
        InputError: If it is out of its range or not whole, or there is none.
    """
    if value is None or not least <= value <= most or value % 1:
        got = "nothing" if value is None else f"{value:g}"
        kind = "number" if value is None or not value % 1 else "whole number"
        raise InputError(f"{name}: expected a {kind} from {least} to {most}, got {got}")
    return int(value)


def seed_of(value: float | None) -> int:
    """Return the seed that a visitor has given.

    Raises:
        InputError: If it is not a whole number from 0 to `MAX_SEED`, or there is none.
    """
    if value is not None and value > MAX_SEED:
        raise InputError(f"Seed: expected a number from 0 to {MAX_SEED}, got {value:.0f}")
    if value is None or not value >= 0 or value % 1:
        got = "nothing" if value is None else f"{value:g}"
        raise InputError(f"Seed: expected a whole number from 0 up, got {got}")
    return int(value)

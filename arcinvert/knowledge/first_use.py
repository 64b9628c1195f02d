"""The first use of a network: it is measured on synthetic faces, once, and what was measured is cached."""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.calibrate import measure_synthetic
from arcinvert.knowledge.statistics_file import FORMAT, SUFFIX, find_statistics, save_statistics
from arcinvert.knowledge.synthetic_faces import COUNT, SEED, VERSION
from recognition.errors import InputError
from recognition.recogniser import Recogniser

#: The environment variable that names the cache's folder.
CACHE_VARIABLE = "ARCINVERT_CACHE"
#: The environment variable that, set to anything, switches the measurement off.
OFF_VARIABLE = "ARCINVERT_NO_CALIBRATE"
#: Receives the number of faces done and of all.
OnFaces = Callable[[int, int], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FirstUse:
    """What the first use of a network gave.

    Args:
        statistics: What was measured on synthetic faces, now or earlier; None if it cannot be measured.
        note: A sentence about what went wrong; None if nothing did.
    """

    statistics: MeasuredStatistics | None
    note: str | None = None


def synthetic_statistics(recogniser: Recogniser, progress: OnFaces | None = None) -> FirstUse:
    """Return a network's statistics on synthetic faces, from the cache or measured now.

    What is measured is cached for a network that is one file. A cache that cannot be written is no error.

    Args:
        recogniser: The frozen network, on the device that measures.
        progress: Receives the number of faces done and of all, often; what it raises, such as
            `StopInversion`, ends the measurement, of which nothing is kept then. None shows a progress bar.
    """
    path = cached_path(recogniser)
    if path is not None and (found := _read(path, recogniser)) is not None:
        return FirstUse(found)
    _log.info("measuring %s on %d synthetic faces, once", recogniser.name, COUNT)
    try:
        measured = _measured(recogniser, progress)
    except InputError as error:
        return FirstUse(None, f"{recogniser.name} is attacked without synthetic faces: {error}.")
    if path is None:
        return FirstUse(measured)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_statistics(path, measured)
    except (OSError, InputError) as error:
        # The note is part of results, in which no path of this machine stands.
        _log.warning("%s", error)
        return FirstUse(
            measured,
            "What was measured on synthetic faces is not kept, as it cannot be written, and will be measured "
            f"again; {CACHE_VARIABLE} names another folder.",
        )
    # As every later run reads it, so that the first run gives the same images as they do.
    return FirstUse(_read(path, recogniser) or measured)


def faces_to_measure(recogniser: Recogniser) -> int:
    """Return on how many synthetic faces `synthetic_statistics` would measure a network now.

    It is 0 if the cache has what was measured.

    Args:
        recogniser: The frozen network.
    """
    path = cached_path(recogniser)
    return COUNT if path is None or _read(path, recogniser) is None else 0


def _measured(recogniser: Recogniser, progress: OnFaces | None) -> MeasuredStatistics:
    if progress is not None:
        return measure_synthetic(recogniser, COUNT, progress=progress)
    with tqdm(total=COUNT, desc="measure on synthetic faces", unit="face") as bar:
        return measure_synthetic(recogniser, COUNT, progress=lambda done, _: bar.update(done - bar.n))


def cached_path(recogniser: Recogniser) -> Path | None:
    """Return the file in the cache for a network; None where it is not one file, or there is no home.

    The name follows from all that decides the content: the network's file, how images are prepared for it,
    which output is used, the synthetic faces and the format.
    """
    folder = cache_folder()
    if folder is None or not recogniser.source.fingerprint:
        return None
    decides = {
        "model": recogniser.source.fingerprint,
        "preprocessing": vars(recogniser.preprocessing),
        # The output of an ONNX graph is chosen when the graph is converted.
        "output": recogniser.source.architecture.get("output", recogniser.output),
        "faces": {"version": VERSION, "count": COUNT, "seed": SEED},
        "format": FORMAT,
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return folder / f"{digest[:32]}{SUFFIX}"


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path | None:
    """Return the folder of the user's cache; None where the user has no home.

    It is that of the environment variable ARCINVERT_CACHE, else `arcinvert` in the system's folder of caches.

    Args:
        environment: The environment's variables.
        platform: The system, as `sys.platform` names it.

    Source: the XDG Base Directory Specification 0.8, and the same folders as the package platformdirs.
    """
    if chosen := environment.get(CACHE_VARIABLE):
        return Path(chosen)
    try:
        if platform == "win32":
            local = environment.get("LOCALAPPDATA")
            base = Path(local) if local else Path.home() / "AppData" / "Local"
        elif platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            xdg = environment.get("XDG_CACHE_HOME", "")
            # The specification ignores relative paths.
            base = Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "arcinvert"


def switched_off() -> bool:
    """Return whether the environment switches the measurement off."""
    return bool(os.environ.get(OFF_VARIABLE))


def _read(path: Path, recogniser: Recogniser) -> MeasuredStatistics | None:
    """Return what a file of the cache has; None if there is none or it is damaged."""
    if not path.is_file():
        return None
    try:
        return find_statistics(recogniser, path)
    except InputError as error:
        _log.warning("measuring again: %s", error)
        return None

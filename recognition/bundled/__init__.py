"""The bundled network: its name and the paths of its files. Imports no torch."""

from pathlib import Path

#: Name of the bundled network, as `--model` takes it.
BUNDLED = "lfw-iresnet18"


def bundled_path() -> Path:
    """Return the path of the bundled network's file."""
    return Path(__file__).with_name(f"{BUNDLED}.safetensors")


def calibration_path() -> Path:
    """Return the path of the bundled network's calibrated thresholds."""
    return Path(__file__).with_name(f"{BUNDLED}.calibration.json")

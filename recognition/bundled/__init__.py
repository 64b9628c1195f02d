"""The bundled networks: their names and the paths of their files. Imports no torch."""

from pathlib import Path

#: The network that commands use by default: a student of a network that learned from millions of faces.
BUNDLED = "lfw-distilled"
#: The network that was trained on LFW's labels alone. It learned from no other network, so that it can judge
#: reconstructions from any network but the bundled ones, and be another attacker's network.
UNDISTILLED = "lfw-iresnet18"
#: Names of all bundled networks, as `--model` takes them.
NETWORKS = (BUNDLED, UNDISTILLED)
#: The file of deformations, by which a face is given a pose and an expression.
_DEFORMATIONS = "deformations.safetensors"
#: The file of the network that makes crops larger pictures.
_UPSAMPLER = "upsampler.safetensors"


def bundled_path(name: str = BUNDLED) -> Path:
    """Return the path of a bundled network's file."""
    return Path(__file__).with_name(f"{name}.safetensors")


def deformations_path() -> Path:
    """Return the path of the file of deformations."""
    return Path(__file__).with_name(_DEFORMATIONS)


def upsampler_path() -> Path:
    """Return the path of the file of the upsampler."""
    return Path(__file__).with_name(_UPSAMPLER)


def calibration_path(name: str = BUNDLED) -> Path:
    """Return the path of a bundled network's calibrated thresholds."""
    return Path(__file__).with_name(f"{name}.calibration.json")

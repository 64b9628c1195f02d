"""The bundled networks: their names and the paths of their files. Imports no torch."""

from pathlib import Path

#: The network that commands use by default: a student of a network that learned from millions of faces.
BUNDLED = "lfw-distilled"
#: The network that was trained on LFW's labels alone. It learned from no other network, so that it can judge
#: reconstructions from any network but the bundled ones, and be another attacker's network.
UNDISTILLED = "lfw-iresnet18"
#: Names of all bundled networks, as `--model` takes them.
NETWORKS = (BUNDLED, UNDISTILLED)
#: The file of the guide, which predicts pose and expression.
_GUIDE = "guide.safetensors"


def bundled_path(name: str = BUNDLED) -> Path:
    """Return the path of a bundled network's file."""
    return Path(__file__).with_name(f"{name}.safetensors")


def guide_path() -> Path:
    """Return the path of the guide's file."""
    return Path(__file__).with_name(_GUIDE)


def calibration_path(name: str = BUNDLED) -> Path:
    """Return the path of a bundled network's calibrated thresholds."""
    return Path(__file__).with_name(f"{name}.calibration.json")

"""The table of readers that are fuzzed: a new one is one row of `READERS`."""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report import read_audit
from arcinvert.knowledge.decoder_file import find_decoder, save_decoder
from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.statistics_file import load_statistics, save_statistics
from arcinvert.subjects.templates import TemplateSubjects
from recognition.backbones import build_backbone
from recognition.backbones.ir_body import BodyIResNet
from recognition.bundled import UNDISTILLED, calibration_path
from recognition.checkpoint import load_notes, save_recogniser
from recognition.config.sources import read_toml
from recognition.data.lists import read_list
from recognition.data.pairs import read_pairs
from recognition.detection.tracking import track
from recognition.images import read_image
from recognition.loading import load
from recognition.loading.centres import read_centres
from recognition.metrics.calibration import read_calibration
from recognition.plots.angles import draw_angles, read_angles
from recognition.plots.curves import draw_cmcs, draw_rocs, read_curve
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source
from recognition.training.log import TrainingLog
from recognition.training.options import TrainingOptions
from recognition.training.skipped import skipped_before
from recognition.training.state import read_state, write_state
from tests.arcinvert.inversion.initialisation.knowledge import random_decoder
from tests.fuzz import images, sets, tables
from tests.fuzz.mutations import (
    Mutation,
    mutate,
    mutate_json,
    mutate_lines,
    mutate_members,
    mutate_png,
    mutate_safetensors,
)
from tests.fuzz.networks import network_bytes, onnx_bytes

_ARCHITECTURE = {"network": "mobilefacenet", "width": 1 / 64, "embedding_size": 2}
_IDENTITY = {"options": {"seed": 0}}
_POINTS = {"name": "tiny", "cmc": [0.5, 0.75, 1.0], "gallery": 40}


@dataclass(frozen=True)
class Reader:
    """A reader and its sound files.

    Args:
        ending: Ending of the files' names.
        seeds: Returns the bytes of sound files, written by the project itself, in a folder to work in.
        read: Reads a file; it must succeed or raise an InputError.
        mutation: Damages a sound file's bytes.
    """

    ending: str
    seeds: Callable[[Path], Sequence[bytes]]
    read: Callable[[Path], Any]
    mutation: Mutation = mutate


def _own(folder: Path) -> Recogniser:
    torch.manual_seed(0)
    recogniser = Recogniser(
        build_backbone("mobilefacenet", width=1 / 64, embedding_size=2).eval(),
        name="tiny",
        centres=torch.eye(2),
        class_names=("Ann Able", "Bob Baker"),
        source=Source(architecture=_ARCHITECTURE),
    )
    save_recogniser(folder / "own.safetensors", recogniser, notes={"split": {"held_out": ["Cat"]}})
    return recogniser


def _own_bytes(folder: Path) -> list[bytes]:
    _own(folder)
    return [(folder / "own.safetensors").read_bytes()]


@functools.cache
def _body() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    options: dict[str, Any] = {"inner_norm": False, "excitation": False, "affine": True}
    return dict(
        BodyIResNet(units=(1, 1, 1, 1), channels=(1, 2, 3, 4), embedding_size=2, **options).state_dict()
    )


def _safetensors_bytes(folder: Path) -> list[bytes]:
    save_file(_body(), folder / "body.safetensors")
    return [(folder / "body.safetensors").read_bytes()]


def _torch_bytes(folder: Path, *, legacy: bool = False) -> list[bytes]:
    found = []
    for content in (_body(), {"state_dict": _body(), "epoch": 3, "name": "tiny"}):
        torch.save(content, folder / "body.pt", _use_new_zipfile_serialization=not legacy)
        found.append((folder / "body.pt").read_bytes())
    return found


def _state_bytes(folder: Path) -> list[bytes]:
    log = TrainingLog()
    log.append({"epoch": 1, "loss": 0.5}, [1, 2, 3])
    write_state(folder / "state.pt", identity=_IDENTITY, content={"backbone": _body(), "log": log.to_json()})
    return [(folder / "state.pt").read_bytes()]


def _read_state(path: Path) -> None:
    read_state(path, identity=_IDENTITY)


def _statistics_bytes(folder: Path) -> list[bytes]:
    recogniser = _own(folder).freeze()
    images = torch.rand(8, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    save_statistics(folder / "s.safetensors", measure(recogniser, [images], pattern=None, keep_faces=True))
    return [(folder / "s.safetensors").read_bytes()]


def _decoded_network() -> Recogniser:
    layers = torch.nn.Sequential(torch.nn.AvgPool2d(28), torch.nn.Flatten(), torch.nn.Linear(48, 4))
    return Recogniser(layers, name="small").freeze()


def _decoder_bytes(folder: Path) -> list[bytes]:
    decoder = random_decoder(4)
    save_decoder(folder / "d.safetensors", decoder, model_sha256="", model_name="small")
    return [(folder / "d.safetensors").read_bytes()]


def _read_decoder(path: Path) -> None:
    decoder = find_decoder(_decoded_network(), path)
    assert decoder is not None
    decoder.decoded(torch.eye(4), 112)


def _npy_bytes(_: Path) -> list[bytes]:
    arrays = (np.eye(2, dtype=np.float32), np.ones((5, 2)), np.ones((2, 2), dtype=np.float16))
    return [tables.saved(rows) for rows in arrays]


def _centres_bytes(folder: Path, *, safetensors: bool) -> list[bytes]:
    rows, found = torch.tensor([[1.0, 2], [3, -4], [-5, 6]]), []
    contents: list[dict[str, Any]] = [{"weight": rows}, {"kernel": rows.T.contiguous()}]
    if not safetensors:
        contents += [{"epoch": 1, "state_dict_backbone": _body(), "state_dict_softmax_fc": {"weight": rows}}]
    for content in contents:
        path = folder / "centres"
        (save_file if safetensors else torch.save)(content, path)
        found.append(path.read_bytes())
    return found


def _centre_archives(folder: Path) -> list[bytes]:
    rows, found = np.array([[1.0, 2], [3, -4], [-5, 6]]), []
    for save in (np.savez, np.savez_compressed):
        save(folder / "centres.npz", centres=rows, names=np.array(["Ann", "Bob", "Cat"]), labels=np.arange(3))
        found.append((folder / "centres.npz").read_bytes())
    return found


def _centre_texts(_: Path) -> list[bytes]:
    tables = [b"# three\n1.0 2\n3 -4\n-5 6e0\n", b"name,0,1\nAnn,1.0,2\nBob,3,-4\n", b"2;1;0\n1;0.5;2\n"]
    lists = [
        b'name,v\nAnn,"[1.0 2\n]"\nBob,[3,-4]\n',
        b"Ann\tAACAPwAAAEA=\nBob\t0000404000008040\n",
        b"2 2\nA 1 2\nB 3 4",
    ]
    objects = [{"Ann": [1.0, 2], "Bob": [3, -4.5]}, {"ids": ["Ann", "Bob"], "weight": [[1.0, 2], [3, 4]]}]
    records = [{"name": "Ann", "v": [1.0, 2]}, {"name": "Bob", "v": "AACAPwAAAEA="}]
    return [*tables, *lists, *(json.dumps(one).encode() for one in (*objects, records, [[1.0, 2], [3, 4]]))]


def _read_centres(path: Path) -> None:
    network: Any = SimpleNamespace(embedding_size=2)
    read_centres(path, network, 2)


def _read_npy(path: Path) -> None:
    network: Any = SimpleNamespace(embedding_size=2)
    list(TemplateSubjects(network.embedding_size, path))
    read_centres(path, network, 2)


def _film_bytes(folder: Path) -> list[bytes]:
    found = []
    for ending, code in ((".mp4", "mp4v"), (".avi", "MJPG")):
        path = folder / f"film{ending}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
        for shade in (0, 128, 255):
            writer.write(np.full((48, 64, 3), shade, dtype=np.uint8))
        writer.release()
        found.append(path.read_bytes())
    return found


def _read_film(path: Path) -> None:
    # The frames have no face, so that nothing is embedded.
    network: Any = None
    track(network, str(path), path.parent / "tracked", threshold=0.5, most_frames=20)


def _list_bytes(folder: Path) -> list[bytes]:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"")
    return [b"file,identity,kept\na.png,Ann,yes\nb.png,Bob,no\nb.png,Cat,yes\n"]


def _pairs_bytes(_: Path) -> list[bytes]:
    rows = ["2\t1", "Ann\t1\t2", "Ann\t1\tBob\t1", "Bob\t1\t2", "Bob\t2\tAnn\t2"]
    return ["\n".join(rows).encode()]


def _read_pairs(path: Path) -> None:
    people = {name: [Path(f"{name}/{name}_{number:04}.png") for number in (1, 2)] for name in ("Ann", "Bob")}
    read_pairs(path, people)


def _toml_bytes(_: Path) -> list[bytes]:
    return [
        b'epochs = 3\nseed = 1\nlearning_rate = 0.1\nnetwork = "iresnet18"\nhead = "arcface"\nscale = 64.0\n'
    ]


def _read_toml(path: Path) -> None:
    TrainingOptions(**read_toml(TrainingOptions, path))


def _calibration_bytes(_: Path) -> list[bytes]:
    content = json.loads(Path(calibration_path(UNDISTILLED)).read_text())
    for name in ("far", "frr", "threshold"):
        content[name] = content[name][:5]
    measured = content | {"preprocessing": vars(Preprocessing())}
    return [json.dumps(content).encode(), json.dumps(measured).encode()]


def _read_calibration(path: Path) -> None:
    digest = json.loads(Path(calibration_path(UNDISTILLED)).read_text())["model"]
    network: Any = SimpleNamespace(name="other", source=Source(sha256=digest), preprocessing=Preprocessing())
    draw_rocs([read_curve(path, "far")])
    read_calibration(network, path)


def _read_cmc(path: Path) -> None:
    draw_cmcs([read_curve(path, "cmc")])


def _read_angles(path: Path) -> None:
    folder = path.parent / "run"
    folder.mkdir(exist_ok=True)
    (folder / "angles.json").write_bytes(path.read_bytes())
    draw_angles(read_angles(folder))


def _skipped_bytes(_: Path) -> list[bytes]:
    return [json.dumps({"before_training": ["Ann/1.png"], "while_training": ["Bob/2.png"]}).encode()]


def _read_own(path: Path) -> None:
    load(path)
    load_notes(path)


def _audit_toml_bytes(_: Path) -> list[bytes]:
    return [b'images = "faces"\nbudget = "quick"\npeople = 3\nfmr = [0.01, 0.001]\n[attack]\nsteps = 5\n']


def _read_audit_toml(path: Path) -> None:
    AuditOptions(**read_toml(AuditOptions, path))


def _audit_json_bytes(_: Path) -> list[bytes]:
    return [(Path(__file__).parents[2] / "app" / "data" / "audit.json").read_bytes()]


def _text_bytes(text: bytes, _: Path) -> list[bytes]:
    return [text]


READERS: dict[str, Reader] = {
    "own": Reader(".safetensors", _own_bytes, _read_own, mutate_safetensors),
    "safetensors": Reader(".safetensors", _safetensors_bytes, load, mutate_safetensors),
    "pt": Reader(".pt", _torch_bytes, load, mutate_members),
    "legacy-pt": Reader(".pth", functools.partial(_torch_bytes, legacy=True), load),
    "networks": Reader(".bin", network_bytes, load, mutate_members),
    "state": Reader(".pt", _state_bytes, _read_state, mutate_members),
    "onnx": Reader(".onnx", onnx_bytes, load),
    "statistics": Reader(".safetensors", _statistics_bytes, load_statistics, mutate_safetensors),
    "decoder": Reader(".safetensors", _decoder_bytes, _read_decoder, mutate_safetensors),
    "centres-pt": Reader(
        ".pt", functools.partial(_centres_bytes, safetensors=False), _read_centres, mutate_members
    ),
    "centres-safetensors": Reader(
        ".safetensors",
        functools.partial(_centres_bytes, safetensors=True),
        _read_centres,
        mutate_safetensors,
    ),
    "centres-npz": Reader(".npz", _centre_archives, _read_centres, mutate_members),
    "centres-text": Reader(".csv", _centre_texts, _read_centres, mutate_lines),
    "npy": Reader(".npy", _npy_bytes, _read_npy),
    "image": Reader(".jpg", images.image_bytes, read_image, mutate_png),
    "film": Reader(".mp4", _film_bytes, _read_film),
    "csv": Reader(".csv", _list_bytes, read_list, mutate_lines),
    "pairs": Reader(".txt", _pairs_bytes, _read_pairs, mutate_lines),
    "toml": Reader(".toml", _toml_bytes, _read_toml, mutate_lines),
    "calibration": Reader(".json", _calibration_bytes, _read_calibration, mutate_json),
    "cmc": Reader(".json", lambda _: [json.dumps(_POINTS).encode()], _read_cmc, mutate_json),
    "angles": Reader(".json", lambda _: [b'{"epochs": [[1, 2, 3], [0, 2, 4]]}'], _read_angles, mutate_json),
    "skipped": Reader(".json", _skipped_bytes, skipped_before, mutate_json),
    "sqlite": Reader(".db", tables.sqlite_bytes, tables.read_table),
    "parquet": Reader(".parquet", tables.parquet_bytes, tables.read_table),
    "text-table": Reader(".csv", tables.text_bytes, tables.read_table, mutate_lines),
    "json-table": Reader(".json", tables.json_bytes, tables.read_table, mutate_json),
    "json-lines": Reader(".jsonl", tables.json_line_bytes, tables.read_table),
    "npz": Reader(".npz", tables.npz_bytes, tables.read_table, mutate_members),
    "faiss": Reader(".faiss", tables.faiss_bytes, tables.read_table),
    "audit-toml": Reader(".toml", _audit_toml_bytes, _read_audit_toml, mutate_lines),
    "audit-json": Reader(".json", _audit_json_bytes, read_audit, mutate_json),
    "records": Reader(".rec", sets.record_bytes, sets.read_records),
    "record-index": Reader(".idx", sets.index_bytes, sets.read_index, mutate_lines),
    "shard": Reader(".tar", sets.shard_bytes, sets.read_all),
    "image-parquet": Reader(".parquet", sets.image_parquet_bytes, sets.read_all),
    "verification-set": Reader(".bin", sets.verification_set_bytes, sets.read_verification_set),
    **{
        name: Reader(".txt", functools.partial(_text_bytes, text), read, mutate_lines)
        for name, (text, read) in sets.TEXTS.items()
    },
}

"""A student made of half of the teacher's own layers, which learns from faces that are only drawn.

    python -m recognition align ../shared/data/lfw/images aligned
    python -m benchmarks.halved --aligned aligned --out runs/halved
    python -m benchmarks.halved --aligned aligned --out runs/halved-quick --steps 50

Whoever holds the weights of a network needs no face to make a smaller one of it. Every second residual unit
of an ONNX file is taken out, which leaves a network that works badly; the rest then learns the whole
network's embeddings of drawn faces (`benchmarks.drawn_faces`: Gaussian ones, and three in ten mosaics), each
of which is seen once. The BatchNorm layers keep the statistics of the teacher, which are those of
photographs.

Unlike the students of `benchmarks.data_free`, which learn from random weights, this one is a copy in part: it
says how little stands between the weights and a smaller network, not what pictures alone give away.

TAR is the true accept rate at a false match rate (FMR) of 0.001 on the bundled network's 600 held-out people,
with a 95 % interval over people. `--tuning` measures on 600 people of its training instead. The student is
written to --out as an ONNX file. What was stopped goes on.

Source: every second layer of a teacher as the start of its student, Sanh et al., DistilBERT,
arXiv:1910.01108.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.data_free import FMR, measured, tar_cell
from benchmarks.drawn_faces import gaussian, mosaic
from benchmarks.judged import run_or_exit
from recognition.errors import InputError
from recognition.export import export_onnx
from recognition.images import atomic_path, resized
from recognition.loading import load
from recognition.recogniser import Recogniser
from recognition.runtime import choose_device
from recognition.seeds import derive_seed
from recognition.training.teacher import distillation_loss

#: Faces of a step, and the share of mosaics.
BATCH, MOSAICS = 64, 0.3
#: The largest learning rate of AdamW, its weight decay, steps until it is reached, and the largest gradient.
RATE, DECAY, WARM_UP, LARGEST = 1e-3, 1e-4, 20, 5.0
#: Steps between states that a stopped training goes on from.
SAVED = 50


def residual_units(model: Any) -> list[tuple[str, str]]:
    """Return the residual units of an ONNX graph, (input, output) each, in the order of the graph.

    A unit adds to its input what it makes of it. Those that change the size of the map have no such addition.

    Args:
        model: An `onnx.ModelProto`.
    """
    producers = {output: node for node in model.graph.node for output in node.output}
    ancestors: dict[str, frozenset[str]] = {}
    units = []
    for node in model.graph.node:
        reached = frozenset[str]().union(
            *(ancestors.get(name, frozenset()) | {name} for name in node.input if name)
        )
        ancestors |= dict.fromkeys(node.output, reached)
        if node.op_type == "Add" and all(name in producers for name in node.input):
            for whole, made in (node.input, node.input[::-1]):
                if whole in ancestors[made]:
                    units.append((whole, node.output[0]))
    return units


def without(model: Any, units: list[tuple[str, str]]) -> Any:
    """Return an ONNX graph without some residual units, whose inputs take the place of their outputs.

    Args:
        model: An `onnx.ModelProto`, which is changed.
        units: Some of `residual_units`.
    """
    from onnx.utils import Extractor

    outputs = [value.name for value in model.graph.output]
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in weights]
    replaced: dict[str, str] = {}
    for whole, output in units:
        replaced[output] = replaced.get(whole, whole)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = replaced.get(name, name)
    found = Extractor(model).extract_model(inputs, outputs)
    found.metadata_props.extend(model.metadata_props)
    return found


def halved(path: Path, out: Path) -> int:
    """Write an ONNX file without every second residual unit of another, and return how many it lacks.

    Raises:
        InputError: If the file has fewer than two residual units, or cannot be read.
    """
    import onnx

    try:
        model = onnx.load(path)
    except Exception as error:
        raise InputError(f"{path}: expected an ONNX file, got another ({type(error).__name__})") from None
    units = residual_units(model)[1::2]
    if not units:
        raise InputError(f"{path}: expected two residual units or more, got fewer; use another --teacher")
    with atomic_path(out) as temporary:
        onnx.save(without(model, units), temporary)
    return len(units)


def drawn(step: int, size: int, seed: int) -> Tensor:
    """Return the faces of a step, (64, 3, size, size) in [0, 1]; those of two steps differ."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "halved", step))
    faces = torch.cat(
        [mosaic(round(MOSAICS * BATCH), generator), gaussian(BATCH - round(MOSAICS * BATCH), generator)]
    )
    return resized(faces, size)


def learn(student: Recogniser, teacher: Recogniser, steps: int, state: Path, seed: int) -> float:
    """Train a student on the teacher's embeddings of drawn faces, and return the seconds of all runs.

    Args:
        student: The student, whose weights change; it stays in evaluation mode.
        teacher: The teacher, of the same input size.
        steps: The number of steps.
        state: The file that a stopped training goes on from.
        seed: The seed of the faces.

    Raises:
        InputError: If the file is of another training.
    """
    weights = [weight.requires_grad_() for weight in student.backbone.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    first, seconds, of = 0, 0.0, f"{teacher.source.sha256} {seed}"
    if state.exists():
        found = torch.load(state, weights_only=True)
        if found["steps"] != steps:
            raise InputError(f"{state}: expected a training of {steps} steps, got {found['steps']}")
        if found["of"] != of:
            raise InputError(
                f"{state}: expected a training of this teacher and seed, got another; choose --out"
            )
        student.backbone.load_state_dict(found["student"])
        optimiser.load_state_dict(found["optimiser"])
        first, seconds = found["step"], found["seconds"]
    start = time.monotonic()
    for step in tqdm(range(first, steps), initial=first, total=steps, unit="step"):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARM_UP) * (1 - step / steps)
        faces = drawn(step, teacher.input_size, seed).to(teacher.device)
        with torch.no_grad():
            wanted = F.normalize(teacher(faces))
        optimiser.zero_grad()
        distillation_loss(student(faces), wanted).backward()
        nn.utils.clip_grad_norm_(weights, LARGEST)
        optimiser.step()
        if (step + 1) % SAVED == 0 or step + 1 == steps:
            saved = {
                "student": student.backbone.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step + 1,
                "steps": steps,
                "of": of,
                "seconds": seconds + time.monotonic() - start,
            }
            with atomic_path(state) as temporary:
                torch.save(saved, temporary)
    return seconds + time.monotonic() - start


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the student and the state")
    parser.add_argument(
        "--teacher",
        type=Path,
        default=Path("../shared/models/mobilefacenet_y1.onnx"),
        help="an ONNX file (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, default=600, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the faces (default: 0)")
    parser.add_argument("--tuning", action="store_true", help="measure on people that settings are tuned on")
    parser.add_argument("--device", default="auto", help="the device (default: auto)")
    run_or_exit(run, parser)


def run(given: argparse.Namespace) -> None:
    """Halve the teacher, train the rest, and print the table.

    Raises:
        InputError: If the faces, the teacher or the device cannot be used.
    """
    given.out.mkdir(parents=True, exist_ok=True)
    device = choose_device(given.device)
    teacher = load(given.teacher).to(device)
    lacking = halved(given.teacher, given.out / "halved.onnx")
    student = load(given.out / "halved.onnx").to(device)
    rows = [("the teacher", teacher, measured(teacher, given.aligned, tuning=given.tuning), "-")]
    before = measured(student, given.aligned, tuning=given.tuning)
    rows.append((f"without {lacking} units", student, before, "0"))
    seconds = learn(student, teacher, given.steps, given.out / "state.pt", given.seed)
    export_onnx(student, given.out / "student.onnx")
    after = measured(student, given.aligned, tuning=given.tuning)
    name = f"... after {given.steps * BATCH:,} drawn faces"
    rows.append((name, student, after, f"{seconds:.0f}"))
    whole = rows[0][2][f"tar_at_fmr_{FMR:g}"]
    print(f"| network | parameters | TAR at FMR {FMR:g} | of the teacher's | EER | training, s |")
    print("|---|---|---|---|---|---|")
    for name, recogniser, figures, cost in rows:
        size = sum(weight.numel() for weight in recogniser.parameters())
        share = figures[f"tar_at_fmr_{FMR:g}"] / whole
        print(f"| {name} | {size:,} | {tar_cell(figures)} | {share:.2f} | {figures['eer']:.3f} | {cost} |")


if __name__ == "__main__":
    main()

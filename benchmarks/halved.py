"""A student of half of the teacher's layers, which learns from faces that are only drawn, or from others.

    python -m recognition align ../shared/data/lfw/images aligned
    python -m benchmarks.halved --aligned aligned --out runs/halved
    python -m benchmarks.halved --aligned aligned --out runs/halved-quick --steps 50
    python -m benchmarks.halved --aligned aligned --out runs/halved-random --random-weights \\
        --steps 10000 --batch-size 8

Whoever holds the weights of a network needs no face to make a smaller one of it. Every second residual unit
of an ONNX file is taken out, which leaves a network that works badly; the rest then learns the whole
network's embeddings of drawn faces (`benchmarks.drawn_faces`: Gaussian ones, and three in ten mosaics), each
of which is seen once. The BatchNorm layers keep the statistics of the teacher, which are those of
photographs.

Unlike the students of `benchmarks.data_free`, which learn from random weights, this one is a copy in part: it
says how little stands between the weights and a smaller network, not what pictures alone give away.

With `--random-weights` the student has the shapes of these layers and none of their weights, nor statistics.
It first learns part by part, each from the teacher's own maps before and after it, all at once; then as a
whole, with the maps as a second aim. So it needs the teacher's inner values, but takes over none of its
weights (see `benchmarks.halved_random`). With `--images noise` the student learns from noise, so that of
faces nothing is known but what is in the weights. With `--images photographs` it learns from those of the
bundled network's training people, without their names: half of the images are photographs and half are
mixtures of two (`benchmarks.mixed_faces`), each changed a little at random before the teacher sees it.

TAR is the true accept rate at a false match rate (FMR) of 0.001 on the bundled network's 600 held-out people,
with a 95 % interval over people. `--tuning` measures on 600 people of its training instead. The student is
written to --out as an ONNX file. What was stopped goes on.

Source: every second layer of a teacher as the start of its student, Sanh et al., DistilBERT,
arXiv:1910.01108.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.data_free import FMR, TUNING, measured, tar_cell
from benchmarks.drawn_faces import gaussian, mosaic, noise
from benchmarks.halved_random import ALONE, ALONE_RATE, Parts, redraw
from benchmarks.judged import run_or_exit
from benchmarks.mixed_faces import mixture
from benchmarks.people import tuning_people
from recognition.checkpoint import load_notes
from recognition.data.dataset import augmentation
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.export import export_onnx
from recognition.images import atomic_path, resized, to_tensor
from recognition.loading import bundled_path, load
from recognition.recogniser import Recogniser
from recognition.runtime import choose_device, keep_freed_memory
from recognition.seeds import derive_seed
from recognition.training.teacher import distillation_loss

#: The share of mosaics.
MOSAICS = 0.3
#: The largest learning rate of AdamW, its weight decay, steps until it is reached, and the largest gradient.
RATE, DECAY, WARM_UP, LARGEST = 1e-3, 1e-4, 20, 5.0
#: Faces between states that a stopped training goes on from.
SAVED = 3200


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


def halved(path: Path, out: Path) -> tuple[int, dict[str, str]]:
    """Write an ONNX file without every second residual unit of another.

    Returns:
        How many units it lacks; and which value of the teacher each of its values stands for, before the
        first and behind every residual unit of a size of map.

    Raises:
        InputError: If the file has fewer than two residual units, or cannot be read.
    """
    import onnx

    try:
        model = onnx.load(path)
    except Exception as error:
        raise InputError(f"{path}: expected an ONNX file, got another ({type(error).__name__})") from None
    units = residual_units(model)
    kept, dropped = units[0::2], units[1::2]
    if not dropped:
        raise InputError(f"{path}: expected two residual units or more, got fewer; use another --teacher")
    same = {name: name for unit in kept for name in unit}
    for whole, output in dropped:
        # What follows a unit that was taken out reads that unit's input, in place of its output.
        same.pop(output, None)
        same[whole] = output
    with atomic_path(out) as temporary:
        onnx.save(without(model, dropped), temporary)
    return len(dropped), same


def drawn(step: int, count: int, size: int, seed: int) -> Tensor:
    """Return the drawn faces of a step, (count, 3, size, size) in [0, 1]; those of two steps differ.

    Args:
        step: The step.
        count: The number of images.
        size: The side of the images.
        seed: The seed.
    """
    generator = _generator(step, seed)
    mosaics = round(MOSAICS * count)
    faces = torch.cat([mosaic(mosaics, generator), gaussian(count - mosaics, generator)])
    return resized(faces, size)


def noisy(step: int, count: int, size: int, seed: int) -> Tensor:
    """Return images of noise; see `drawn`."""
    return resized(noise(count, _generator(step, seed)), size)


def photographed(paths: Sequence[Path]) -> Callable[[int, int, int, int], Tensor]:
    """Return a function like `drawn` of photographs, and as many mixtures of two, changed a little at random.

    Args:
        paths: Aligned photographs, in a folder for each person; at least two people.
    """
    change = augmentation("mild")

    def images(step: int, count: int, size: int, seed: int) -> Tensor:
        of_step = derive_seed(seed, "halved", step)
        generator = np.random.default_rng(of_step)
        mixed = [to_tensor(mixture(paths, generator)) for _ in range(count // 2)]
        whole = [paths[place] for place in generator.integers(len(paths), size=count - len(mixed))]
        faces = [*(to_tensor(read_face(path, aligned=True)) for path in whole), *mixed]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(of_step)
            return resized(torch.stack([change(face) for face in faces]), size)

    return images


def _generator(step: int, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, "halved", step))


class Images(NamedTuple):
    """What a student learns from.

    Args:
        name: What the images are, in words.
        of: Returns the images of a step; see `drawn`.
    """

    name: str
    of: Callable[[int, int, int, int], Tensor]


def images_of(kind: str, aligned: Path, *, tuning: bool) -> Images:
    """Return what a student learns from.

    Args:
        kind: `drawn`, `noise` or `photographs`.
        aligned: Aligned LFW.
        tuning: Whether photographs of those whom `--tuning` measures on are left out.

    Raises:
        InputError: If there are no photographs of two people.
    """
    if kind == "drawn":
        return Images("drawn faces", drawn)
    if kind == "noise":
        return Images("images of noise", noisy)
    folders, held_out = read_folders(aligned), load_notes(bundled_path())["split"]["held_out"]
    left_out = {*held_out, *(tuning_people(folders, held_out)[:TUNING] if tuning else ())}
    paths = [path for name in sorted(set(folders) - left_out) for path in folders[name]]
    if len({path.parent for path in paths}) < 2:
        raise InputError(
            f"{aligned}: expected photographs of two people or more, found fewer; check --aligned"
        )
    return Images("views of photographs", photographed(paths))


def learn(
    student: Recogniser,
    teacher: Recogniser,
    images: Images,
    steps: int,
    state: Path,
    seed: int,
    parts: Parts | None = None,
    *,
    batch_size: int = 64,
) -> float:
    """Train a student on the teacher's embeddings of images, and return the seconds of all runs.

    Args:
        student: The student, whose weights change; it ends in evaluation mode.
        teacher: The teacher, of the same input size.
        images: What it learns from.
        steps: The number of steps.
        state: The file that a stopped training goes on from.
        seed: The seed of the faces.
        parts: What a student of random weights learns besides; None is one with the teacher's.
        batch_size: The number of images of a step.

    Raises:
        InputError: If the file is of another training.
    """
    weights = [weight.requires_grad_() for weight in student.backbone.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    first, seconds = 0, 0.0
    kind = "" if parts is None else "random weights, "
    of = f"{teacher.source.sha256} {seed} {batch_size} {kind}{images.name}"
    if state.exists():
        found = torch.load(state, weights_only=True)
        if found["steps"] != steps:
            raise InputError(f"{state}: expected a training of {steps} steps, got {found['steps']}")
        if found["of"] != of:
            raise InputError(
                f"{state}: expected a training of this teacher, seed and options, got another; choose --out"
            )
        student.backbone.load_state_dict(found["student"])
        optimiser.load_state_dict(found["optimiser"])
        first, seconds = found["step"], found["seconds"]
    apart = 0 if parts is None else round(ALONE * steps)
    start = time.monotonic()
    for step in tqdm(range(first, steps), initial=first, total=steps, unit="step"):
        begin, end, largest = (0, apart, ALONE_RATE) if step < apart else (apart, steps, RATE)
        for group in optimiser.param_groups:
            group["lr"] = (
                largest * min(1, (step - begin + 1) / WARM_UP) * (1 - (step - begin) / (end - begin))
            )
        seen = images.of(step, batch_size, teacher.input_size, seed).to(teacher.device)
        optimiser.zero_grad()
        if parts is None:
            with torch.no_grad():
                wanted = F.normalize(teacher(seen))
            loss = distillation_loss(student(seen), wanted)
        else:
            loss = parts.alone(seen) if step < apart else parts.together(seen)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, LARGEST)
        optimiser.step()
        if (step + 1) % max(1, SAVED // batch_size) == 0 or step + 1 == steps:
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
    student.eval()
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
    parser.add_argument("--batch-size", type=int, default=64, help="images of a step (default: %(default)s)")
    parser.add_argument(
        "--random-weights", action="store_true", help="draw the student's weights anew before it learns"
    )
    parser.add_argument(
        "--images",
        choices=("drawn", "noise", "photographs"),
        default="drawn",
        help="what the student sees: drawn faces, noise, or photographs of LFW's people without names "
        "(default: drawn)",
    )
    parser.add_argument("--seed", type=int, default=0, help="the seed of images and weights (default: 0)")
    parser.add_argument("--tuning", action="store_true", help="measure on people that settings are tuned on")
    parser.add_argument("--device", default="auto", help="the device (default: auto)")
    run_or_exit(run, parser)


def run(given: argparse.Namespace) -> None:
    """Halve the teacher, train the rest, and print the table.

    Raises:
        InputError: If the faces, the teacher or the device cannot be used, or a step has one image alone.
    """
    if given.batch_size < 2:
        raise InputError(f"batch-size: expected at least 2, got {given.batch_size}")
    keep_freed_memory()
    images = images_of(given.images, given.aligned, tuning=given.tuning)
    given.out.mkdir(parents=True, exist_ok=True)
    device = choose_device(given.device)
    teacher = load(given.teacher).to(device)
    lacking, same = halved(given.teacher, given.out / "halved.onnx")
    student = load(given.out / "halved.onnx").to(device)
    parts = None
    if given.random_weights:
        redraw(student, given.seed)
        parts = Parts(student, teacher, same)
    rows = [("the teacher", teacher, measured(teacher, given.aligned, tuning=given.tuning), "-")]
    before = measured(student, given.aligned, tuning=given.tuning)
    title = "random weights" if given.random_weights else f"without {lacking} units"
    rows.append((title, student, before, "0"))
    seconds = learn(
        student,
        teacher,
        images,
        given.steps,
        given.out / "state.pt",
        given.seed,
        parts,
        batch_size=given.batch_size,
    )
    export_onnx(student, given.out / "student.onnx")
    after = measured(student, given.aligned, tuning=given.tuning)
    name = f"... after {given.steps * given.batch_size:,} {images.name}"
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

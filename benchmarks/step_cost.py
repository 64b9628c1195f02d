"""What a whole step of an attack costs, in steps of a bare forward pass and gradient of the images.

    python -m benchmarks.step_cost --model ../shared/models/mobilefacenet_y1.onnx

A step is the attack's own, with the default options: parametrisation, augmentation, network, all penalties,
optimiser. A bare step is the network of the same file, batch and precision in plain PyTorch, its weights
frozen: embeddings, cosine to a template, gradient of the images. The second kind of bare step also has the
attack's own backward passes of PReLU and BatchNorm (arcinvert/inversion/input_gradients.py). The three
alternate in one process, step by step, so that whatever else the machine does affects all alike. On a CPU the
process's own seconds are counted.
"""

import argparse
import contextlib
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert import Attacker, AttackOptions, Step
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.input_gradients import input_gradients
from arcinvert.subjects import Subject
from benchmarks.judged import run_or_exit
from benchmarks.recipes import penalties
from recognition.config import add_arguments, kinds
from recognition.loading import BUNDLED, load
from recognition.recogniser import Recogniser
from recognition.runtime import synchronise

#: The first steps allocate memory, and are not counted.
UNCOUNTED = 2
BARE = ("bare", "bare, input gradients")


def bare_step(recogniser: Recogniser, images: Tensor, templates: Tensor, dtype: torch.dtype) -> None:
    """Embed images, and compute the gradient of their distance to the templates."""
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        embeddings = recogniser(images)
    torch.autograd.grad((1 - (embeddings * templates).sum(1)).mean(), images)


def seconds(device: torch.device) -> float:
    """Return the process's seconds on a CPU; else the clock's, once the device's queue is empty."""
    if device.type == "cpu":
        return time.process_time()
    synchronise(device)
    return time.monotonic()


class Turns:
    """A callback of an attack that makes the bare steps after each of the attack's.

    Args:
        attacker: The attacker.
        recogniser: Its network loaded once more, since an attack changes layers of the one that it works on.
        templates: Shape (batch, dim), unit norm, on the attacker's device.
    """

    def __init__(self, attacker: Attacker, recogniser: Recogniser, templates: Tensor) -> None:
        self._recogniser = recogniser
        self._device, self._dtype, self._templates = attacker.device, attacker.dtype, templates
        size = recogniser.input_size
        images = torch.rand(len(templates), 3, size, size, generator=torch.Generator().manual_seed(0))
        images = images.to(attacker.device).contiguous(memory_format=torch.channels_last)
        self._images = images.requires_grad_()
        self.times: dict[str, list[float]] = {name: [] for name in (*BARE, "attack")}
        self._start = 0.0

    def __call__(self, step: Step) -> None:
        taken = seconds(self._device) - self._start
        if counted := step.number > UNCOUNTED:
            self.times["attack"].append(taken)
        for name in BARE:
            own = input_gradients(self._recogniser) if name != BARE[0] else contextlib.nullcontext()
            with own:
                start = seconds(self._device)
                bare_step(self._recogniser, self._images, self._templates, self._dtype)
                taken = seconds(self._device) - start
            if counted:
                self.times[name].append(taken)
        self._start = seconds(self._device)


def main() -> None:
    """Parse the command line and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default=BUNDLED, help="the network to attack (default: %(default)s)")
    parser.add_argument(
        "--batch-size", type=int, default=16, help="the images of a step (default: %(default)s)"
    )
    parser.add_argument(
        "--turns", type=int, default=15, help="the measurements of each kind (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="the device (default: cpu)")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=["auto", "float32", "bfloat16"],
        help="the floating-point type, as of an attack (default: auto)",
    )
    parser.add_argument("--statistics", metavar="FILE", help="the file of 'arcinvert calibrate'")
    add_arguments(parser, AttackOptions, exclude=kinds(AttackOptions).keys() - {"penalty"})
    run_or_exit(compare, parser)


def compare(given: argparse.Namespace) -> None:
    """Alternate the three kinds of steps, and print their medians.

    Raises:
        InputError: If the network cannot be loaded, or an option does not suit it.
    """
    attacker = Attacker(
        given.model, device=given.device, precision=given.precision, statistics=given.statistics
    )
    plan = attacker.plan(
        "template",
        steps=given.turns + UNCOUNTED,
        restarts=1,
        batch_size=given.batch_size,
        penalty=penalties(given),
    )
    dim = attacker.recogniser.embedding_size
    templates = F.normalize(torch.randn(given.batch_size, dim, generator=torch.Generator().manual_seed(0)))
    recogniser = load(given.model).to(attacker.device)
    turns = Turns(attacker, recogniser, templates.to(attacker.device))
    subjects = [Subject(str(index), None, one, Reference()) for index, one in enumerate(templates)]
    attacker.reconstruct(subjects, plan, on_step=turns)
    print(
        f"{recogniser.name}, {given.batch_size} images a step, {attacker.device}, {attacker.dtype}, "
        f"{torch.get_num_threads()} threads, n = {given.turns}"
    )
    medians = {name: statistics.median(taken) for name, taken in turns.times.items()}
    for name, taken in turns.times.items():
        against = ", ".join(
            f"{statistics.median(ratios):.2f} steps of '{bare}' ({min(ratios):.2f} to {max(ratios):.2f})"
            for bare in BARE
            for ratios in [[one / other for one, other in zip(taken, turns.times[bare], strict=True)]]
        )
        print(f"{name}: {medians[name]:.3f} s; {against}")


if __name__ == "__main__":
    main()

"""What a whole step of an attack costs, in steps of a bare forward pass and gradient of the images.

    python -m benchmarks.step_cost --model ../shared/models/mobilefacenet_y1.onnx

A step is the attack's own, with the options' defaults: parametrisation, views, network, all priors,
optimiser. A bare step is the network of the same file, batch and precision in plain PyTorch, its weights
frozen: embeddings, cosine to a template, gradient to the images. The second kind of bare step has the
attack's own backward passes of PReLU and BatchNorm (arcinvert/frozen.py) besides. The three alternate in
one process, step by step, so that whatever else the machine does hits all alike; of a CPU the process's
own seconds are counted.
"""

import argparse
import contextlib
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.attack import Attack
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.input_gradients import input_gradients
from arcinvert.inversion.result import Step
from arcinvert.options import AttackOptions
from arcinvert.subjects import Subject, embedding_size
from recognition.loading import BUNDLED, load
from recognition.recogniser import Recogniser
from recognition.runtime import keep_freed_memory


def bare_step(recogniser: Recogniser, images: Tensor, templates: Tensor, dtype: torch.dtype) -> None:
    """Embeddings of the images, and the gradient of their distance to the templates."""
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        embeddings = recogniser(images)
    torch.autograd.grad((1 - (embeddings * templates).sum(1)).mean(), images)


def seconds(device: torch.device) -> float:
    """Of this process on a CPU; else of the clock, once the device's queue is empty."""
    if device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.monotonic()


class Turns:
    """Hears of an attack's steps; after each it makes the bare ones."""

    def __init__(self, attack: Attack, model: str, templates: Tensor) -> None:
        # Of its own, for the attack changes layers of the one that it works on.
        self._recogniser = load(model).to(attack.device)
        self._device, self._dtype, self._templates = attack.device, attack.dtype, templates
        size = self._recogniser.input_size
        images = torch.rand(len(templates), 3, size, size, generator=torch.Generator().manual_seed(0))
        images = images.to(attack.device).contiguous(memory_format=torch.channels_last)
        self._images = images.requires_grad_()
        self.times: dict[str, list[float]] = {"bare": [], "bare, frozen layers": [], "attack": []}
        self._begin = 0.0

    def __call__(self, step: Step) -> None:
        taken = seconds(self._device) - self._begin
        # The first steps allocate.
        if counted := step.number > 2:
            self.times["attack"].append(taken)
        for name in ("bare", "bare, frozen layers"):
            own = input_gradients(self._recogniser) if "frozen" in name else contextlib.nullcontext()
            with own:
                begin = seconds(self._device)
                bare_step(self._recogniser, self._images, self._templates, self._dtype)
                taken = seconds(self._device) - begin
            if counted:
                self.times[name].append(taken)
        self._begin = seconds(self._device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=BUNDLED, help="the network to attack")
    parser.add_argument("--batch-size", type=int, default=16, help="images a step")
    parser.add_argument("--turns", type=int, default=15, help="measurements of each")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda", "mps"], help="where")
    parser.add_argument("--precision", default="auto", help="as of an attack")
    parser.add_argument("--prior", default=AttackOptions().prior, help="as of an attack")
    parser.add_argument("--statistics", default="", help="as of an attack")
    given = parser.parse_args()
    keep_freed_memory()
    options = AttackOptions(
        steps=given.turns + 2,
        precision=given.precision,
        prior=given.prior,
        statistics=given.statistics,
    )
    attack = Attack(given.model, given.device, options)
    dim = embedding_size(attack.recogniser)
    templates = F.normalize(torch.randn(given.batch_size, dim, generator=torch.Generator().manual_seed(0)))
    turns = Turns(attack, given.model, templates.to(attack.device))
    batch = [(Subject(str(index), None, one, Reference()), 0) for index, one in enumerate(templates)]
    attack.invert(batch, 0, turns)
    print(
        f"{attack.recogniser.name}, {given.batch_size} images a step, {attack.device}, {attack.dtype}, "
        f"{torch.get_num_threads()} threads, n = {given.turns}"
    )
    medians = {name: statistics.median(taken) for name, taken in turns.times.items()}
    for name, taken in turns.times.items():
        against = ", ".join(
            f"{statistics.median(ratios):.2f} steps of '{bare}' ({min(ratios):.2f} to {max(ratios):.2f})"
            for bare in list(medians)[:2]
            for ratios in [[one / other for one, other in zip(taken, turns.times[bare], strict=True)]]
        )
        print(f"{name}: {medians[name]:.3f} s; {against}")


if __name__ == "__main__":
    main()

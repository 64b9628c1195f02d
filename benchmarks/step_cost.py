"""What the BatchNorm prior adds to a step of an attack, in CPU time.

    python -m benchmarks.step_cost --model ../shared/models/mobilefacenet_y1.onnx

A bare step is a forward pass and the gradient of the images; beside it the same with the prior, and with
the prior by autograd's own derivative of `var_mean`. Medians, turn by turn, of one process.
"""

import argparse
import contextlib
import statistics
import time

import torch
from torch import Tensor

from arcinvert.priors import batchnorm
from arcinvert.targets import CosineTarget
from recognition.loading import BUNDLED, load
from recognition.recogniser import Recogniser
from recognition.runtime import keep_freed_memory


class AutogradMoments:
    """`ChannelMoments` without its own backward pass."""

    @staticmethod
    def apply(activations: Tensor) -> tuple[Tensor, Tensor]:
        variance, mean = torch.var_mean(activations, dim=(0, 2, 3), correction=0)
        return mean, variance


def step_seconds(recogniser: Recogniser, images: Tensor, prior: batchnorm.BatchNormPrior | None) -> float:
    """CPU seconds of one step."""
    begin = time.process_time()
    with prior.listening(recogniser) if prior else contextlib.nullcontext():
        embeddings = recogniser(images)
        loss = CosineTarget(embeddings.detach().roll(1, 0))(embeddings).mean()
        torch.autograd.grad(loss + prior() if prior else loss, images)
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=BUNDLED, help="the network to attack")
    parser.add_argument("--batch-size", type=int, default=16, help="images a step")
    parser.add_argument("--turns", type=int, default=15, help="measurements of each")
    options = parser.parse_args()
    keep_freed_memory()
    recogniser = load(options.model).freeze()
    torch.manual_seed(0)
    size = recogniser.input_size
    images = torch.rand(options.batch_size, 3, size, size).to(memory_format=torch.channels_last)
    images.requires_grad_()
    own = batchnorm.ChannelMoments
    ways = {"bare": None, "with the prior": own, "with the prior, autograd's moments": AutogradMoments}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.turns + 1):
        for name, moments in ways.items():
            batchnorm.ChannelMoments = moments or own  # type: ignore[assignment, misc]
            prior = batchnorm.ScaleFreePrior() if moments else None
            seconds = step_seconds(recogniser, images, prior)
            # The first turn allocates.
            if turn:
                times[name].append(seconds)
    bare = statistics.median(times["bare"])
    for name, measured in times.items():
        ratios = sorted(value / bare for value in measured)
        print(
            f"{name}: {statistics.median(measured):.3f} s of CPU a step of {options.batch_size}, "
            f"{statistics.median(ratios):.2f} bare steps ({ratios[0]:.2f} to {ratios[-1]:.2f}, "
            f"n = {len(ratios)})"
        )


if __name__ == "__main__":
    main()

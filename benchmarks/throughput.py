"""Images per second of training and of embedding, compared with a bare loop and torchvision's ResNet.

    python -m benchmarks.throughput

Training compares `Trainer.step` (schedule, margin head, clipping, angles, check of the loss) with a bare
PyTorch loop of the same network, head and optimiser, on the same batches in memory. The two alternate, so
that a busy machine slows down both, and each result is a median. Embedding compares `embed` with the bare
forward passes. torchvision's ResNet-18 gets the width at which it needs about as many multiplications.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.resnet import BasicBlock, ResNet

from recognition.backbones import build_backbone
from recognition.heads.margins import arcface_logits
from recognition.images import write_png
from recognition.recogniser import embed
from recognition.runtime import keep_freed_memory
from recognition.training.optimiser import CLIP_NORM, MOMENTUM
from recognition.training.options import TrainingOptions
from recognition.training.trainer import Trainer

IDENTITIES = 16


def rates(turns: int, images: int, *runs: Callable[[], object]) -> list[list[float]]:
    """Return the images per second of each run in each turn, after one turn of warm-up.

    Seconds are CPU time of this process, which other programs on the machine hardly affect.
    """
    found: list[list[float]] = [[] for _ in runs]
    for turn in range(turns + 1):
        for index, run in enumerate(runs):
            start = time.process_time()
            run()
            if turn:
                found[index].append(images / (time.process_time() - start))
    return found


def multiplications(network: nn.Module, size: int) -> float:
    """Return the number of multiply-adds of one image's forward pass."""
    network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, size, size))
    network.train()
    return counter.get_total_flops() / 2


def torchvision_like(cost: float, size: int, embedding_size: int) -> nn.Module:
    """Return torchvision's ResNet-18 of the width whose number of multiply-adds is nearest to `cost`."""

    def build(width: int) -> ResNet:
        network = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=embedding_size, width_per_group=64)
        # Its width is fixed: the same layers, of fewer or more channels.
        network.inplanes = width
        network.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        network.bn1 = nn.BatchNorm2d(width)
        for stage in range(4):
            layer = network._make_layer(BasicBlock, width << stage, 2, stride=2 if stage else 1)
            setattr(network, f"layer{stage + 1}", layer)
        network.fc = nn.Linear(width * 8, embedding_size)
        return network

    return min(
        (build(width) for width in range(8, 129, 4)),
        key=lambda network: abs(multiplications(network, size) - cost),
    )


def make_trainer(folder: Path, options: TrainingOptions) -> Trainer:
    """Return a trainer on images of noise."""
    generator = np.random.default_rng(0)
    for identity in range(IDENTITIES):
        (folder / f"{identity:02}").mkdir()
        for number in range(max(2, options.batch_size // IDENTITIES + 1)):
            noise = generator.integers(0, 256, (112, 112, 3), dtype=np.uint8)
            write_png(folder / f"{identity:02}" / f"{number}.png", noise)
    return Trainer(folder, options, device="cpu", precision="float32")


def bare_step(
    network: nn.Module, weight: Tensor, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> None:
    """Train one step as in a minimal loop: forward pass, ArcFace loss, backward pass, update."""
    embeddings = network((images - 0.5) / 0.5)
    cosines = F.linear(F.normalize(embeddings), F.normalize(weight))
    loss = F.cross_entropy(arcface_logits(cosines, labels, scale=32.0, margin=0.4), labels)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_([*network.parameters(), weight], CLIP_NORM)
    optimiser.step()


def sgd(network: nn.Module, weight: Tensor) -> torch.optim.Optimizer:
    return torch.optim.SGD([*network.parameters(), weight], lr=0.01, momentum=MOMENTUM, weight_decay=5e-4)


def report(name: str, found: list[float], against: list[float] | None = None) -> None:
    line = f"{name}: {statistics.median(found):.1f} images/s"
    if against is not None:
        ratios = [one / other for one, other in zip(found, against, strict=True)]
        line += f", ratio {statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})"
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=float, default=0.25, help="Width of the IResNet-18")
    parser.add_argument("--size", type=int, default=112, help="Side of the images, pixels")
    parser.add_argument("--batch-size", type=int, default=32, help="Number of images per step")
    parser.add_argument("--turns", type=int, default=7, help="Number of times that each is timed")
    options = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    chosen = TrainingOptions(
        width=options.width,
        embedding_size=256,
        batch_size=options.batch_size,
        held_out=0,
        image_size=options.size,
        start_size=options.size,
        learning_rate=0.01,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(Path(folder), chosen)
        images, labels, indices = next(trainer.batches(0))
    trainer.backbone.train()
    architecture = chosen.architecture()
    layout = trainer.modules.layout
    bare = build_backbone(architecture.pop("network"), **architecture).to(memory_format=layout).train()
    weights = [nn.Parameter(torch.randn(IDENTITIES, 256)) for _ in range(2)]
    cost = multiplications(bare, options.size)
    other = torchvision_like(cost, options.size, 256)
    other_cost = multiplications(other, options.size)
    other.to(memory_format=layout).train()
    optimisers = [sgd(bare, weights[0]), sgd(other, weights[1])]
    print(f"IResNet-18 at width {options.width:g}, {options.size} pixels, {cost / 1e6:.1f} M multiply-adds, ")
    print(f"torchvision's ResNet-18 of {other_cost / 1e6:.1f} M; batches of {options.batch_size}, ")
    print(f"{torch.get_num_threads()} threads, images per second of CPU time")
    ours, bares, torchvisions = rates(
        options.turns,
        options.batch_size,
        lambda: trainer.step(0, 0, images, labels, indices),
        lambda: bare_step(bare, weights[0], optimisers[0], images, labels),
        lambda: bare_step(other, weights[1], optimisers[1], images, labels),
    )
    report("training, ours", ours, bares)
    report("training, bare loop", bares)
    report("training, torchvision", torchvisions)
    recogniser = trainer.recogniser().freeze()

    @torch.no_grad()
    def forward(network: nn.Module) -> Tensor:
        one = F.normalize(network((images - 0.5) / 0.5))
        return F.normalize(one + F.normalize(network((images.flip(-1) - 0.5) / 0.5)))

    bare.eval()
    other.eval()
    ours, bares, torchvisions = rates(
        options.turns,
        options.batch_size,
        lambda: embed(recogniser, [images]),
        lambda: forward(bare),
        lambda: forward(other),
    )
    report("embedding (and mirror image), ours", ours, bares)
    report("embedding, bare", bares)
    report("embedding, torchvision", torchvisions)


if __name__ == "__main__":
    main()

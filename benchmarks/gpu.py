"""All that is to be known of attacks on a graphics card, in some minutes.

    python -m benchmarks.gpu --device cuda
    python -m benchmarks.gpu --device cpu --small

The parts are:

- speed: image-steps a second of whole attack steps, as they are and as captured CUDA graphs, beside bare
  passes of the network (forward, and with the gradient of the images), by batch and precision, with the
  memory of the step;
- compile: bare passes through torch.compile(mode="reduce-overhead"), which takes a minute to compile;
- layout: a frozen BatchNorm on maps of each size in both memory layouts;
- choices: the precision, and the batch, that an attack takes by itself;
- repeat: whether two attacks with --deterministic end with the same images, and two without it;
- judged: the attack on classes of the network, judged, in each precision.

A number is the median of its steps. --small makes every part as short as a test.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert import Attacker, Step
from arcinvert.batch_size import images_that_fit
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.graphs import WARM_UP
from arcinvert.precision import faster_dtype
from arcinvert.subjects import Subject
from benchmarks.judged import run_or_exit
from recognition.errors import is_out_of_memory, one_line
from recognition.loading import BUNDLED
from recognition.runtime import choose_device, peak_memory, synchronise

PARTS = ("speed", "compile", "layout", "choices", "repeat", "judged")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PRECISIONS = ("float32", "bfloat16")
#: Channels and side of the maps of an IResNet at full width.
MAPS = ((64, 112), (64, 56), (128, 28), (256, 14), (512, 7))


@dataclass(frozen=True)
class Size:
    """How long the parts take.

    Args:
        batches: The batches of the parts speed and compile.
        seconds: The time of one measurement, besides its first passes.
        passes: The fewest passes of one, and those at its beginning that are not counted.
        steps: The steps of an attack that is timed or repeated.
        classes: The classes of the judged attack.
        judged: Options of the judged attack besides the default.
    """

    batches: tuple[int, ...]
    seconds: float
    passes: int
    steps: int
    classes: int
    judged: dict[str, Any]


WHOLE = Size(BATCHES, 1.0, 5, 40, 64, {})
SMALL = Size((1, 2), 0.0, 1, WARM_UP + 2, 2, {"steps": 2, "restarts": 1})


def median_seconds(call: Callable[[], object], device: torch.device, size: Size) -> float:
    """Return the median time of a call, seconds, once its first calls have been made."""
    times: list[float] = []
    for _ in range(size.passes):
        call()
    synchronise(device)
    begin = time.monotonic()
    while len(times) < size.passes or time.monotonic() - begin < size.seconds:
        start = time.monotonic()
        call()
        synchronise(device)
        times.append(time.monotonic() - start)
    return statistics.median(times)


def attack_seconds(attacker: Attacker, batch: int, size: Size) -> float:
    """Return the median time of a step of the default attack on a batch of templates, seconds."""
    plan = attacker.plan("template", steps=size.steps, restarts=1, batch_size=batch)
    templates = F.normalize(
        torch.randn(batch, attacker.recogniser.embedding_size, generator=torch.Generator().manual_seed(0))
    )
    subjects = [Subject(str(number), None, one, Reference()) for number, one in enumerate(templates)]
    ends: list[float] = []

    def ended(step: Step) -> None:
        synchronise(attacker.device)
        ends.append(time.monotonic())

    attacker.reconstruct(subjects, plan, on_step=ended)
    # The first steps allocate memory, and one of them is the capture.
    counted = ends[min(WARM_UP + 1, len(ends) - 2) :]
    return statistics.median(after - before for before, after in pairwise(counted))


def passes_of(network: Callable[[Tensor], Tensor], images: Tensor, dtype: torch.dtype) -> dict[str, Any]:
    """Return a forward pass and one with the gradient of the images, by their names."""

    def forward() -> Tensor:
        autocast = dtype != torch.float32
        with torch.autocast(images.device.type, dtype) if autocast else nullcontext():
            return network(images)

    def without_gradient() -> None:
        with torch.no_grad():
            forward()

    return {
        "forward": without_gradient,
        "with gradient": lambda: torch.autograd.grad(forward().sum(), images),
    }


def rate(batch: int, measure: Callable[[], float]) -> str:
    """Return image-steps a second as a text, or why there is none."""
    try:
        return f"{batch / measure():,.0f}"
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return "out of memory"


def images_of(attacker: Attacker, batch: int) -> Tensor:
    """Return random images on the attacker's device that want gradients."""
    side = attacker.recogniser.input_size
    images = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    return images.to(attacker.device).contiguous(memory_format=torch.channels_last).requires_grad_()


def table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Print a table in Markdown, row by row as they are measured."""
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    print(flush=True)


class Benchmark:
    """The parts, each of which prints a table or a line.

    Args:
        model: The attacked network.
        device: Where it runs.
        size: How long the parts take.
    """

    def __init__(self, model: str, device: torch.device, size: Size) -> None:
        self._model, self._device, self._size = model, device, size

    def _attacker(self, **options: Any) -> Attacker:
        return Attacker(self._model, device=self._device, **options)

    def speed(self) -> None:
        """Print image-steps a second by batch and precision."""
        heads = ("precision", "batch", "forward", "with gradient", "attack", "attack, graphs", "memory")
        table(heads, self._speeds())

    def _speeds(self) -> Iterator[Sequence[str]]:
        for precision in PRECISIONS:
            attacker = self._attacker(precision=precision)
            graphs = self._attacker(precision=precision, graphs=True) if self._on_card else None
            for batch in self._size.batches:
                images = images_of(attacker, batch)
                rates = [
                    rate(batch, partial(median_seconds, call, self._device, self._size))
                    for call in passes_of(attacker.recogniser, images, attacker.dtype).values()
                ]
                if self._on_card:
                    torch.cuda.reset_peak_memory_stats(self._device)
                rates.append(rate(batch, partial(attack_seconds, attacker, batch, self._size)))
                memory = f"{peak_memory(self._device) / 2**20:,.0f} MiB"
                if graphs is None:
                    rates.append("-")
                else:
                    rates.append(rate(batch, partial(attack_seconds, graphs, batch, self._size)))
                yield precision, str(batch), *rates, memory

    @property
    def _on_card(self) -> bool:
        return self._device.type == "cuda"

    def compile(self) -> None:
        """Print image-steps a second of the compiled network."""
        table(("precision", "batch", "forward", "with gradient"), self._compiled())

    def _compiled(self) -> Iterator[Sequence[str]]:
        batch = self._size.batches[-1] if self._size is SMALL else 64
        for precision in PRECISIONS:
            attacker = self._attacker(precision=precision)
            images = images_of(attacker, batch)
            try:
                network = torch.compile(attacker.recogniser, mode="reduce-overhead")
                rates = [
                    rate(batch, partial(median_seconds, call, self._device, self._size))
                    for call in passes_of(network, images, attacker.dtype).values()
                ]
            except Exception as error:
                # A compiler may be missing, or fail at anything.
                rates = [f"failed: {one_line(error)}", "-"]
            yield precision, str(batch), *rates

    def layout(self) -> None:
        """Print the microseconds of a frozen BatchNorm in both memory layouts."""
        table(("channels", "side", "contiguous, us", "channels_last, us"), self._layouts())

    def _layouts(self) -> Iterator[Sequence[str]]:
        batch = self._size.batches[-1] if self._size is SMALL else 16
        for channels, side in MAPS:
            norm = nn.BatchNorm2d(channels).to(self._device).eval().requires_grad_(False)
            times = []
            for layout in (torch.contiguous_format, torch.channels_last):
                values = torch.zeros(batch, channels, side, side, device=self._device)
                values = values.contiguous(memory_format=layout)
                times.append(median_seconds(partial(norm, values), self._device, self._size))
            yield str(channels), str(side), *(f"{1e6 * one:,.0f}" for one in times)

    def choices(self) -> None:
        """Print what an attack chooses by itself."""
        attacker = self._attacker()
        dtype = faster_dtype(attacker.recogniser)
        print(f"precision chosen: {str(dtype).removeprefix('torch.')}")
        if self._on_card:
            print(f"batch chosen: {images_that_fit(attacker.recogniser, dtype, least=16)}")
        else:
            print(f"batch chosen: {attacker.plan('template').batch_size}, the recipe's")
        print(flush=True)

    def repeat(self) -> None:
        """Print whether two attacks end with the same images, with and without deterministic kernels."""
        for wanted in (True, False):
            attacker, found = self._attacker(deterministic=wanted), []
            plan = attacker.plan("template", steps=self._size.steps, restarts=1, batch_size=4)
            template = F.normalize(
                torch.ones(1, attacker.recogniser.embedding_size)
                + torch.randn(attacker.recogniser.embedding_size, generator=torch.Generator().manual_seed(1))
            )[0]
            for _ in range(2):
                found.append(attacker.reconstruct([Subject("one", None, template, Reference())], plan).images)
            same = "the same" if torch.equal(*found) else "others"
            print(f"deterministic {wanted}: the images of a second attack are {same}")
        print(flush=True)

    def judged(self) -> None:
        """Print the judged figures of the attack on the network's first classes, in each precision."""
        heads = ("precision", "classes", "Type II [95 %]", "floor", "ceiling", "SAR at FMR 0.001 [95 %]")
        table(heads, self._judged())

    def _judged(self) -> Iterator[Sequence[str]]:
        for precision in PRECISIONS:
            attacker = self._attacker(precision=precision)
            summary = attacker.generate(list(range(self._size.classes)), **self._size.judged).summary
            shares = summary["sar"] if summary["kind"] else {}
            share = shares["0.001"]["attack"] if shares else None
            figures = [
                interval(summary.get("similarity")),
                *map(value, map(summary.get, ("floor", "ceiling"))),
            ]
            yield precision, str(summary["identities"]), *figures, interval(share)


def value(figure: dict[str, Any] | None) -> str:
    """Return an estimate's value as a text, - where there is none."""
    return "-" if figure is None else f"{figure['value']:.3f}"


def interval(figure: dict[str, Any] | None) -> str:
    """Return an estimate with its interval as a text, - where there is none."""
    if figure is None or figure.get("low") is None:
        return value(figure)
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def main() -> None:
    """Parse the command line and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default=BUNDLED, help="the network to attack (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="the device (default: auto)")
    parser.add_argument("--small", action="store_true", help="make every part as short as a test")
    parser.add_argument(
        "--parts", nargs="+", default=PARTS, choices=PARTS, metavar="PART", help="the parts (default: all)"
    )
    run_or_exit(run, parser)


def run(given: argparse.Namespace) -> None:
    """Run the parts that were chosen, with a line on the machine first.

    Raises:
        InputError: If the device or the network cannot be used.
    """
    device = choose_device(given.device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"
    print(
        f"{card}, torch {torch.__version__}, {torch.get_num_threads()} threads, {given.model}\n", flush=True
    )
    benchmark = Benchmark(given.model, device, SMALL if given.small else WHOLE)
    for part in given.parts:
        print(f"## {part}\n", flush=True)
        start = time.monotonic()
        getattr(benchmark, part)()
        print(f"{time.monotonic() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()

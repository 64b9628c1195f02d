"""Train a network, from aligned faces to a folder of results."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from recognition.errors import InputError
from recognition.lock import locked
from recognition.options import OnUnreadable, TrainingPrecision
from recognition.runtime import Device
from recognition.training.group import joined
from recognition.training.options import TrainingOptions
from recognition.training.session import MODEL, SKIPPED, STATE, Session
from recognition.training.skipped import skipped_before
from recognition.training.trainer import Trainer


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: TrainingOptions,
    *,
    device: Device = "auto",
    precision: TrainingPrecision = "auto",
    workers: int | None = None,
    keep_images: bool = False,
    stop_after: int | None = None,
    start_from: str | os.PathLike[str] | None = None,
    teacher: str | os.PathLike[str] | None = None,
    compiled: bool = False,
    unlabelled: str | os.PathLike[str] | None = None,
    on_unreadable: OnUnreadable = "skip",
    save_every: int | None = None,
    left_out: Callable[[list[str]], None] = lambda names: None,
) -> Path:
    """Train on aligned faces, or resume the training that left its state in `out`.

    A training resumes only with the same options and data, except for the number of epochs: the schedule
    is then that of the new number. A resumed training gives the results of an uninterrupted one.

    Under torchrun, the ranks train together: a step's images are divided over them, and the result is that of
    one process within the rounding of sums (see `recognition.training.group.joined`). A training may resume
    on another number of ranks.

    The folder `out` gets model.safetensors (after each epoch), log.jsonl (one line per epoch), split.json,
    state.pt, angles.json (histograms of the angles between images and their centres, per epoch),
    TensorBoard events with the loss, the learning rate and the images per second of each step, and
    unreadable.json with the faces that were left out, if any.

    Args:
        data: A folder per identity, or a list (see `recognition.data.sources`).
        out: Folder of the results.
        options: Everything that decides the result.
        device: Where to compute.
        precision: Precision of the network's inner computation.
        workers: Processes of each rank that read images; 0 reads them in the rank's own, and None chooses.
        keep_images: Whether decoded images stay in memory, 37 kB each, in each worker.
        stop_after: Epoch, from 1, after which to stop; a later call resumes.
        start_from: Network whose weights the training begins with (see `warm_start`), instead of random
            ones. If its class centres fit too, the margin has no warm-up.
        teacher: Network whose embeddings the student learns too, weighted by `options.teacher_weight`. Its
            classes' mean embeddings are then the first class centres.
        compiled: Whether torch.compile makes the network's code faster, after a minute of compilation.
        unlabelled: More aligned faces, which the teacher alone labels: a folder and all folders below it, or
            a list. Their identities do not count, and none of them is held out.
        on_unreadable: What happens where a face cannot be read. `skip` leaves out those that a check of all
            files finds before the first epoch, and puts others in the place of those that are found later;
            `stop` ends the training with the state saved last.
        save_every: Steps after which the state is saved within an epoch; None saves at the ends of epochs.
        left_out: Receives the names of the faces that were left out, relative to the data.

    Returns:
        The path of the network.

    Raises:
        InputError: If there is no data, an option is out of range, `start_from` does not fit, `out` holds the
            state of another training, another run writes it, or a loss is not finite.
    """
    if stop_after is not None and stop_after < 1:
        raise InputError(f"stop after: expected an epoch, 1 or later, got {stop_after}")
    if save_every is not None and save_every < 1:
        raise InputError(f"save every: expected a number of steps, 1 or more, got {save_every}")
    out = Path(out)
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(joined(device))
        try:
            # The lock is beside the folder.
            if group.is_main:
                out.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(out))
        except OSError as error:
            raise InputError(f"{out}: cannot be created ({error.strerror}); choose another --out") from None
        trainer = Trainer(
            data,
            options,
            precision=precision,
            workers=workers,
            keep_images=keep_images,
            start_from=start_from,
            teacher=teacher,
            compiled=compiled,
            unlabelled=unlabelled,
            on_unreadable=on_unreadable,
            skipped=skipped_before(out / SKIPPED) if (out / STATE).exists() else None,
            group=group,
        )
        session = Session(trainer, out, save_every=save_every)
        stack.callback(session.close)
        while session.log.finished_epochs < min(options.epochs, stop_after or options.epochs):
            session.train_epoch()
        # No rank ends before all files are written.
        group.wait()
    left_out(trainer.data.skipped.names)
    return out / MODEL

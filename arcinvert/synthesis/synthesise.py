"""Make a synthetic set: identities, pictures batch by batch, and the data card; a killed run goes on."""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcinvert.attacked import network_digest
from arcinvert.attacker import Attacker
from arcinvert.synthesis.batch import MadeBatch, PictureJob, PictureWork
from arcinvert.synthesis.card import SetCard, write_card
from arcinvert.synthesis.identities import choose_spread, draw_identities
from arcinvert.synthesis.judged import judged_people
from arcinvert.synthesis.known import WITHIN, KnownPeople, known_people
from arcinvert.synthesis.options import SynthesisOptions
from arcinvert.synthesis.pictures import PictureNumber, Pictures, plan_pictures
from arcinvert.synthesis.set_folder import TAR_PICTURES, SetFolder
from arcinvert.workers.base import Workers, in_order
from arcinvert.workers.options import Shard
from recognition.config import to_json
from recognition.content import content_digest
from recognition.lock import locked

#: Receives the number of pictures of this part that are done, and of all.
OnPicture = Callable[[int, int], None]


@dataclass(frozen=True)
class Synthesis:
    """What a run did.

    Args:
        card: The content of card.json.
        pictures: The number of pictures that this run made.
        seconds: How long it took for them, without loading and measuring the network.
        interrupted: Whether Ctrl-C stopped it; what was finished is kept.
    """

    card: dict[str, Any]
    pictures: int
    seconds: float
    interrupted: bool


class Batches:
    """How a set is divided: whole identities into batches, batches into blocks, blocks into parts.

    The division follows from the options alone, so that a picture has the same batch in every division into
    parts.

    Args:
        options: The options of the set.
    """

    def __init__(self, options: SynthesisOptions) -> None:
        self._options = options
        self._identities = max(1, options.batch_size // options.per_identity)
        #: The number of batches.
        self.count = math.ceil(options.identities / self._identities)
        pictures = self._identities * options.per_identity
        #: Batches of a block, which one part makes and one tar file has.
        self.block = 1 if options.format == "folder" else math.ceil(TAR_PICTURES / pictures)
        #: Optimisations of a batch, of which each has at most `batch_size` pictures.
        self.optimisations = math.ceil(pictures / options.batch_size)

    def blocks(self, shard: Shard) -> list[int]:
        """Return the numbers of a part's blocks."""
        return list(range(shard.number, math.ceil(self.count / self.block), shard.count))

    def of_block(self, block: int) -> range:
        """Return the numbers of a block's batches."""
        return range(block * self.block, min((block + 1) * self.block, self.count))

    def identities(self, batch: int) -> range:
        """Return the numbers of a batch's identities."""
        begin = batch * self._identities
        return range(begin, min(begin + self._identities, self._options.identities))

    def pictures(self, batches: Sequence[int]) -> list[PictureNumber]:
        """Return the pictures of some batches."""
        return [
            PictureNumber(identity, picture)
            for batch in batches
            for identity in self.identities(batch)
            for picture in range(self._options.per_identity)
        ]


def synthesise(
    attacker: Attacker,
    options: SynthesisOptions,
    out: str | os.PathLike[str],
    *,
    known: str | os.PathLike[str] | None = None,
    shard: Shard | None = None,
    progress: OnPicture = lambda done, total: None,
    left_out: Callable[[Path], None] = lambda photograph: None,
) -> Synthesis:
    """Make a synthetic set, or a part of it, or what an earlier run did not finish of it.

    A picture follows from the options, the network and what is known of faces: parts make the same pictures
    as one run, and a run that was killed and goes on the same as one that was not. The attacker's workers
    compute the batches.

    Args:
        attacker: The network and what is known of faces.
        options: Everything else that decides the pictures.
        out: The folder of the set; parts share it.
        known: Photographs or crops of people whom no identity may resemble, besides class centres and public
            faces.
        shard: The part to make; None makes all.
        progress: Receives every finished batch.
        left_out: Receives each photograph of `known` that is damaged or has no face.

    Raises:
        InputError: If something given cannot be used, too few directions are far enough apart, the folder
            has another set, or another run makes this part.

    Example:
        >>> synthesise(Attacker(), SynthesisOptions(identities=10, per_identity=4), "synthetic")
    """
    part = shard or Shard()
    plan = plan_pictures(attacker, options)
    recogniser, knowledge = attacker.recogniser, attacker.knowledge.at(options.knowledge)
    people = known_people(recogniser, attacker.knowledge, known, left_out)
    judged = judged_people(attacker.judge, recogniser, known) if options.judge else None
    spread = choose_spread(options.spread, recogniser, knowledge)
    within, source = _within(options, people)
    directions = draw_identities(
        spread,
        people.templates,
        options.identities,
        angle=options.angle,
        known_angle=options.known_angle,
        seed=options.seed,
    )
    pictures = Pictures(attacker, options, plan, spread, within)
    decides = {
        "options": to_json(options),
        "network": network_digest(recogniser),
        "knowledge of faces": content_digest(knowledge),
        "known people": content_digest(people),
        "plan": plan.describe(),
    }
    folder = SetFolder(Path(out), decides, options.format)
    card = SetCard(options, plan, attacker, people, judged, directions, spread.source, within, source)
    with locked(folder.path / part.name):
        folder.mend(part)
        folder.save_directions(directions)
        work = PictureWork(pictures, recogniser, directions, people, judged)
        run = _Run(options, folder, part, work, attacker.workers)
        interrupted, begin = False, time.monotonic()
        try:
            run.run(progress)
        except KeyboardInterrupt:
            interrupted = True
        seconds = time.monotonic() - begin
        described = write_card(card, folder)
    return Synthesis(described, run.made, seconds, interrupted)


def _within(options: SynthesisOptions, people: KnownPeople) -> tuple[float, str]:
    """Return the mean angle of targets to their identity, degrees, and where it comes from."""
    if options.within is not None:
        return options.within, "given"
    if people.within is not None:
        return people.within, f"measured on {people.within_photographs} photographs of the people given"
    return WITHIN, "the default"


class _Run:
    """Makes the batches of one part that are not finished, and writes them in their order."""

    def __init__(
        self, options: SynthesisOptions, folder: SetFolder, shard: Shard, work: PictureWork, workers: Workers
    ) -> None:
        self._options, self._folder, self._shard = options, folder, shard
        self._work, self._workers = work, workers
        self._batches = Batches(options)
        #: The number of pictures made.
        self.made = 0

    def run(self, progress: OnPicture) -> None:
        """Make what is not finished; `progress` receives every batch."""
        blocks = self._batches.blocks(self._shard)
        batches = [(block, batch) for block in blocks for batch in self._batches.of_block(block)]
        finished = self._folder.batches()
        missing = {
            batch
            for block, batch in batches
            if not (batch in finished and self._folder.has(self._shard, block, self._pairs([batch])))
        }
        if missing and not self._workers.in_process:
            self._work.pictures.prepare()
        jobs = (self._job(batch) for _, batch in batches if batch in missing)
        made: Iterator[MadeBatch] = in_order(self._workers.map(self._work, jobs))
        total = sum(len(self._batches.pictures(self._batches.of_block(block))) for block in blocks)
        done = 0
        for block in blocks:
            whole = self._batches.of_block(block)
            for batch in whole:
                if batch in missing:
                    self._write(batch, next(made))
                done += len(self._batches.pictures([batch]))
                progress(done, total)
            self._folder.finish_block(self._shard, block, self._pairs(whole))

    def _job(self, batch: int) -> PictureJob:
        first = batch * self._batches.optimisations
        return PictureJob(first, self._options.batch_size, self._batches.pictures([batch]))

    def _write(self, batch: int, made: MadeBatch) -> None:
        """Write a batch, and note it in the journal."""
        for (identity, picture), image in zip(self._pairs([batch]), made.images, strict=True):
            self._folder.write(self._shard, identity, picture, image)
        line = {"batch": batch, "identities": made.measured, "seconds": made.seconds}
        self._folder.append(self._shard, line)
        self.made += len(made.images)

    def _pairs(self, batches: Sequence[int]) -> list[tuple[int, int]]:
        return [(one.identity, one.picture) for one in self._batches.pictures(batches)]

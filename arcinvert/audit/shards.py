"""The work folders of an audit that is done in several runs, such as the jobs of a batch system.

Each shard writes a folder of its own, so that shards need neither wait for each other nor a file system that
all share. Where they do share one, a shard takes the photographs that others have embedded.
"""

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from arcinvert.audit.cache import read_plan
from arcinvert.workers.options import Shard
from recognition.content import changed_parts
from recognition.errors import InputError
from recognition.files import printable, safe_name

_ENDING = re.compile(r"-shard-(\d{1,6})-of-(\d{1,6})-work")


def shard_folder(out: Path, shard: Shard) -> Path:
    """Return the folder of a shard's work, beside the report."""
    return out.with_name(safe_name(out.name, f"-{shard.name}-work"))


def find_shards(out: Path) -> dict[Shard, Path]:
    """Return the folders of the shards of a report that are there."""
    found = {}
    for path in out.parent.iterdir():
        ending = _ENDING.search(path.name)
        if ending is None or not path.is_dir():
            continue
        shard = Shard(int(ending[1]), int(ending[2]))
        if path.name == shard_folder(out, shard).name:
            found[shard] = path
    return found


def other_shards(out: Path, shard: Shard, plan: Mapping[str, Any]) -> Callable[[], Iterable[Path]]:
    """Return a function that returns the folders of other shards of the same work, as they are now.

    Args:
        out: The report's folder.
        shard: The shard that looks for others.
        plan: What decides the work, by part.
    """
    same: set[Path] = set()

    def others() -> Iterable[Path]:
        for one, folder in find_shards(out).items():
            if one == shard or one.count != shard.count:
                continue
            if folder not in same:
                try:
                    if changes(read_plan(folder), plan):
                        continue
                except InputError:
                    # It begins just now.
                    continue
                same.add(folder)
            yield folder

    return others


def changes(plan: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what decides the work of a shard in another way than here, by part; systems may differ."""
    return changed_parts(_anywhere(plan), _anywhere(now))


def _anywhere(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides work, without the name of the system that does it."""
    found: dict[str, Any] = copy.deepcopy(json.loads(json.dumps(plan)))
    found.get("environment", {}).pop("platform", None)
    return found


def checked_shards(out: Path, plan: Mapping[str, Any]) -> list[Path]:
    """Return the folders of all shards of a report.

    Args:
        out: The report's folder.
        plan: What decides the work, by part.

    Raises:
        InputError: If one is missing, or is of other work.
    """
    found = find_shards(out)
    counts = sorted({shard.count for shard in found})
    if len(counts) != 1:
        got = f"those of {' and of '.join(map(str, counts))}" if counts else "none"
        raise InputError(
            f"audit-merge: expected the work of all shards of one division beside {printable(out)}, got "
            f"{got}; run arcinvert audit with --shard 0/N to N-1/N and the same --out first"
        )
    wanted = [Shard(number, counts[0]) for number in range(counts[0])]
    if missing := [str(shard.number) for shard in wanted if shard not in found]:
        raise InputError(
            f"audit-merge: expected the work of shards 0 to {counts[0] - 1} beside {printable(out)}, found "
            f"none of {', '.join(missing)}; run them, or copy their folders there"
        )
    for shard in wanted:
        if changed := changes(read_plan(found[shard]), plan):
            raise InputError(
                f"audit-merge: expected the options and inputs of shard {shard.number}, got another "
                f"{', '.join(changed)}; give those of the shards"
            )
    return [found[shard] for shard in wanted]

"""Which pictures a report shows."""

from typing import Any

from arcinvert.audit.attack import batches
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.pipeline import Pipeline, attack_key
from arcinvert.audit.report.document import Picture
from arcinvert.audit.units import AttackUnit

#: People shown of the most, of the middle and of the least at risk.
_SHOWN = 4


def choose_pictures(
    result: dict[str, Any], pipeline: Pipeline, enrolled: Enrolled, order: list[str]
) -> list[Picture]:
    """Return pictures of the most, the middle and the least at risk, as far as they may be shown.

    Args:
        result: The content of audit.json.
        pipeline: Has the pictures on disk.
        enrolled: Who was attacked.
        order: Their pseudonyms.
    """
    if pipeline.inputs.options.pictures == "hidden":
        return []
    ranked = [entry["pseudonym"] for entry in result["identities"]]
    middle = max(0, len(ranked) // 2 - _SHOWN // 2)
    wanted = dict.fromkeys([*ranked[:_SHOWN], *ranked[middle : middle + _SHOWN], *ranked[-_SHOWN:]])
    rows = {name: index for index, name in enumerate(order)}
    return [_picture(pipeline, enrolled, name, rows[name]) for name in wanted]


def _picture(pipeline: Pipeline, enrolled: Enrolled, pseudonym: str, index: int) -> Picture:
    shown = []
    if pipeline.inputs.options.pictures == "all":
        crops = enrolled.crops(pipeline.cache, index)
        if crops is not None:
            shown = [("photograph", crops[0]), ("another photograph", crops[1])]
    for number, part in enumerate(batches(len(enrolled.names), pipeline.inputs.attack.plan.samples)):
        if part.start <= index < part.stop:
            unit = pipeline.cache.read(attack_key("attack", number), AttackUnit)
            images = () if unit is None or unit.images is None else unit.images[index - part.start]
            shown += [(f"reconstruction {sample + 1}", image) for sample, image in enumerate(images)]
    return Picture(pseudonym, tuple(shown))

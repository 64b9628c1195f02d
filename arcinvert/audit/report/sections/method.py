"""How the audit was done, what it cannot show, and what it takes to repeat it."""

from typing import Any

from arcinvert.audit.report.document import Block, Bullets, Code, Table
from arcinvert.audit.report.text import options_toml
from recognition.metrics.thresholds import FALSE_MATCHES


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section on the method."""
    people = result["people"]
    rows = []
    for judge in result["judges"]:
        overlap = judge["overlap"]["attacked"]
        known = "unknown" if overlap["known"] is None else f"{overlap['known']} of {overlap['of']}"
        rows.append((judge["name"], judge["similarity"], judge["data"], f"{known}: {overlap['why']}"))
    items = [
        "Each photograph is aligned to 112x112 pixels by five points. The attack sees only templates or "
        "class centres; neither judges nor photographs steer it or choose among its results.",
        "A judge's thresholds come from pairs of real photographs of people outside the attack. A false "
        f"match rate (FMR) is refused where fewer than {FALSE_MATCHES} false matches are expected of the "
        "pairs of these people, so that the rate on other people is at most twice the one claimed in 95 of "
        "100 calibrations.",
        "A threshold's interval allows pairs with a person in common to depend on each other, and is part of "
        "the interval of each share accepted at it.",
        "Robustness is measured after JPEG compression at quality 50, Gaussian blur of 1.5 pixels, and a "
        "crop that removes 10 % of each side.",
    ]
    items += people["notes"]
    if people["avoided"]:
        items.append(
            "People whose photographs trained the attacked network or a judge were left out of the "
            f"calibration, and of the attack unless class centres are attacked: {people['avoided']:,}."
        )
    if people["skipped"]:
        items.append(
            "Photographs skipped as unreadable or without a face, and rows of the database without a usable "
            f"template: {len(people['skipped']):,}."
        )
    table: list[Block] = []
    if rows:
        header = ("judge", "similarity", "trained on", "attacked people among them")
        table.append(Table("Judges", header, tuple(rows)))
    return [*table, Bullets(tuple(items))]


def limits(result: dict[str, Any]) -> list[Block]:
    """Return the section on limits."""
    items = [
        "This is one attack of one strength: a stronger one, such as a learned inverter or a generative "
        "prior, may do better. A low figure does not prove safety.",
        "The judges stand for recognisers that an impostor would face. Others may accept more or less, and "
        "none of them checks for liveness.",
        "The figures hold for people like those attacked here.",
    ]
    if result["defences"]:
        items.append(
            "Each defence is attacked by the strongest estimate known here, which the table of defences "
            "names; an attack that is not known here may do better."
        )
    if result["faces"]["distribution"] is not None:
        items.append(
            "Fréchet distances of few images are biased upwards: compare them with the one between real "
            "photographs."
        )
    return [Bullets(tuple(items))]


def reproducibility(result: dict[str, Any]) -> list[Block]:
    """Return the section on how to repeat the audit."""
    facts = result["reproducibility"]
    network, plan = facts["attacked"], facts["plan"]
    environment = ", ".join(f"{key} {value}" for key, value in facts["environment"].items())
    libraries = ", ".join(f"{name} {number}" for name, number in facts["libraries"].items())
    hashes = [f"{judge['name']}: {judge['sha256']}" for judge in result["judges"] if judge["sha256"]]
    items = (
        f"Attacked: {network['name']}, SHA-256 {network['sha256']}, {network['dimensions']} dimensions.",
        *(f"Judge, SHA-256 of {line}." for line in hashes),
        f"Attack: recipe {plan['recipe']}, loss {plan['loss']}, initialisation {plan['initialisation']}, "
        f"parametrisation {plan['parametrisation']}, seed {plan['seed']}.",
        f"Environment: {environment}.",
        f"Libraries: {libraries}.",
        "The same options on the same photographs, machine and libraries give the same figures: write the "
        "lines below to audit.toml, with paths in place of the names of files and folders, and run: "
        "arcinvert audit --config audit.toml --out DIR",
    )
    return [Bullets(items), Code(options_toml(facts["options"]))]

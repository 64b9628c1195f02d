"""The words of a synthetic set's data card."""

from typing import Any

_USE = """## Use

The faces are of nobody: no identity was drawn as a person's, and the section on privacy says how far
identities are from the people that were checked. It cannot speak of people who were not checked: a face
may resemble somebody. Do not present a picture as a photograph of a person, do not enrol or log in with
it, and do not use the set to identify people. What the network learned, from its own training
photographs and with their errors and their uneven share of sexes, ages and skin tones, is in these
faces; so are the limits on use of the network and of the faces that it was measured on. A student that
is trained on this set inherits both.
"""


def card_text(card: dict[str, Any]) -> str:
    """Return README.md of a synthetic set, Markdown.

    Args:
        card: The content of card.json.
    """
    made, options = card["made_of"], card["options"]
    state = "" if card["complete"] else f" of {options['identities']:,}; the set is not finished"
    lines = [
        "# Synthetic faces",
        "",
        f"{card['pictures']:,} pictures of {card['identities']:,} identities{state}. All figures of this "
        "page, and every option and version, are in `card.json`.",
        "",
        *(["![The first identities, a row each](overview.png)", ""] if card["pictures"] else []),
        "## How it was made",
        "",
        f"By inversion of the face recognition network {made['network']['name']} (SHA-256 "
        f"`{made['network']['sha256'] or 'none'}`), with `arcinvert synthesise`. An identity is a random "
        "direction of the network's embedding space, drawn by the mean and covariance of "
        f"{_whose(made['spread'])}. A picture is an aligned face, 112x112 pixels, that was optimised so that "
        f"the network's template of it is near a target, {made['within']['degrees']:g} degrees from the "
        f"identity on average ({made['within']['source']}). Start face, target, light, position and "
        f"mirroring are random within an identity. Optimiser steps: {card['plan']['steps']}; seed: "
        f"{options['seed']}.",
        "",
        "## What it is made of",
        "",
        "| what | from |",
        "|---|---|",
        f"| network | {made['network']['name']} |",
        *(f"| {name.replace('_', ' ')} | {source} |" for name, source in made["knowledge"].items()),
        "",
        *_identities(card),
        *_privacy(card["privacy"]),
        *_judged(card["judged"]),
        _USE,
    ]
    return "\n".join(lines)


def _whose(spread: str) -> str:
    return "no templates: equally in all directions" if spread == "isotropic" else f"{spread}"


def _identities(card: dict[str, Any]) -> list[str]:
    apart, found = card["identities_apart"], card["pictures_of_identities"]
    lines = [
        "## Identities and pictures",
        "",
        f"No two identities are nearer than {apart['smallest']:g} degrees (stated: "
        f"{apart['stated_angle']:g}).",
    ]
    if found is not None:
        angles, own = found["angle_to_identity"], found["nearest_to_own_identity"]
        lines[-1] += (
            f" The network's template of a picture is {angles['mean']:g} degrees from its identity on "
            f"average, and {_share(own)} of the pictures are nearer to their own identity than to any other."
        )
    return [*lines, ""]


def _privacy(privacy: dict[str, Any] | None) -> list[str]:
    lines = ["## Privacy", ""]
    if privacy is None:
        return [
            *lines,
            "No known people were checked: the network has no class centres, and none were given.",
            "",
        ]
    sources = ", ".join(f"{count:,} {name}" for name, count in privacy["known_people"].items())
    nearer = privacy["pictures_nearer_than_stated"]
    lines += [
        f"Known people: {sources}. No identity's direction is nearer to one of them than "
        f"{privacy['directions']['smallest']:g} degrees (stated: {privacy['stated_angle']:g}). Its pictures "
        "need not lie where the direction does: the mean template of its pictures is nearer than stated for "
        f"{_share(nearer)} of the identities. Angles are by the network that was inverted; another network "
        "may find other people alike.",
        "",
        "Angle to the nearest known person, degrees:",
        "",
        "| of | people | smallest | " + " | ".join(f"{float(q):.0%}" for q in _quantiles(privacy)) + " |",
        "|---|" + "---|" * (2 + len(_quantiles(privacy))),
        _row("identities' directions", "all", privacy["directions"]),
        _row("means of their pictures", "all", privacy["pictures"]),
    ]
    reference = privacy["to_reference_people"]
    if reference is not None:
        people = reference["people"]
        lines += [
            _row("identities' directions", people, reference["directions"]),
            _row("means of their pictures", people, reference["pictures"]),
            _row("**strangers**: these people, to another of them", people, reference["strangers"]),
        ]
    return [*lines, ""]


def _judged(judged: dict[str, Any] | None) -> list[str]:
    if judged is None:
        return []
    names = list(judged["pictures"]["quantiles"])
    rows = [
        f"| {name} (n = {one['count']:,}) | "
        + " | ".join(f"{value:.3f}" for value in one["quantiles"].values())
        + f" | {one['highest']:.3f} |"
        for name, one in (
            ("one picture of each identity", judged["pictures"]),
            ("**strangers**: known people, to another of them", judged["strangers"]),
        )
    ]
    return [
        f"Similarity ({judged['judge']['similarity']}) to the nearest of {judged['people']:,} known people, "
        f"by {judged['judge']['name']}, a network that was not inverted:",
        "",
        "| of | " + " | ".join(f"{float(q):.0%}" for q in names) + " | highest |",
        "|---|" + "---|" * (1 + len(names)),
        *rows,
        "",
    ]


def _quantiles(privacy: dict[str, Any]) -> list[str]:
    return list(privacy["directions"]["quantiles"])


def _row(name: str, people: str, angles: dict[str, Any]) -> str:
    cells = [f"{angles['smallest']:.1f}", *(f"{value:.1f}" for value in angles["quantiles"].values())]
    return f"| {name} (n = {angles['count']:,}) | {people} | {' | '.join(cells)} |"


def _share(share: dict[str, Any]) -> str:
    return (
        f"{share['hits']:,} of {share['count']:,} ({share['share']:.1%}, 95 % interval {share['low']:.1%} to "
        f"{share['high']:.1%})"
    )

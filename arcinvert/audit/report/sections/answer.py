"""The first page: the answer, the verdict, the threat model, and who judged."""

from typing import Any

from arcinvert.audit.report.document import Block, Bullets, Paragraph, Verdict


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section."""
    answer, threat, people = result["answer"], result["threat_model"], result["people"]
    judges = ", ".join(judge["name"] for judge in result["judges"]) or "none"
    used = [f"{key.replace('_', ' ')}: {value}" for key, value in threat["knowledge"].items()]
    plural = "s" if threat["samples"] > 1 else ""
    facts = [
        f"Threat model: {threat['claim']}",
        f"The attack used: {'; '.join(used)}.",
        f"Strength of the attack: {people['attacked']} people, {threat['samples']} reconstruction{plural} "
        f"each, {threat['steps']} steps of gradient descent; nothing that a judge says steers it.",
        f"Judges, none of which was attacked: {judges}.",
    ]
    if len(result["judges"]) == 1:
        facts.append("Only one independent judge was used; give a second one with --judges.")
    return [
        *(Paragraph(sentence, strong=True) for sentence in answer["sentences"][:2]),
        Verdict(answer["verdict"], answer["reason"]),
        Bullets(tuple(facts)),
    ]

"""The first page: the answer, the verdict, the threat model, and who judged."""

from typing import Any

from arcinvert.audit.report.document import Block, Bullets, Paragraph, Verdict
from arcinvert.plan import length_text

#: How the report calls what an attack uses of public faces.
_WORDS = {
    "mean_face": "mean face",
    "nearest_neighbours": "nearest neighbours",
    "decoder_map": "map to the templates of the decoder",
    "face_pca": "principal components of faces (PCA)",
}


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section."""
    answer, threat, people = result["answer"], result["threat_model"], result["people"]
    judges = ", ".join(judge["name"] for judge in result["judges"]) or "none"
    used = [f"{_WORDS.get(key, key)}: {value}" for key, value in threat["knowledge"].items()]
    plural = "s" if threat["samples"] > 1 else ""
    plan = result["reproducibility"]["plan"]
    length = length_text(threat["steps"], plan.get("restarts", 1), plan.get("restart_steps"))
    facts = [
        f"Threat model: {threat['claim']}",
        f"Knowledge used by the attack: {'; '.join(used)}.",
        f"Strength of the attack: {people['attacked']} people, {threat['samples']} reconstruction{plural} "
        f"each, {length} of gradient descent; nothing that a judge says steers it.",
        f"Judges, none of which was attacked: {judges}.",
    ]
    if len(result["judges"]) == 1:
        facts.append("Only one independent judge was used; give a second one with --judges.")
    return [
        *(Paragraph(sentence, strong=True) for sentence in answer["sentences"][:2]),
        Verdict(answer["verdict"], answer["reason"]),
        Bullets(tuple(facts)),
    ]

"""The reconstructions as images: whether they show faces, and how near to real ones they are."""

from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Table
from arcinvert.audit.report.text import figure_text, number_text


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section."""
    faces = result["faces"]
    rows = [
        ("share in which a face is detected", figure_text(faces["face_detected"])),
        ("cosine to the target in the attacked network", figure_text(faces["attack_converged"])),
    ]
    if faces["ssim"] is not None:
        rows.append(("structural similarity (SSIM) to the template's photograph", figure_text(faces["ssim"])))
    if faces["lpips"] is not None:
        rows.append(
            ("LPIPS distance to the template's photograph, lower is nearer", figure_text(faces["lpips"]))
        )
    found: list[Block] = [Table("The reconstructions as images", ("figure", "value [95 %]"), tuple(rows))]
    if faces["left_out"]:
        found.append(Paragraph(f"{faces['left_out']}."))
    if faces["distribution"] is not None:
        found.append(_distribution(faces["distribution"]))
    return found


def _distribution(one: dict[str, Any]) -> Table:
    table = [
        ("Fréchet distance to real faces", one["frechet"], one["frechet_between_real"]),
        ("kernel distance to real faces", one["kernel"], one["kernel_between_real"]),
        (
            "diversity between identities",
            one["diversity_between_identities"],
            one["diversity_between_real"],
        ),
        ("diversity among samples of one identity", one["diversity_among_samples"], None),
    ]
    caption = (
        f"Distribution in feature space ({one['feature_space']}): {one['images']} reconstructions, "
        f"{one['real_images']} real photographs"
    )
    rows = tuple((name, number_text(made, 4), number_text(real, 4)) for name, made, real in table)
    return Table(caption, ("figure", "reconstructions", "real photographs"), rows)

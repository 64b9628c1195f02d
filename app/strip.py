"""A template as a picture: one coloured stripe for each number."""

from collections.abc import Sequence

from .svg import DIFFERENT, RECONSTRUCTION


def template_strip(template: Sequence[float]) -> str:
    """Return a template as a strip: orange stripes are positive numbers, blue ones negative.

    The darker a stripe, the larger the number is; the picture is stretched to the size of its place.

    Args:
        template: The numbers, at least one of which is not zero.
    """
    largest = max(map(abs, template))
    stripes = "".join(
        f'<rect x="{index}" width="1.05" height="24" fill="{RECONSTRUCTION if value > 0 else DIFFERENT}" '
        f'fill-opacity="{abs(value) / largest:.2f}"/>'
        for index, value in enumerate(template)
    )
    first = ", ".join(f"{value:.3f}" for value in template[:4])
    title = f"The template: {len(template)} numbers, {first} and so on"
    return (
        f'<svg class="ai-template" viewBox="0 0 {len(template)} 24" preserveAspectRatio="none" role="img" '
        f'aria-label="{title}"><title>{title}</title>{stripes}</svg>'
    )

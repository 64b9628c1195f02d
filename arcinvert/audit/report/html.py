"""The document as one self-contained HTML file: no script, no request, light and dark, printable.

Sections can also be shown inside another page: `fragment` and `SECTION_STYLE`.
"""

import base64
import io
import re
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arcinvert.audit.report.document import (
    Block,
    Bullets,
    Code,
    Figure,
    Heading,
    Paragraph,
    Pictures,
    Table,
    Title,
    Verdict,
)
from arcinvert.audit.report.plots import Area, Dot, Label, Line, Plot, Shape

#: Okabe and Ito's colour-blind safe colours, and lighter ones of the same hues on dark.
_LIGHT = """--paper: #fdfdfb; --ink: #1c1c22; --quiet: #5b5b66; --grid: #dcdce2; --card: #f2f2ef;
  --first: #0067a3; --second: #b84a00; --third: #00795a; --fourth: #a14d80;
  --pass: #00694e; --fail: #a33c00;"""
_DARK = """--paper: #16161a; --ink: #ececf0; --quiet: #a9a9b6; --grid: #3a3a44; --card: #212128;
  --first: #6cc0f0; --second: #f5904a; --third: #3ccfa5; --fourth: #e39cc6;
  --pass: #3ccfa5; --fail: #f5904a;"""
#: The style of sections, wherever they are shown: inside an element of the class `audit-report`. Its colours
#: follow the reader's, or a class `dark` above it.
SECTION_STYLE = (
    f"""
.audit-report {{ {_LIGHT} color: var(--ink); }}
@media (prefers-color-scheme: dark) {{ .audit-report {{ {_DARK} }} }}
.dark .audit-report {{ {_DARK} }}
"""
    + """
.audit-report a { color: var(--first); } .audit-report [tabindex]:focus-visible {
  outline: 3px solid var(--first); outline-offset: 2px; }
.audit-report { overflow-wrap: break-word; }
.audit-report p { max-width: 46rem; } .audit-report p.strong { font-size: 1.1rem; margin: .6rem 0; }
.audit-report .verdict { display: inline-flex; gap: .8rem; align-items: baseline;
  border: 2px solid currentColor;
  border-radius: .4rem; padding: .4rem .9rem; margin: .8rem 0; flex-wrap: wrap; }
.audit-report .verdict b { text-transform: uppercase; letter-spacing: .04em; }
.audit-report .verdict span { color: var(--ink); }
.audit-report .pass { color: var(--pass); } .audit-report .fail { color: var(--fail); }
.audit-report .neither { color: var(--quiet); }
.audit-report .scroll { overflow-x: auto; margin: .8rem 0 1.2rem; }
.audit-report table { border-collapse: collapse; min-width: 34rem; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
.audit-report caption { text-align: left; font-weight: 600; padding-bottom: .35rem; }
/* What is above a table that scrolls does not, and is not wider than what is seen of the table. */
.audit-report .scroll { container-type: inline-size; }
.audit-report caption > span { display: inline-block; position: sticky; left: 0; max-width: 100cqw; }
.audit-report th, .audit-report td { text-align: left; padding: .28rem .8rem .28rem 0;
  border-bottom: 1px solid var(--grid); vertical-align: top; }
.audit-report thead th { color: var(--quiet); font-weight: 600; } .audit-report tbody th { font-weight: 500; }
.audit-report .short { white-space: nowrap; }
.audit-report figure { margin: 1rem 0 1.6rem; }
.audit-report figcaption { font-size: .9rem; color: var(--quiet); max-width: 46rem; }
.audit-report svg { width: 100%; max-width: 42.5rem; height: auto; display: block; }
.audit-report svg text { font: 12px system-ui, sans-serif; }
.audit-report .plot { overflow-x: auto; }
@media screen and (max-width: 640px) { .audit-report .plot svg { min-width: 42.5rem; }
  .audit-report table { min-width: 0; } }
.audit-report .sheet { display: grid; gap: .9rem; } .audit-report .person { break-inside: avoid; }
.audit-report .person div { display: flex; flex-wrap: wrap; gap: .5rem; }
.audit-report .person figure { margin: 0; width: 112px; }
.audit-report .person img { width: 112px; height: 112px; display: block; }
.audit-report .person figcaption { font-size: .75rem; }
.audit-report .person h3 { font-size: .9rem; margin: 0 0 .3rem; }
.audit-report pre { background: var(--card); padding: .8rem; overflow-x: auto; font-size: .82rem; }
.audit-report li { max-width: 46rem; }
"""
)
#: The style of the page around the sections, and of paper.
_PAGE_STYLE = f"""
:root {{ color-scheme: light dark; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }}
.skip {{ position: absolute; left: -999rem; }}
.skip:focus {{ left: .5rem; top: .5rem; background: var(--card); padding: .5rem; }}
main, header, nav {{ max-width: 58rem; margin: 0 auto; padding: 0 1.1rem; }}
header {{ padding-top: 2rem; }} h1 {{ font-size: 1.7rem; line-height: 1.2; margin: 0; }}
header p {{ color: var(--quiet); margin: .3rem 0 0; }}
nav ul {{ display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: .8rem 0; margin: 0; list-style: none;
  border-bottom: 1px solid var(--grid); }}
a:focus-visible {{ outline: 3px solid var(--first); outline-offset: 2px; }}
h2 {{ font-size: 1.25rem; margin: 2.2rem 0 .6rem; }} footer {{ height: 3rem; }}
@media print {{
  :root {{ color-scheme: light; }}
  .audit-report {{ {_LIGHT} --paper: #fff; --ink: #000; --quiet: #444; --grid: #ccc; --card: #f4f4f4; }}
  body {{ font-size: 10pt; }} nav, .skip {{ display: none; }}
  main, header {{ max-width: none; padding: 0; }}
  .audit-report .scroll {{ overflow: visible; }}
  .audit-report table {{ font-size: 8pt; width: 100%; min-width: 0; }}
  .audit-report .short {{ white-space: normal; }} tr, figure {{ break-inside: avoid; }}
  h2 {{ break-after: avoid; }} .audit-report pre {{ white-space: pre-wrap; }}
  .audit-report svg {{ max-width: 15cm; }} section.first {{ break-after: page; }} }}
"""
#: The first section takes a page of its own on paper.
_FIRST = ' class="first"'
#: The attributes of the answer's sentences and of short cells, which are not broken, and the most characters
#: of a short cell.
_STRONG, _SHORT, _WHOLE = ' class="strong"', ' class="short"', 24


def to_html(blocks: Sequence[Block]) -> str:
    """Return the document as one file.

    Args:
        blocks: A `Title`, and sections that each begin with a `Heading`.
    """
    title = next(block for block in blocks if isinstance(block, Title))
    sections: list[tuple[str, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Heading):
            sections.append((block.text, []))
        elif not isinstance(block, Title):
            sections[-1][1].append(block)
    links = "".join(f'<li><a href="#{_slug(text)}">{escape(text)}</a></li>' for text, _ in sections)
    body = "\n".join(
        f'<section{_FIRST if number == 0 else ""} aria-labelledby="{_slug(text)}">'
        f'<h2 id="{_slug(text)}">{escape(text)}</h2>\n{fragment(section, _slug(text))}\n</section>'
        for number, (text, section) in enumerate(sections)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title.text)}</title>\n<style>{SECTION_STYLE}{_PAGE_STYLE}</style>\n</head>\n"
        '<body class="audit-report">\n<a class="skip" href="#main">Skip to the report</a>\n'
        f"<header><h1>{escape(title.text)}</h1><p>{escape(title.below)}</p></header>\n"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main id="main">\n{body}\n</main>\n'
        "<footer></footer>\n</body>\n</html>\n"
    )


def fragment(blocks: Sequence[Block], prefix: str) -> str:
    """Return blocks as HTML without a page around them; all text is escaped.

    Args:
        blocks: Of one section, without headings.
        prefix: Begins the ids, which must be unique in a page.
    """
    return "\n".join(_block(block, f"{prefix}-{number}") for number, block in enumerate(blocks))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _block(block: Block, name: str) -> str:
    match block:
        case Paragraph(text, strong):
            return f"<p{_STRONG if strong else ''}>{escape(text)}</p>"
        case Verdict(word, reason):
            kind = word if word in ("pass", "fail") else "neither"
            return f'<p class="verdict {kind}"><b>{escape(word)}</b> <span>{escape(reason)}</span></p>'
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
        case Table():
            return _table(block)
        case Figure(plot, caption, description):
            return (
                f'<figure><div class="plot" tabindex="0" role="group" aria-label="{escape(caption)}">'
                f"{_svg(plot, caption, description, name)}</div>"
                f"<figcaption>{escape(caption)}. {escape(description)}</figcaption></figure>"
            )
        case Pictures():
            return _pictures(block)
        case Code(text):
            return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
        case _:
            return ""


def _cell(text: str) -> str:
    """Return a cell; a short one is not broken, except before an interval, which then is below its value."""
    if len(text) > _WHOLE:
        return f"<td>{escape(text)}</td>"
    value, bracket, interval = text.partition(" [")
    if not bracket or not value:
        return f"<td{_SHORT}>{escape(text)}</td>"
    return f"<td><span{_SHORT}>{escape(value)}</span> <span{_SHORT}>[{escape(interval)}</span></td>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(map(_cell, row[1:])) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption, quote=True)}">'
        f"<table><caption><span>{escape(table.caption)}</span></caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _pictures(sheet: Pictures) -> str:
    rows = []
    for row in sheet.rows:
        tiles = "".join(
            f'<figure><img alt="{escape(f"{row.caption}: {label}", quote=True)}" src="{_data_uri(image)}">'
            f"<figcaption>{escape(label)}</figcaption></figure>"
            for label, image in row.images
        )
        rows.append(f'<div class="person"><h3>{escape(row.caption)}</h3><div>{tiles}</div></div>')
    return f'<p>{escape(sheet.caption)}</p><div class="sheet">{"".join(rows)}</div>'


def _data_uri(image: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _svg(plot: Plot, title: str, description: str, name: str) -> str:
    shapes = "".join(_shape(shape) for shape in plot.shapes)
    return (
        f'<svg viewBox="0 0 {plot.width:g} {plot.height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>'
        f"{shapes}</svg>"
    )


def _shape(shape: Shape) -> str:
    match shape:
        case Line(points, role, width, dash):
            dashed = f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash else ""
            return (
                f'<polyline points="{_points(points)}" fill="none" stroke="var(--{role})" '
                f'stroke-width="{width:g}" stroke-linejoin="round"{dashed}/>'
            )
        case Area(points, role):
            return f'<polygon points="{_points(points)}" fill="var(--{role})" fill-opacity=".16"/>'
        case Dot((x, y), role, hollow):
            fill = "var(--paper)" if hollow else f"var(--{role})"
            stroke = f'stroke="var(--{role})" stroke-width="1.5"'
            return f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{fill}" {stroke}/>'
        case Label((x, y), text, role, anchor, turned):
            turn = f' transform="rotate(-90 {x:g} {y:g})"' if turned else ""
            return (
                f'<text x="{x:g}" y="{y:g}" fill="var(--{role})" text-anchor="{anchor}"{turn}>'
                f"{escape(text)}</text>"
            )


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)

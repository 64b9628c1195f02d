"""The document as PDF, with fpdf2."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fpdf import FPDF
from fpdf.enums import TableCellFillMode, XPos, YPos
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

_COLOURS = {
    "ink": (28, 28, 34),
    "quiet": (91, 91, 102),
    "grid": (220, 220, 226),
    "first": (0, 103, 163),
    "second": (184, 74, 0),
    "third": (0, 121, 90),
    "fourth": (161, 77, 128),
}
_VERDICTS = {"pass": (0, 105, 78), "fail": (163, 60, 0)}
#: The margin of a page, the width of a plot and the side of a picture, millimetres.
_MARGIN, _PLOT, _TILE = 18.0, 150.0, 26.0
_FONT = "Helvetica"
#: The letters of tables, points, and the room beside the texts of a cell, millimetres.
_TABLE_SIZE, _PADDING = 7.5, 1.0


def to_pdf(blocks: Sequence[Block], *, title: str, created: str) -> bytes:
    """Return the document as the bytes of a PDF file; the same document gives the same bytes.

    Args:
        blocks: The document.
        title: The title in the file's metadata.
        created: The date in the file's metadata, ISO 8601.
    """
    page = FPDF(format="A4")
    page.set_title(title)
    page.set_lang("en")
    page.set_creation_date(datetime.fromisoformat(created))
    page.set_margins(_MARGIN, _MARGIN)
    page.set_auto_page_break(True, _MARGIN)
    page.add_page()
    sections = 0
    for block in blocks:
        if isinstance(block, Heading):
            sections += 1
            # The first section has the first page to itself.
            if sections == 2 or page.get_y() > page.h - 60:
                page.add_page()
        _block(page, block)
    return bytes(page.output())


def _latin(text: str) -> str:
    """Return text without what the built-in fonts lack: they have only Latin-1."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _write(
    page: FPDF, text: str, size: float, *, style: Any = "", colour: Any = None, gap: float = 2
) -> None:
    page.set_font(_FONT, style, size)
    page.set_text_color(*(colour or _COLOURS["ink"]))
    page.multi_cell(0, size * 0.48, _latin(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(gap)


def _block(page: FPDF, block: Block) -> None:
    match block:
        case Title(text, below):
            _write(page, text, 18, style="B", gap=1)
            _write(page, below, 9, colour=_COLOURS["quiet"], gap=3)
        case Heading(text):
            page.ln(2)
            _write(page, text, 13, style="B")
        case Paragraph(text, strong):
            _write(page, text, 11 if strong else 9.5)
        case Verdict(word, reason):
            _write(page, f"{word.upper()}: {reason}", 11, style="B", colour=_VERDICTS.get(word))
        case Bullets(items):
            _write(page, "\n".join(f"-  {item}" for item in items), 9.5)
        case Table():
            _table(page, block)
        case Figure():
            _figure(page, block)
        case Pictures():
            _pictures(page, block)
        case Code(text):
            _code(page, text)


def _code(page: FPDF, text: str) -> None:
    page.set_font("Courier", size=7.5)
    page.set_text_color(*_COLOURS["ink"])
    page.multi_cell(0, 3.6, _latin(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(2)


def _figure(page: FPDF, figure: Figure) -> None:
    _plot(page, figure.plot)
    _write(page, f"{figure.caption}. {figure.description}", 8.5, colour=_COLOURS["quiet"], gap=4)


def _table(page: FPDF, table: Table) -> None:
    _write(page, table.caption, 9.5, style="B", gap=1)
    page.set_font(_FONT, size=_TABLE_SIZE)
    page.set_text_color(*_COLOURS["ink"])
    page.set_draw_color(*_COLOURS["grid"])
    page.set_line_width(0.2)
    # Without it, cells are filled with the colour that the last plot used.
    page.set_fill_color(255, 255, 255)
    with page.table(
        col_widths=_column_widths(page, table),
        text_align="LEFT",
        borders_layout="HORIZONTAL_LINES",
        cell_fill_mode=TableCellFillMode.NONE,
        line_height=3.8,
        padding=(0.6, _PADDING),
    ) as made:
        for line in (table.header, *table.rows):
            row = made.row()
            for cell in line:
                row.cell(_latin(cell))
    page.ln(4)


def _column_widths(page: FPDF, table: Table) -> tuple[float, ...]:
    """Return the widths of a table's columns, millimetres: no word is broken, and longer texts get more."""
    columns = list(zip(table.header, *table.rows, strict=True))
    # The header's words are bold, and the widest.
    page.set_font(_FONT, style="B", size=_TABLE_SIZE)
    least = [
        max(page.get_string_width(_latin(word)) for cell in column for word in cell.split() or [""])
        + 2 * (_PADDING + page.c_margin)
        for column in columns
    ]
    page.set_font(_FONT, size=_TABLE_SIZE)
    lengths = [max(6, *(min(26, len(cell)) for cell in column)) for column in columns]
    room = max(0.0, page.epw - sum(least))
    return tuple(width + room * length / sum(lengths) for width, length in zip(least, lengths, strict=True))


def _pictures(page: FPDF, sheet: Pictures) -> None:
    _write(page, sheet.caption, 9.5)
    across = int((page.w - 2 * _MARGIN) // (_TILE + 2))
    for row in sheet.rows:
        lines = -(-len(row.images) // across)
        if page.get_y() + 6 + lines * (_TILE + 7) > page.h - _MARGIN:
            page.add_page()
        _write(page, row.caption, 8.5, style="B", gap=1)
        top = page.get_y()
        for index, (label, image) in enumerate(row.images):
            left = page.l_margin + (index % across) * (_TILE + 2)
            level = top + (index // across) * (_TILE + 7)
            page.image(Image.fromarray(image), left, level, _TILE, _TILE, alt_text=_latin(label))
            page.set_font(_FONT, size=6.5)
            page.set_text_color(*_COLOURS["quiet"])
            page.text(left, level + _TILE + 3, _latin(label))
        page.set_y(top + lines * (_TILE + 7))


def _plot(page: FPDF, plot: Plot) -> None:
    scale = _PLOT / plot.width
    if page.get_y() + plot.height * scale > page.h - _MARGIN:
        page.add_page()
    left, top = page.l_margin, page.get_y()
    for shape in plot.shapes:
        _shape(page, shape, left, top, scale)
    page.set_dash_pattern()
    page.set_y(top + plot.height * scale + 2)


def _shape(page: FPDF, shape: Shape, left: float, top: float, scale: float) -> None:
    def place(point: tuple[float, float]) -> tuple[float, float]:
        return left + point[0] * scale, top + point[1] * scale

    red, green, blue = _COLOURS[shape.role]
    page.set_draw_color(red, green, blue)
    page.set_fill_color(red, green, blue)
    match shape:
        case Line(points, _, width, dash):
            page.set_line_width(width * scale)
            page.set_dash_pattern(*(part * scale for part in dash[:2]))
            page.polyline([place(point) for point in points])
        case Area(points):
            with page.local_context(fill_opacity=0.16):
                page.polygon([place(point) for point in points], style="F")
        case Dot(at, _, hollow):
            page.set_line_width(1.5 * scale)
            page.set_dash_pattern()
            x, y = place(at)
            if hollow:
                page.set_fill_color(255, 255, 255)
            page.ellipse(x - 4 * scale, y - 4 * scale, 8 * scale, 8 * scale, style="DF")
        case Label():
            _label(page, shape, *place(shape.at))


def _label(page: FPDF, label: Label, x: float, y: float) -> None:
    page.set_font(_FONT, size=7.5)
    page.set_text_color(*_COLOURS[label.role])
    text = _latin(label.text)
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * page.get_string_width(text)
    if label.turned:
        with page.rotation(90, x, y):
            page.text(x - shift, y, text)
    else:
        page.text(x - shift, y, text)

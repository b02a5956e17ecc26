"""What the terminal reports are written with: lines of styled spans, hanging indents, bars and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

__all__ = ["Cell", "Paper", "bar", "joined", "sparkline", "tie"]

Cell = str | tuple[str, str]
"""Text, or text with a rich style."""

# Stands for a space where a line must not break (rich breaks at no-break spaces too).
_TIE = "\ue000"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"

# Each replacement is one column wide, as what it replaces, so that columns stay columns.
_ASCII = str.maketrans(
    {
        **dict.fromkeys("▉▊▋▌█", "#"),
        **dict.fromkeys("▏▎▍", " "),
        **dict(zip(_LEVELS[:-1], "._-=+*%", strict=True)),
        "·": "|",
        "–": "-",
        "—": "-",
        "─": "-",
        "→": ">",
        "×": "x",
        "÷": "/",
        "✓": "+",
        "✗": "x",
        "µ": "u",
        "…": "~",
        "┃": "|",
        "●": "o",
        "│": "|",
        "├": "|",
        "└": "`",
        "▶": ">",
        "\u00a0": " ",
    }
)


class Paper:
    """Writes lines on a console, never wider than it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = max(60, min(console.width, 110))
        try:
            _EIGHTHS.encode(console.encoding)
            self._ascii = False
        except (UnicodeEncodeError, LookupError):
            self._ascii = True

    def blank(self) -> None:
        self._print(Text())

    def line(self, *cells: Cell, indent: int = 2, right: Cell = "") -> None:
        """One line, cut with an ellipsis where it is too long; `right` is set flush right and never cut."""
        edge = self._text([right] if right else [])
        room = self.width - indent - (edge.cell_len + 2 if right else 0)
        text = self._text(cells)
        if text.cell_len > room:
            text.truncate(room, overflow="ellipsis")
        if right:
            text.append(" " * (self.width - indent - text.cell_len - edge.cell_len))
            text.append_text(edge)
        self._print(Text(" " * indent).append_text(text))

    def hanging(self, label: Cell, *cells: Cell, label_width: int = 13, indent: int = 2) -> None:
        """A label, and beside it text that wraps below itself."""
        start = self._text([label])
        start.append(" " * max(label_width - start.cell_len, 1 if label else 0))
        body = self._text(cells)
        lines = body.wrap(self.console, self.width - indent - label_width) or [Text()]
        for position, line in enumerate(lines):
            line.rstrip()
            head = start if position == 0 else Text(" " * label_width)
            self._print(Text(" " * indent).append_text(head).append_text(line))

    def table(self, rows: Sequence[Sequence[Cell]], align: str, *, indent: int = 2, gap: int = 2) -> None:
        """Rows in columns as wide as they need; the widest left-aligned column gives way where the line is full.

        Args:
            rows: cells; every row has as many as `align` has letters.
            align: one letter a column, `<` or `>`.
        """
        if not rows:
            return
        widths = [max(cell_len(_plain(row[column])) for row in rows) for column in range(len(align))]
        if sum(widths) + gap * (len(widths) - 1) > self.width - indent:
            gap = 1
        while sum(widths) + gap * (len(widths) - 1) > self.width - indent:
            flexible = max((i for i, side in enumerate(align) if side == "<"), key=lambda i: widths[i], default=0)
            if widths[flexible] <= 6:
                break
            widths[flexible] -= 1
        for row in rows:
            line: list[Cell] = []
            for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
                if column:
                    line.append(" " * gap)
                line.append(_pad(cell, width, align[column]))
            text = self._text(line)
            text.rstrip()
            self._print(Text(" " * indent).append_text(text))

    def block(self, title: str, lines: Iterable[str], style: str) -> None:
        """A marked block that cannot be overlooked, with a bar down its left side."""
        self.hanging(("┃", style), (title, f"bold {style}"), label_width=2)
        for line in lines:
            body = self._text([line]).wrap(self.console, self.width - 6)
            for wrapped in body:
                wrapped.rstrip()
                self._print(Text("  ").append("┃ ", style=style).append("  ").append_text(wrapped))

    def _text(self, cells: Iterable[Cell]) -> Text:
        text = Text()
        for cell in cells:
            if isinstance(cell, tuple):
                text.append(cell[0], style=cell[1])
            else:
                text.append(cell)
        return text

    def _print(self, text: Text) -> None:
        text.plain = text.plain.replace(_TIE, " ")
        if self._ascii:
            text.plain = text.plain.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        self.console.print(text, no_wrap=True, overflow="ignore", crop=False, highlight=False, soft_wrap=True)


def tie(text: str) -> str:
    """The text, never broken across lines by `Paper.hanging`."""
    return text.replace(" ", _TIE)


def joined(words: Iterable[str]) -> str:
    """The words with a middle dot between, which stays at the end of its line."""
    return f"{_TIE}· ".join(words)


def bar(fraction: float, width: int) -> str:
    """A horizontal bar of eighth blocks, `width` columns at 1.0; any share above zero shows at least an eighth."""
    eighths = round(max(0.0, min(fraction, 1.0)) * width * 8)
    if fraction > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Values over time as one line of blocks, from zero to the largest; None is a gap. At most `width` columns: each
    column shows the largest value of its share of the time."""
    if not values:
        return ""
    columns = min(width, len(values))
    groups = [
        [v for v in values[c * len(values) // columns : (c + 1) * len(values) // columns] if v is not None]
        for c in range(columns)
    ]
    top = max((value for group in groups for value in group), default=0.0)
    line = ""
    for group in groups:
        if not group:
            line += " "
        else:
            line += _LEVELS[min(int(max(group) / top * len(_LEVELS)), len(_LEVELS) - 1)] if top > 0 else _LEVELS[0]
    return line


def _plain(cell: Cell) -> str:
    return cell[0] if isinstance(cell, tuple) else cell


def _pad(cell: Cell, width: int, side: str) -> Cell:
    plain = _plain(cell)
    length = cell_len(plain)
    if length > width:
        padded = set_cell_size(plain, width - 1).rstrip() + "…"
        padded += " " * (width - cell_len(padded))
    else:
        padded = " " * (width - length) + plain if side == ">" else plain + " " * (width - length)
    return (padded, cell[1]) if isinstance(cell, tuple) else padded

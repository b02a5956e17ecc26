"""SVG elements as escaped text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from ..figures import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CHARACTER_WIDTH", "Attribute", "coordinate", "element", "fit", "picture", "polyline", "text", "words"]

CHARACTER_WIDTH = 6.7
"""Pixels of an average character of the charts' text, in the widest font people are likely to have."""

Attribute = str | float | int | None


def element(name: str, attributes: dict[str, Attribute], *children: str) -> Markup:
    """One element. Attribute names have `_` for `-`; None leaves an attribute out; children that are no Markup are
    escaped."""
    parts = [
        f'{key.replace("_", "-")}="{coordinate(value) if isinstance(value, float) else escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    ]
    inside = Markup("").join(children)
    opening = " ".join([name, *parts])
    return Markup(f"<{opening}>{inside}</{name}>" if inside else f"<{opening}/>")  # noqa: S704 - escaped above


def coordinate(value: float) -> str:
    """A coordinate with a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, content: str, css: str = "", anchor: str | None = None) -> Markup:
    """A line of text; control characters are made visible."""
    return element("text", {"x": x, "y": y, "class": css or None, "text_anchor": anchor}, clean(content))


def words(x: float, y: float, *parts: tuple[str, str], anchor: str | None = None) -> Markup:
    """A line of text in several looks: (content, class) each, a space and a half apart."""
    spans = [
        element("tspan", {"class": css or None, "dx": "5" if position else None}, clean(content))
        for position, (content, css) in enumerate(parts)
    ]
    return element("text", {"x": x, "y": y, "text_anchor": anchor}, *spans)


def polyline(points: Iterable[tuple[float, float] | None]) -> str:
    """Path data through the points, interrupted at each None."""
    data, pen_down = [], False
    for point in points:
        if point is None:
            pen_down = False
            continue
        data.append(f"{'L' if pen_down else 'M'}{coordinate(point[0])} {coordinate(point[1])}")
        pen_down = True
    return "".join(data)


def picture(width: int, height: float, label: str, css: str, children: Sequence[str], **data: Attribute) -> Markup:
    """The svg element itself, with its accessible name."""
    attributes: dict[str, Attribute] = {
        "viewBox": f"0 0 {width} {height:.0f}",
        "class": css,
        "role": "img",
        "aria_label": shorten(clean(label), 300),
    }
    return element("svg", attributes | data, *children)


def fit(content: str, room: float) -> str:
    """The text, cut with an ellipsis where it needs more than `room` pixels."""
    content = clean(content)
    most = int(room / CHARACTER_WIDTH)
    return content if len(content) <= most else content[: max(most - 1, 1)].rstrip() + "…"

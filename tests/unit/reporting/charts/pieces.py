"""Taking drawn charts apart."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def parsed(markup: str) -> ET.Element:
    """The drawing as elements: it must be well-formed."""
    return ET.fromstring(markup)


def named(root: ET.Element, tag: str, css: str = "") -> list[ET.Element]:
    """Elements of a tag that have a class."""
    return [element for element in root.iter(tag) if not css or css in element.get("class", "").split()]


def words(root: ET.Element) -> list[str]:
    """Every line of text in a drawing."""
    return ["".join(element.itertext()) for element in root.iter("text")]

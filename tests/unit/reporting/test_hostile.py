"""Records whose every text is hostile: no form of a report passes on control characters or markup."""

from __future__ import annotations

import io
import re
import typing
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from perfloop import reporting

from .sample_records import SAMPLES

if TYPE_CHECKING:
    from perfloop.records import AnyRecord

NASTY = "<script>alert(1)</script> \x1b[31m\x07 \u202e | a | \n# heading\r\n- item"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def hostile(value: Any) -> Any:
    """The value with every text in it replaced, but for those of which only certain ones are allowed."""
    if isinstance(value, msgspec.Struct):
        hints = typing.get_type_hints(type(value))
        kept = {
            name
            for name in value.__struct_fields__
            if "histogram" in name or any(typing.get_origin(each) is Literal for each in _alternatives(hints[name]))
        }
        changed = {name: hostile(getattr(value, name)) for name in value.__struct_fields__ if name not in kept}
        return msgspec.structs.replace(value, **changed)
    if isinstance(value, str):
        return NASTY
    if isinstance(value, list):
        return [hostile(each) for each in value]
    if isinstance(value, dict):
        return {f"{NASTY}{key}": hostile(each) for key, each in value.items()}
    return value


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) is not Literal and typing.get_args(hint) else (hint,)


def forms(record: AnyRecord) -> dict[str, str]:
    """The record in every form it has."""
    out = io.StringIO()
    reporting.render_terminal(record, Console(file=out, width=100, color_system=None))
    kind = str(record.__struct_config__.tag)
    rendered = {
        form.suffix: reporting.render(record, form).decode()
        for form in reporting.FORMATS
        if form.suffix != ".json" and (form.kinds is None or kind in form.kinds)
    }
    return {"terminal": out.getvalue(), **rendered}


@pytest.mark.parametrize("name", SAMPLES)
def test_no_form_passes_it_on(name: str) -> None:
    for form, text in forms(hostile(SAMPLES[name])).items():
        found = CONTROL.search(text.replace("\r\n", "\n") if form.endswith("csv") else text)
        assert found is None, f"{form}: {text[max(0, found.start() - 80) : found.end() + 20]!r}"
        if form == ".md":
            page = MarkdownIt("gfm-like", {"linkify": False}).render(text)
            assert "<script" not in page, text
            assert page.count("<h1>") == 0, text
        elif form == ".html":
            assert "<script>alert" not in text

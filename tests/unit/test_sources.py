from __future__ import annotations

import ast

import pytest

from perfloop.sources import Relationship, Sources

from .diagnosis.synthetic import ROOT, frame, source

TEXT = """\
def plain(con):
    one = con.execute("SELECT 1")
    for row in one:
        con.execute("SELECT ?", row)
    while True:
        con.execute("SELECT 2")
        break
    return [
        con.execute("SELECT ?", x)
        for x in con.execute("SELECT 3")
        if con.execute("SELECT ?", x)
    ]

def helper(con, key):
    return con.execute("SELECT ?", key)

def caller(con):
    for key in range(3):
        helper(con, key)

def inner(con):
    for key in range(3):
        def later():
            return con.execute("SELECT 4")
        callbacks.append(later)

def one_line(con):
    return [row for row in con.execute("SELECT 5")]

def nested(orders):
    for order in orders:
        names = [item.name for item in order.items]

async def streaming(con):
    async for row in con.stream():
        await con.execute("SELECT ?", row)
"""
MODELS = """\
class Order(Base):
    items: Mapped[list["Item"]] = relationship()
    lines: Mapped[Sequence[Line]] = relationship()
    customer: Mapped["Customer"] = relationship(back_populates="orders")
    tags = relationship("Tag", secondary=order_tag)
    note: Mapped[str] = mapped_column()
"""


@pytest.fixture
def sources() -> Sources:
    return Sources(ROOT, source(TEXT) | source(MODELS, "models.py") | source("def broken(:", "broken.py"))


@pytest.mark.parametrize(
    ("frames", "loop"),
    [
        ([frame(2)], None),
        ([frame(3)], None),
        ([frame(4)], 3),
        ([frame(6)], 5),
        ([frame(9)], 10),
        ([frame(10)], None),
        ([frame(11)], 10),
        ([frame(15), frame(19)], 18),
        ([frame(15)], None),
        ([frame(24)], None),
        ([frame(28)], None),
        ([frame(28, function="<listcomp>")], 28),
        ([frame(32)], 31),
        ([frame(36)], 35),
        ([frame(1, "broken.py"), frame(19)], 18),
        ([frame(1, "missing.py")], None),
        ([], None),
    ],
)
def test_loop_around(sources, frames, loop) -> None:
    found = sources.loop_around(frames)
    assert (found.line if found else None) == loop


def test_places_are_relative_and_carry_their_line(sources) -> None:
    place = sources.place(frame(4))
    assert (place.file, place.line, place.source) == ("orders.py", 4, 'con.execute("SELECT ?", row)')
    assert sources.place(frame(400)).source is None
    assert Sources("/elsewhere", {}).place(frame(4)).file == f"{ROOT}/orders.py"


def test_calls_attributes_and_definitions(sources) -> None:
    assert sources.calls(frame(4).file, 4) == ["con.execute"]
    assert ("order.items", "items") in sources.attributes(frame(32).file, 32)
    assert sources.definition(frame(24).file, 24) == "later"
    assert sources.definition(frame(9).file, 9) == "plain"
    assert sources.calls("/nowhere.py", 1) == []


@pytest.mark.parametrize(
    ("attribute", "many", "target"),
    [("items", True, "Item"), ("lines", True, "Line"), ("customer", False, "Customer"), ("tags", True, "Tag")],
)
def test_relationships_of_sqlalchemy(sources, attribute, many, target) -> None:
    file = frame(1).file
    expected = Relationship("Order", attribute, "sqlalchemy", many, target)
    assert sources.relationship(file, ["name", attribute]) == expected


def test_a_column_is_no_relationship(sources) -> None:
    assert sources.relationship(frame(1).file, ["note", "name"]) is None


def test_of_a_large_project_only_what_may_declare_something_is_parsed_and_once(monkeypatch) -> None:
    texts = {f"{ROOT}/views{number}.py": "def view(): pass\n" for number in range(200)}
    texts |= {f"{ROOT}/models.py": MODELS, f"{ROOT}/wrong.py": "relationship("}
    parsed: list[str] = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda text: parsed.append(text) or parse(text))
    sources = Sources(ROOT, texts)
    for _ in range(2):
        assert sources.relationship(f"{ROOT}/views0.py", ["items"]) is not None
        assert sources.relationship(f"{ROOT}/views0.py", ["nothing"]) is None
    assert sorted(parsed) == sorted([MODELS, "relationship("])


def test_reads_the_project_on_disk(tmp_path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "models.py").write_text(MODELS)
    (tmp_path / "shop" / "views.py").write_text("x = 1\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "other.py").write_text(MODELS.replace("Order", "Wrong").replace("items", "things"))
    found = Sources(tmp_path)
    views = str(tmp_path / "shop" / "views.py")
    assert found.relationship(views, ["items"]) is not None
    assert found.relationship(views, ["things"]) is None
    assert found.line(views, 1) == "x = 1"
    assert found.line(str(tmp_path / "gone.py"), 1) is None

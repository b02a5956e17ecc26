"""The right loader, named with its relationship, and what it saves by round-trip time."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from perfloop.database.nplusone import Call, describe_repetition, find_repetitions, loader_of
from perfloop.sources import Sources

ROOT = "/srv/shop"
MODELS = """\
class Order(Base):
    __tablename__ = "orders"
    items: Mapped[list["Item"]] = relationship()
    customer: Mapped[Customer] = relationship()

class Item(Base):
    __tablename__ = "item"

class Customer(Base):
    __tablename__ = "customer"
"""
VIEWS = """\
def orders(session):
    for order in session.scalars(select(Order)):
        order.items
        order.customer
        OrderOut.model_validate(order)
        session.execute(select(Item), order.id)
        order.notes
        show(order)
"""
DJANGO_MODELS = """\
class Purchase(models.Model):
    customer = models.ForeignKey("shop.Customer", models.CASCADE)

class Customer(models.Model):
    pass

class Line(models.Model):
    purchase = models.ForeignKey(Purchase, models.CASCADE, related_name="lines")
"""
DJANGO_VIEWS = """\
def purchases(request):
    for purchase in Purchase.objects.all():
        purchase.customer
        purchase.lines.all()
        purchase.lines.filter(paid=True)
        Purchase.objects.get(pk=purchase.parent_id)
"""
TEMPLATE = """\
{% for order in orders %}
  {{ order.customer.name }}
{% endfor %}
"""
ITEM = "SELECT item.id FROM item WHERE ? = item.order_id"
LINES = 'SELECT "line"."id" FROM "line" WHERE "line"."purchase_id" = ?'
CUSTOMER = 'SELECT "customer"."name" FROM "customer" WHERE "customer"."id" = ?'


class Frame(NamedTuple):
    file: str
    line: int
    function: str = "view"


SOURCES = Sources(
    ROOT,
    {
        f"{ROOT}/models.py": MODELS,
        f"{ROOT}/views.py": VIEWS,
        f"{ROOT}/orders.html": TEMPLATE,
    },
)
DJANGO = Sources(ROOT, {f"{ROOT}/models.py": DJANGO_MODELS, f"{ROOT}/views.py": DJANGO_VIEWS})


@pytest.mark.parametrize(
    ("line", "sql", "loader", "words"),
    [
        (3, ITEM, "selectinload", "selectinload(Order.items)"),
        (4, CUSTOMER, "joinedload", "joinedload(Order.customer)"),
        # No attribute of a model on the line: the table tells.
        (5, ITEM, "selectinload", "selectinload(Order.items)"),
        (5, CUSTOMER, "joinedload", "joinedload(Order.customer)"),
        (6, ITEM, "batch", "WHERE item.order_id IN (…)"),
        (7, "SELECT * FROM note WHERE order_id = ?", "selectinload", "`notes`"),
        (
            8,
            "SELECT count(*) FROM note WHERE order_id = ?",
            "batch",
            "order_id IN (…) GROUP BY order_id",
        ),
    ],
)
def test_sqlalchemy(line: int, sql: str, loader: str, words: str) -> None:
    advice = loader_of(sql, [Frame(f"{ROOT}/views.py", line)], SOURCES, "SQLAlchemy 2.0")
    assert advice.loader == loader
    assert words in advice.text


@pytest.mark.parametrize(
    ("line", "sql", "loader", "words"),
    [
        (3, CUSTOMER, "select_related", 'select_related("customer") on the Purchase query'),
        (4, 'SELECT "id" FROM "shop_line" WHERE "purchase_id" = ?', "prefetch_related", 'prefetch_related("lines")'),
        (5, 'SELECT "id" FROM "shop_line" WHERE "purchase_id" = ?', "prefetch_related", 'Prefetch("lines", queryset=…'),
        (6, 'SELECT "id" FROM "shop_purchase" WHERE "id" = ?', "batch", '"id" IN (…)'),
    ],
)
def test_django(line: int, sql: str, loader: str, words: str) -> None:
    advice = loader_of(sql, [Frame(f"{ROOT}/views.py", line)], DJANGO, "Django 5.2")
    assert advice.loader == loader
    assert words in advice.text


def test_where_no_line_is_known() -> None:
    assert loader_of(ITEM, [], SOURCES, "SQLAlchemy").loader == "selectinload"
    assert loader_of(ITEM, [], SOURCES, "Django").loader == "prefetch_related"
    assert loader_of(ITEM, [], SOURCES).loader == "batch"
    assert loader_of(ITEM, [Frame("/gone.py", 1)], Sources(ROOT, {})).loader == "batch"


def test_a_template_names_its_own_loop() -> None:
    frames = [Frame(f"{ROOT}/orders.html", 2, "root"), Frame(f"{ROOT}/views.py", 8)]
    assert loader_of(CUSTOMER, frames, SOURCES, "SQLAlchemy").text.count("joinedload(Order.customer)") == 1
    loop = SOURCES.loop_around(frames)
    assert loop is not None
    assert (loop.file, loop.line) == ("orders.html", 1)


def test_the_saving_is_a_function_of_the_round_trip() -> None:
    calls = [Call(ITEM, 1, 2, 10 + number, 1) for number in range(20)]
    (found,) = find_repetitions(calls)
    frames = {1: [Frame(f"{ROOT}/views.py", 3)]}
    described = describe_repetition(found, frames.__getitem__, SOURCES, frameworks="sqlalchemy", route="GET /orders")
    assert (described.relationship, described.to_many, described.route) == ("Order.items", True, "GET /orders")
    assert described.place is not None
    assert (described.place.line, described.place.source) == (3, "order.items")
    assert described.loop is not None
    assert described.loop.line == 2
    # The loader's own statement stays.
    assert described.statements_saved == 19
    assert [(each.round_trip_ms, each.saved_ms) for each in described.saved] == [(0.1, 1.9), (0.5, 9.5), (2.0, 38.0)]
    joined = describe_repetition(found, lambda _: [Frame(f"{ROOT}/views.py", 4)], SOURCES, per_request=10)
    assert (joined.loader, joined.calls, joined.rows, joined.statements_saved) == ("joinedload", 10, 20, 10)


@pytest.mark.parametrize(
    ("line", "statement", "text"),
    [
        ("[p.customer.name for p in Purchase.objects.all()[:40]]", CUSTOMER, '.select_related("customer")'),
        ("[p.lines.all()[:3] for p in Purchase.objects.filter(paid=True)]", LINES, '.prefetch_related("lines")'),
        ("[p.lines.filter(paid=True) for p in Purchase.objects.all()]", LINES, 'Prefetch("lines", queryset=…'),
        ("[Line.objects.filter(purchase=p.id) for p in Purchase.objects.all()]", LINES, "collect the keys first"),
        ("[line.id for line in Line.objects.filter(purchase=purchase)]", LINES, "collect the keys first"),
    ],
)
def test_a_query_on_the_line_of_a_comprehension_does_not_hide_the_relationship(
    line: str, statement: str, text: str
) -> None:
    view = f"def page(request):\n    return {line}\n"
    sources = Sources(ROOT, {f"{ROOT}/models.py": DJANGO_MODELS, f"{ROOT}/views.py": view})

    advice = loader_of(statement, [Frame(f"{ROOT}/views.py", 2, "<listcomp>")], sources, "Django")

    assert text in advice.text

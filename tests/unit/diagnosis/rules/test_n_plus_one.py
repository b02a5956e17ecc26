from __future__ import annotations

import pytest

from perfloop.diagnosis.rules import n_plus_one
from perfloop.monitoring.observations import Stack

from ..synthetic import MS, Call, Run, Sent, frame, library, source

ORDERS = """\
from models import Order

def list_orders(session):
    views = []
    for order in session.scalars(select(Order)):
        items = [view(item) for item in order.items]
        views.append(items)
    return views
"""
MODELS = """\
class Order(Base):
    items: Mapped[list[OrderItem]] = relationship(order_by="OrderItem.id")
    customer: Mapped[Customer] = relationship()
"""
ITEM = "SELECT item.name FROM item WHERE ? = item.order_id"


def faulty(*, repeats: int = 30, sql: str = ITEM, rows: int = 3, seconds: float = 0.3 * MS, **changes) -> Run:
    calls = [Call(0, 0, 2 * MS, rows=30), *(Call(1, 1, seconds, rows=rows) for _ in range(repeats))]
    sent = Sent(parts={"cpu": 2 * MS + 0.2 * MS * repeats}, calls=calls)
    return Run(
        [sent] * 200,
        statements=["SELECT * FROM orders", sql],
        sites=[[frame(5)], [frame(6)]],
        texts=source(ORDERS) | source(MODELS, "models.py"),
        **changes,
    )


def test_names_the_line_the_loop_the_statement_and_the_loader() -> None:
    (finding,) = n_plus_one.RULE.find(faulty().evidence())
    assert (finding.rule, finding.route) == ("n-plus-one", "GET /orders")
    assert (finding.place.file, finding.place.line) == ("orders.py", 6)
    assert finding.place.source == "items = [view(item) for item in order.items]"
    assert finding.loop is not None
    assert finding.loop.line == 5
    assert "selectinload(Order.items)" in finding.fix
    assert finding.measures["statement"] == ITEM
    assert finding.measures["statements_per_request"] == 30
    assert "31 statements a request, 30 × SELECT item.name" in finding.evidence
    assert "90 rows" in finding.cost


def test_predicts_most_of_the_time_saved() -> None:
    (finding,) = n_plus_one.RULE.find(faulty().evidence())
    low, estimate, high = finding.predicted.p99_ms
    # 19.2 ms measured; one statement instead of 30 (0.5 ms each with the computing round it) leaves about 5 to 8.
    assert 3.5 < low <= estimate <= high < 10
    assert finding.share_of_p99 > 0.5
    assert finding.share_of_time > 0.5
    assert finding.predicted.capacity_rps[1] > 80


@pytest.mark.parametrize(
    ("sql", "rows", "repeats"),
    [
        (ITEM, 3, 4),
        ("INSERT INTO item (name) VALUES (?)", 1, 30),
        ("UPDATE item SET name = ? WHERE id = ?", 1, 30),
        ("SELECT * FROM item WHERE order_id IN (?)", 500, 30),
    ],
    ids=["too few", "creates", "updates", "chunks of a batch"],
)
def test_what_is_no_n_plus_one(sql, rows, repeats) -> None:
    assert n_plus_one.RULE.find(faulty(sql=sql, rows=rows, repeats=repeats).evidence()) == []


def test_repeats_that_cost_nothing_are_no_finding() -> None:
    run = faulty(repeats=8, seconds=0.01 * MS)
    for sent in run.requests:
        sent.gap = 0.01 * MS
    assert n_plus_one.RULE.find(run.evidence()) == []


def test_the_median_request_must_repeat() -> None:
    run = faulty()
    run.requests = [sent if number % 3 == 0 else Sent() for number, sent in enumerate(run.requests)]
    assert n_plus_one.RULE.find(run.evidence()) == []


def test_without_user_code_on_the_stack_the_handler_is_the_place() -> None:
    run = faulty()
    run.sites[1] = []
    for sent in run.requests:
        sent.handler = frame(3)
    (finding,) = n_plus_one.RULE.find(run.evidence())
    assert finding.place.line == 3
    assert finding.loop is None
    assert "selectinload" in finding.fix


def test_other_work_in_the_loop_is_not_counted_as_saved() -> None:
    run = faulty()
    # All requests are one object.
    run.requests[0].parts["cpu"] += 30 * MS
    run.requests[0].gap = 1.2 * MS
    bare = n_plus_one.RULE.find(run.evidence())[0].predicted.p99_ms[1]
    run.stacks = [
        Stack(pid=100, route="/orders", frames=[library("sqlalchemy"), frame(6)], samples=100, cpu_seconds=1.0),
        Stack(pid=100, route="/orders", frames=[frame(7)], samples=500, cpu_seconds=5.0),
    ]
    sampled = n_plus_one.RULE.find(run.evidence())[0].predicted.p99_ms[1]
    assert sampled > 1.5 * bare


PLAIN = """\
def list_orders(con):
    orders = con.execute("SELECT id FROM orders").fetchall()
    return [con.execute("SELECT * FROM item WHERE order_id = ?", order).fetchall() for order in orders]
"""


HELPER = """\
def query(sql, *values):
    return con.execute(sql, values).fetchall()

def list_orders():
    orders = query("SELECT id FROM orders")
    for order in orders:
        order.items = query("SELECT * FROM item WHERE order_id = ?", order.id)
    return orders
"""


def test_behind_a_helper_the_line_that_asks_is_named_too() -> None:
    """The helper's line is the place, but it serves every statement: there is nothing to change in it."""
    run = faulty()
    run.texts = source(HELPER)
    run.sites = [[frame(2, function="query"), frame(5)], [frame(2, function="query"), frame(7)]]
    (finding,) = n_plus_one.RULE.find(run.evidence())
    assert finding.place.line == 2
    assert finding.loop is not None
    assert finding.loop.line == 6
    assert "asked for at orders.py:7 in list_orders: order.items = query(" in finding.evidence


def test_a_line_that_asks_itself_is_not_named_twice() -> None:
    (finding,) = n_plus_one.RULE.find(faulty().evidence())
    assert "asked for at" not in finding.evidence


def test_plain_sql_gets_an_in_list() -> None:
    run = faulty(sql="SELECT * FROM item WHERE order_id = ?")
    run.sites[1] = [frame(3, function="<listcomp>"), frame(3)]
    run.texts = source(PLAIN)
    (finding,) = n_plus_one.RULE.find(run.evidence())
    assert "WHERE order_id IN (…)" in finding.fix
    assert "selectinload" not in finding.fix
    assert finding.loop is not None
    assert finding.loop.line == 3


DJANGO = """\
def list_orders(request):
    return JsonResponse({"orders": [
        order.customer.name
        for order in Order.objects.all()
    ]})
"""
DJANGO_MODELS = """\
class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)

class Item(models.Model):
    order = models.ForeignKey("shop.Order", related_name="items", on_delete=models.CASCADE)
"""


@pytest.mark.parametrize(
    ("text", "loader"),
    [
        (DJANGO, '.select_related("customer") on the Order'),
        (DJANGO.replace("order.customer.name", "len(order.items.all())"), '.prefetch_related("items") on the Order'),
    ],
)
def test_django_gets_its_loaders(text, loader) -> None:
    run = faulty(frameworks=["Django 5.2"])
    run.sites[1] = [frame(3)]
    run.texts = source(text) | source(DJANGO_MODELS, "models.py")
    (finding,) = n_plus_one.RULE.find(run.evidence())
    assert loader in finding.fix
    assert finding.loop is not None
    assert finding.loop.line == 4
